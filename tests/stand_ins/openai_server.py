"""OpenAI's chat completions, played by a server on loopback.

As a process: python -m tests.stand_ins.openai_server --port N --chunks 400 --interval-ms 5 --first-token-ms 20 [--burst]
It prints its address once it listens; `--burst` sends all chunks in one write.
"""

import argparse
import asyncio
import base64
import struct
import sys
from functools import lru_cache
from typing import ClassVar

import orjson

from tests.stand_ins.base import Json, Scenario, StandIn, usage_counts

_ID = "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"
_CREATED = 1741569952


class OpenAIStandIn(StandIn):
    """Serves any path; `base_url` is what a hub is given."""

    recordings: ClassVar = {
        "text": ("openai_text.sse", "openai_completion.json"),
        "tools": ("openai_tools.sse", "openai_completion_tools.json"),
        "choices": ("openai_choices_logprobs.sse", "openai_choices_logprobs.json"),
        "failure": ("openai_error_chunk.sse", "openai_error_400.json"),
    }

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def frames(self, scenario: Scenario, body: Json) -> tuple[bytes, bytes, bytes]:
        include_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return _frames(scenario, str(body["model"]), include_usage, _choices(body))

    def whole_body(self, scenario: Scenario, body: Json) -> Json:
        if "input" in body:
            return _embeddings(scenario, body)
        message: Json = {
            "role": "assistant",
            "content": scenario.word * scenario.chunks,
            "refusal": None,
            "annotations": [],
        }
        choices = [
            {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"}
            for index in range(_choices(body))
        ]
        whole = {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": body["model"],
            "choices": choices,
        }
        usage = _usage(scenario, len(choices))
        return whole | ({"usage": usage} if usage is not None else {})

    def error_body(self, status: int) -> Json:
        return {"error": {"message": f"Stand-in error {status}", "type": "server_error", "param": None, "code": None}}

    def error_frame(self) -> bytes:
        return _frame({"error": {"message": "The server had an error", "type": "server_error", "code": None}})


def _embeddings(scenario: Scenario, body: Json) -> Json:
    """Each vector is its input's number and zeros, in the model's own length or that which is asked for."""
    full = 3072 if "large" in body["model"] else 1536
    rest = bytes(4 * (body.get("dimensions", full) - 1))
    vectors = [base64.b64encode(struct.pack("<f", number) + rest).decode() for number in range(len(body["input"]))]
    rows = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    whole = {"object": "list", "data": rows, "model": body["model"]}
    counts = usage_counts(scenario)
    return whole | ({"usage": {"prompt_tokens": counts[0], "total_tokens": counts[0]}} if counts is not None else {})


@lru_cache(maxsize=64)
def _frames(scenario: Scenario, model: str, include_usage: bool, choices: int) -> tuple[bytes, bytes, bytes]:
    """Of several choices each says the same word in turn."""

    def each(delta: Json, reason: str | None = None) -> bytes:
        return b"".join(_chunk(model, delta, reason, include_usage, index) for index in range(choices))

    opening = each({"role": "assistant", "content": "", "refusal": None})
    word, ending = each({"content": scenario.word}), each({}, "stop")
    usage = _usage(scenario, choices)
    if include_usage and usage is not None:
        ending += _frame(_head(model) | {"choices": [], "usage": usage})
    return opening, word, ending + b"data: [DONE]\n\n"


def _head(model: str) -> Json:
    head = {"id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": model}
    return head | {"service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}


def _chunk(model: str, delta: Json, finish_reason: str | None, include_usage: bool, index: int) -> bytes:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _frame(_head(model) | {"choices": [choice]} | ({"usage": None} if include_usage else {}))


def _choices(body: Json) -> int:
    return int(body.get("n") or 1)


def _usage(scenario: Scenario, choices: int) -> Json | None:
    counts = usage_counts(scenario)
    if counts is None:
        return None
    prompt, completion = counts[0], counts[1] * choices
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _frame(document: Json) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


async def _serve(arguments: argparse.Namespace) -> None:
    interval_seconds = 0.0 if arguments.burst else arguments.interval_ms / 1_000
    default = Scenario("normal", arguments.chunks, interval_seconds, arguments.first_token_ms / 1_000)
    server = OpenAIStandIn(default, keep_requests=False)
    await server.start(arguments.port)
    sys.stdout.write(f"{server.base_url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--chunks", type=int, default=400)
    parser.add_argument("--interval-ms", type=float, default=5.0)
    parser.add_argument("--first-token-ms", type=float, default=20.0)
    parser.add_argument("--burst", action="store_true")
    arguments = parser.parse_args()
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(arguments))
    else:
        uvloop.run(_serve(arguments))


if __name__ == "__main__":
    main()
