"""A stream in OpenAI's form: `chat.completion`, and `chat.completion.chunk` as server-sent events.

The official SDKs are exacting: no `id:` lines, no empty `data:`, `choices` always present, `usage` only where asked for
(then null in every chunk and once, with empty `choices`, before `[DONE]`), and a failure is one event with `error`. What
OpenAI has no field for stands in `hub`: the `receipt`, and the `detail` of an answer that is shorter than it might be.
"""

from typing import Any

import orjson

from handlers.dialects import AI_AGGREGATOR
from handlers.sse import DONE
from hub.chat_records import receipt_view
from hub.errors import Code, HubError
from hub.providers.base import Delta, Usage
from hub.streams import Outcome, Stream

Json = dict[str, Any]


def completion_id(stream: Stream) -> str:
    return "chatcmpl-" + stream.id.partition("_")[2]


def usage_view(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def failure_of(outcome: Outcome) -> HubError | None:
    """What a client has to be told as an error: a failure, and an answer that somebody stopped. OpenAI has no word for
    the latter, and a finish reason of `stop` would call half an answer a whole one.
    """
    if outcome.finish_reason == "cancelled":
        return HubError(Code.CONFLICT, "This answer was stopped before its end")
    return outcome.error


def hub_view(outcome: Outcome) -> Json:
    """Ours, beside OpenAI's fields."""
    return {"detail": outcome.detail, "receipt": receipt_view(outcome.receipt, outcome.usage_source)}


def completion_view(stream: Stream, outcome: Outcome) -> Json:
    """The whole answer as one `chat.completion`."""
    message: Json = {"role": "assistant", "content": stream.text(), "refusal": None}
    for delta in stream.deltas:
        if delta.extra is not None:
            message |= delta.extra
    if message.get("tool_calls") and not message["content"]:
        message["content"] = None
    return {
        "id": completion_id(stream),
        "object": "chat.completion",
        "created": stream.created,
        "model": stream.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": outcome.finish_reason}],
        "usage": usage_view(outcome.usage),
        "system_fingerprint": None,
        "hub": hub_view(outcome),
    }


class ChunkEncoder:
    """Writes one `chat.completion.chunk` per delta; what does not change is encoded once."""

    def __init__(self, stream: Stream, *, include_usage: bool, request_id: str) -> None:
        head: Json = {
            "id": completion_id(stream),
            "object": "chat.completion.chunk",
            "created": stream.created,
            "model": stream.model,
            "system_fingerprint": None,
        }
        self._include_usage = include_usage
        self._request_id = request_id
        self._head = b"data: " + orjson.dumps(head)[:-1]
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._before = self._head + b',"choices":[{"index":0,"delta":{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def _chunk(self, delta: Json) -> bytes:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}]
        return self._head + b',"choices":' + orjson.dumps(choices) + self._tail

    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def deltas(self, deltas: list[Delta], offset: int) -> bytes:
        before, after, dumps = self._before, self._after, orjson.dumps
        return b"".join(
            [
                before + dumps(delta.content) + after if delta.extra is None else self._rich(delta, delta.extra)
                for delta in deltas
            ]
        )

    def _rich(self, delta: Delta, extra: Json) -> bytes:
        content = {"content": delta.content} if delta.content else {}
        return self._chunk({**content, **extra})

    def end(self, outcome: Outcome) -> bytes:
        if (error := failure_of(outcome)) is not None:
            return self._error(error) + DONE
        events = self._last(outcome)
        if self._include_usage:
            usage = orjson.dumps(usage_view(outcome.usage))
            events += self._head + b',"choices":[],"usage":' + usage + b"}\n\n"
        return events + DONE

    def _last(self, outcome: Outcome) -> bytes:
        choices = [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": outcome.finish_reason}]
        hub = b',"hub":' + orjson.dumps(hub_view(outcome))
        return self._head + b',"choices":' + orjson.dumps(choices) + hub + self._tail

    def _error(self, error: HubError) -> bytes:
        body = AI_AGGREGATOR.error(error, AI_AGGREGATOR.codes[error.code][1], self._request_id)
        return b"data: " + orjson.dumps({"error": body["error"]}) + b"\n\n"
