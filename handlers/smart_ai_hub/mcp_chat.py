"""`POST /api/mcp/chat/completions`: Smart AI Hub's form, as one answer or as server-sent events.

An event's data is `{"id", "model", "choices": [{"index", "delta": {"content"}, "finishReason"}]}`; the last one also has
`usage`, `cost`, `receipt` and, where there is more to say of the end, `detail`; then `[DONE]`. A failure after the first
delta is one event with `error`.
"""

from functools import partial
from typing import Any

from config import limits
from handlers.access import scope
from handlers.asking import begun, question
from handlers.chat_headers import IDEMPOTENCY_KEY, ON_DISCONNECT
from handlers.delta_events import DeltaEvents, paid
from handlers.dialects import SMART_AI_HUB
from handlers.routing import Route
from handlers.sse import StreamHandler, outcome_of, relay
from handlers.terms import EVENTS, JSON, answers, asks, takes
from handlers.workflow_hops import HOPS
from hub.chat_request import ChatRequest
from hub.errors import HubError
from hub.fields import Flag, Input, Integer, Number, Text
from hub.messages_field import Messages
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
    @asks(IDEMPOTENCY_KEY, ON_DISCONNECT, HOPS)
    @answers(200, JSON, EVENTS)
    async def post(self) -> None:
        """Complete a conversation, as one answer or as server-sent events."""
        body, data = question(self)
        request = ChatRequest(
            model=data["model"],
            api="smart_ai_hub",
            messages=data["messages"],
            max_tokens=data.get("maxTokens"),
            parameters={"temperature": data["temperature"]} if "temperature" in data else {},
            streamed=data["stream"],
        )
        stream = await begun(self, body, request)
        if data["stream"]:
            await relay(self, stream, events_of(stream, self.request_id))
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
    """What the answer came to."""
    usage = outcome.usage
    return {
        "usage": {
            "promptTokens": usage.prompt_tokens,
            "completionTokens": usage.completion_tokens,
            "totalTokens": usage.prompt_tokens + usage.completion_tokens,
        },
        **paid(outcome),
    }


def events_of(stream: Stream, request_id: str) -> DeltaEvents:
    head = {"id": completion_id(stream), "model": stream.model}
    return DeltaEvents(head, "finishReason", _ending, partial(_failure, request_id))


def _failure(request_id: str, error: HubError) -> Json:
    told = SMART_AI_HUB.error(error, SMART_AI_HUB.codes[error.code][1], request_id)
    return {"error": told["error"]}


ROUTES = (Route("/api/mcp/chat/completions", McpChat, ("smart_ai_hub",), "mcp"),)
