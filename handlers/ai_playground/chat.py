"""`POST /api/v1/ai/chat`: a conversation answered in the AI Playground's form, as one answer or as server-sent events.

The document has no form for the events. Here each is `{"id", "model", "created", "choices": [{"index", "delta": {"content"},
"finish_reason"}]}`, the last one with `usage`, `cost` and `receipt`; then `[DONE]`. A failure after the first delta is one
event that is the API's error answer.
"""

from functools import partial
from typing import Any, Final

from config import limits
from handlers.access import scope
from handlers.ai_playground.answers import AnswerInput, ending, head, request_of
from handlers.asking import begun, question
from handlers.chat_headers import IDEMPOTENCY_KEY, ON_DISCONNECT
from handlers.delta_events import DeltaEvents
from handlers.dialects import AI_PLAYGROUND
from handlers.routing import Route
from handlers.sse import StreamHandler, outcome_of, relay
from handlers.terms import EVENTS, JSON, answers, asks, takes
from handlers.workflow_hops import HOPS
from hub.errors import HubError
from hub.fields import Flag, Stops
from hub.messages_field import Messages
from hub.streams import Outcome, Stream

Json = dict[str, Any]

_PREFIX: Final = "chat-"


class ChatInput(AnswerInput):
    messages = Messages(plain=True, required=True)
    stop = Stops()
    stream = Flag(load_default=False)


class Chat(StreamHandler):
    """Conversations; billed to the caller's wallet."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX

    @scope("ai:write")
    @takes(ChatInput())
    @asks(IDEMPOTENCY_KEY, ON_DISCONNECT, HOPS)
    @answers(200, JSON, EVENTS)
    async def post(self) -> None:
        """Answer a conversation, as one answer or as server-sent events."""
        body, data = question(self)
        stream = await begun(self, body, request_of(data, data["messages"], streamed=data["stream"]))
        if data["stream"]:
            await relay(self, stream, _events_of(stream, self.request_id))
        elif (outcome := await outcome_of(self, stream)) is not None:
            self.answer(_view(stream, outcome))


def _view(stream: Stream, outcome: Outcome) -> Json:
    message = {"role": "assistant", "content": stream.text()}
    choices = [{"index": 0, "message": message, "finish_reason": outcome.finish_reason}]
    return {**head(_PREFIX, stream), "choices": choices, **ending(outcome)}


def _events_of(stream: Stream, request_id: str) -> DeltaEvents:
    return DeltaEvents(head(_PREFIX, stream), "finish_reason", ending, partial(_failure, request_id))


def _failure(request_id: str, error: HubError) -> Json:
    return AI_PLAYGROUND.error(error, AI_PLAYGROUND.codes[error.code][1], request_id)


ROUTES = (Route("/api/v1/ai/chat", Chat, ("ai_playground",), "ai"),)
