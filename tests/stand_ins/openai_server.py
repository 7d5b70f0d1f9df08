"""OpenAI's chat completions, played by a server on loopback.

As a process: python -m tests.stand_ins.openai_server --port N --chunks 400 --interval-ms 5 --first-token-ms 20 [--burst]
It prints its address once it listens; `--burst` sends all chunks in one write.
"""

import argparse
import asyncio
import sys
from functools import lru_cache

import orjson

from tests.stand_ins.base import Json, Scenario, StandIn, usage_counts

_ID = "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"
_CREATED = 1741569952


class OpenAIStandIn(StandIn):
    """Serves any path; `base_url` is what a hub is given."""

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def frames(self, scenario: Scenario, body: Json) -> tuple[bytes, bytes, bytes]:
        return _frames(scenario, str(body["model"]), bool((body.get("stream_options") or {}).get("include_usage")))

    def whole_body(self, scenario: Scenario, body: Json) -> Json:
        message: Json = {
            "role": "assistant",
            "content": scenario.word * scenario.chunks,
            "refusal": None,
            "annotations": [],
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        whole = {
            "id": _ID,
            "object": "chat.completion",
            "created": _CREATED,
            "model": body["model"],
            "choices": [choice],
        }
        usage = _usage(scenario)
        return whole | ({"usage": usage} if usage is not None else {})

    def error_body(self, status: int) -> Json:
        return {"error": {"message": f"Stand-in error {status}", "type": "server_error", "param": None, "code": None}}

    def error_frame(self) -> bytes:
        return _frame({"error": {"message": "The server had an error", "type": "server_error", "code": None}})


@lru_cache(maxsize=64)
def _frames(scenario: Scenario, model: str, include_usage: bool) -> tuple[bytes, bytes, bytes]:
    opening = _chunk(model, {"role": "assistant", "content": "", "refusal": None}, None, include_usage)
    word = _chunk(model, {"content": scenario.word}, None, include_usage)
    ending = _chunk(model, {}, "stop", include_usage)
    usage = _usage(scenario)
    if include_usage and usage is not None:
        ending += _frame(_head(model) | {"choices": [], "usage": usage})
    return opening, word, ending + b"data: [DONE]\n\n"


def _head(model: str) -> Json:
    head = {"id": _ID, "object": "chat.completion.chunk", "created": _CREATED, "model": model}
    return head | {"service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}


def _chunk(model: str, delta: Json, finish_reason: str | None, include_usage: bool) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _frame(_head(model) | {"choices": [choice]} | ({"usage": None} if include_usage else {}))


def _usage(scenario: Scenario) -> Json | None:
    counts = usage_counts(scenario)
    if counts is None:
        return None
    prompt, completion = counts
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
