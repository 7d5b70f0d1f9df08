"""`POST /api/mcp/chat/completions`: Smart AI Hub's form, as one answer or as server-sent events.

An event's data is `{"id", "model", "choices": [{"index", "delta": {"content"}, "finishReason"}]}`; the last one also has
`usage`, `cost`, `receipt` and, where there is more to say of the end, `detail`; then `[DONE]`. A failure after the first
delta is one event with `error`.
"""

from typing import Any

import orjson

from config import limits
from handlers.access import scope
from handlers.chat_headers import (
    IDEMPOTENCY_KEY,
    ON_DISCONNECT,
    key_check,
    key_of,
    on_disconnect,
    on_disconnect_check,
)
from handlers.dialects import SMART_AI_HUB
from handlers.routing import Route
from handlers.sse import DONE, StreamHandler, outcome_of, relay, stream_headers
from handlers.terms import EVENTS, JSON, answers, asks, takes
from hub.chat_records import receipt_view
from hub.chat_request import ChatRequest
from hub.fields import Flag, Input, Integer, Number, Text
from hub.messages_field import Messages
from hub.prices import credits_number
from hub.providers.base import Delta
from hub.streams import Outcome, Stream

Json = dict[str, Any]


class CompletionInput(Input):
    model = Text(low=1, high=100, required=True, example="gpt-4")
    messages = Messages(plain=True, required=True)
    maxTokens = Integer(low=1, high=limits.MAX_TOKENS_MAX)
    temperature = Number(low=0, high=2)
    stream = Flag(load_default=False)


class McpChat(StreamHandler):
    """Completions in the hub's own form; `cost` is what was charged, in credits."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX

    @scope("ai:write")
    @takes(CompletionInput())
    @asks(IDEMPOTENCY_KEY, ON_DISCONNECT)
    @answers(200, JSON, EVENTS)
    async def post(self) -> None:
        """Complete a conversation, as one answer or as server-sent events."""
        body = self.json_body()
        data = self.loaded(body, key_check(self), on_disconnect_check(self))
        request = ChatRequest(
            model=data["model"],
            api="smart_ai_hub",
            messages=data["messages"],
            max_tokens=data.get("maxTokens"),
            parameters={"temperature": data["temperature"]} if "temperature" in data else {},
            streamed=data["stream"],
            on_disconnect=on_disconnect(self),
            idempotency=key_of(self, body),
        )
        started = await self.services.chat.start(self.caller, request)
        stream = started.stream
        stream_headers(self, stream, repeated=started.repeated)
        if data["stream"]:
            await relay(self, stream, EventEncoder(stream, self.request_id))
        elif (outcome := await outcome_of(self, stream)) is not None:
            self.answer(completion_view(stream, outcome))


def completion_view(stream: Stream, outcome: Outcome) -> Json:
    message = {"role": "assistant", "content": stream.text()}
    return {
        "id": completion_id(stream),
        "model": stream.model,
        "choices": [{"index": 0, "message": message, "finishReason": outcome.finish_reason}],
        **_ending(outcome),
    }


def completion_id(stream: Stream) -> str:
    return "chatcmpl-" + stream.id.partition("_")[2]


def _ending(outcome: Outcome) -> Json:
    """What the answer came to. `detail` says why it is shorter than it might be, such as `insufficient_credits`."""
    usage = outcome.usage
    charged = outcome.receipt.charged if outcome.receipt else 0
    return {
        "usage": {
            "promptTokens": usage.prompt_tokens,
            "completionTokens": usage.completion_tokens,
            "totalTokens": usage.prompt_tokens + usage.completion_tokens,
        },
        "cost": credits_number(charged),
        "receipt": receipt_view(outcome.receipt, outcome.usage_source),
        **({} if outcome.detail is None else {"detail": outcome.detail}),
    }


class EventEncoder:
    """Writes one event per delta; what does not change is encoded once."""

    def __init__(self, stream: Stream, request_id: str) -> None:
        self._head = {"id": completion_id(stream), "model": stream.model}
        self._request_id = request_id
        self._before = b"data: " + orjson.dumps(self._head)[:-1] + b',"choices":[{"index":0,"delta":{"content":'
        self._after = b'},"finishReason":null}]}\n\n'

    def begin(self) -> bytes:
        return b""

    def deltas(self, deltas: list[Delta], offset: int) -> bytes:
        return b"".join([self._before + orjson.dumps(delta.content) + self._after for delta in deltas])

    def end(self, outcome: Outcome) -> bytes:
        if outcome.error is not None:
            error = SMART_AI_HUB.error(outcome.error, SMART_AI_HUB.codes[outcome.error.code][1], self._request_id)
            return _event({"error": error["error"]}) + DONE
        choices = [{"index": 0, "delta": {}, "finishReason": outcome.finish_reason}]
        return _event({**self._head, "choices": choices, **_ending(outcome)}) + DONE


def _event(data: Json) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


ROUTES = (Route("/api/mcp/chat/completions", McpChat, ("smart_ai_hub",), "mcp"),)
