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
from hub.choices import choice_views
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
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
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
    return {
        "id": completion_id(stream),
        "object": "chat.completion",
        "created": stream.created,
        "model": stream.model,
        "choices": choice_views(stream.deltas, outcome.finish_reason),
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
        self._begun: set[int] = set()  # choices
        self._unfinished: set[int] = set()
        self._include_usage = include_usage
        self._request_id = request_id
        self._head = b"data: " + orjson.dumps(head)[:-1]
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._before = self._head + b',"choices":[{"index":0,"delta":{"content":'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def _chunk(self, delta: Json, index: int = 0, logprobs: Json | None = None, reason: str | None = None) -> bytes:
        choices = [{"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}]
        return self._head + b',"choices":' + orjson.dumps(choices) + self._tail

    def begin(self) -> bytes:
        return self._begin_choice(0)

    def _begin_choice(self, index: int) -> bytes:
        self._unfinished.add(index)
        return self._chunk({"role": "assistant", "content": "", "refusal": None}, index)

    def deltas(self, deltas: list[Delta], offset: int) -> bytes:
        before, after, dumps = self._before, self._after, orjson.dumps
        return b"".join(
            [
                before + dumps(delta.content) + after if delta.extra is None else self._rich(delta, delta.extra)
                for delta in deltas
            ]
        )

    def _rich(self, delta: Delta, extra: Json) -> bytes:
        """A delta with other fields than its content, of a further choice, or with what stands beside a delta."""
        choice = extra.get("choice", {})
        index, reason = choice.get("index", 0), choice.get("finish_reason")
        begun = self._begin_choice(index) if index and index not in self._begun else b""
        self._begun.add(index)
        said = {"content": delta.content} if delta.content else {}
        if reason is not None:
            self._unfinished.discard(index)
        fields = {name: value for name, value in extra.items() if name != "choice"}
        return begun + self._chunk({**said, **fields}, index, choice.get("logprobs"), reason)

    def end(self, outcome: Outcome) -> bytes:
        if (error := failure_of(outcome)) is not None:
            return self._error(error) + DONE
        others = [self._chunk({}, index, None, outcome.finish_reason) for index in sorted(self._unfinished) if index]
        events = b"".join(others) + self._last(outcome)
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
