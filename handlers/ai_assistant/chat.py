"""`POST /api/ai/chat`: the next turn of a kept conversation, as one answer or as server-sent events.

The document has no form for the events. Here each is `{"conversation_id", "message_id", "model", "choices": [{"index",
"delta": {"content"}, "finish_reason"}]}`, the last one with `tokens_used` and `credits_consumed`; then `[DONE]`. A failure
after the first delta is one event that is the API's error answer.
"""

from functools import partial
from typing import Any

from config import limits
from handlers.access import scope
from handlers.asking import begun, question
from handlers.chat_headers import IDEMPOTENCY_KEY, ON_DISCONNECT
from handlers.delta_events import DeltaEvents
from handlers.dialects import AI_ASSISTANT
from handlers.numbers import NUMBER_MAX
from handlers.routing import Route
from handlers.sse import StreamHandler, outcome_of, relay
from handlers.terms import EVENTS, JSON, answers, asks, takes
from handlers.workflow_hops import HOPS
from hub.chat_request import ChatRequest
from hub.errors import HubError
from hub.fields import Flag, Input, Integer, Number, Text
from hub.prices import credits_number
from hub.streams import Outcome, Stream

Json = dict[str, Any]


class ChatInput(Input):
    """Without a `conversation_id` one begins. Without a `model` it is the conversation's last."""

    message = Text(low=1, high=limits.MESSAGE_CHARS_MAX, required=True, example="Explain quantum computing")
    model = Text(low=1, high=100, example="gpt-4")
    conversation_id = Text(low=1, high=limits.NAME_CHARS_MAX)
    project_id = Integer(low=1, high=NUMBER_MAX)
    temperature = Number(low=0, high=2)
    max_tokens = Integer(low=1, high=limits.MAX_TOKENS_MAX)
    stream = Flag(load_default=False)


class Chat(StreamHandler):
    """Conversations are kept, and paid from the caller's wallet."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX

    @scope("ai:write")
    @takes(ChatInput())
    @asks(IDEMPOTENCY_KEY, ON_DISCONNECT, HOPS)
    @answers(200, JSON, EVENTS)
    async def post(self) -> None:
        """Say something in a conversation; the answer, as one or as server-sent events."""
        body, data = question(self)
        stream = await begun(self, body, _request(data))
        if data["stream"]:
            await relay(self, stream, _events_of(stream, self.request_id))
        elif (outcome := await outcome_of(self, stream)) is not None:
            self.answer({"response": stream.text(), **_head(stream), **_ending(outcome)})


def _request(data: Json) -> ChatRequest:
    return ChatRequest(
        model=data.get("model"),
        api=AI_ASSISTANT.name,
        message=data["message"],
        max_tokens=data.get("max_tokens"),
        parameters={"temperature": data["temperature"]} if "temperature" in data else {},
        streamed=data["stream"],
        conversation=data.get("conversation_id"),
        project=data.get("project_id"),
        keep_conversation=True,
    )


def _head(stream: Stream) -> Json:
    return {"model": stream.model, "conversation_id": stream.conversation, "message_id": stream.message}


def _ending(outcome: Outcome) -> Json:
    """What the answer came to. `detail` says why it is shorter than it might be, such as `insufficient_credits`."""
    usage, receipt = outcome.usage, outcome.receipt
    return {
        "tokens_used": usage.prompt_tokens + usage.completion_tokens,
        "credits_consumed": credits_number(receipt.charged if receipt else 0),
        "finish_reason": outcome.finish_reason,
        **({} if outcome.detail is None else {"detail": outcome.detail}),
    }


def _events_of(stream: Stream, request_id: str) -> DeltaEvents:
    return DeltaEvents(_head(stream), "finish_reason", _ending, partial(_failure, request_id))


def _failure(request_id: str, error: HubError) -> Json:
    return AI_ASSISTANT.error(error, AI_ASSISTANT.codes[error.code][1], request_id)


ROUTES = [Route("/api/ai/chat", Chat, ("ai_assistant",))]
