"""`POST /v1/chat/completions`: OpenAI's form, as one answer or as server-sent events."""

from typing import Final

from marshmallow import INCLUDE, Schema

from config import limits
from handlers.access import scope
from handlers.ai_aggregator.openai_views import ChunkEncoder, completion_view, failure_of
from handlers.ai_aggregator.passing import PassingInput
from handlers.asking import begun, question
from handlers.chat_headers import IDEMPOTENCY_KEY, ON_DISCONNECT
from handlers.routing import Route
from handlers.sse import StreamHandler, outcome_of, relay
from handlers.terms import EVENTS, JSON, answers, asks, takes
from handlers.workflow_hops import HOPS
from hub.chat_request import ChatRequest
from hub.checks import Checked, a_list, an_object
from hub.fields import Flag, Integer, Nested, Number, Stops, Text
from hub.messages_field import Messages

_TOOLS: Final = limits.TOOLS_PER_REQUEST_MAX
_OURS: Final = ("model", "messages", "max_tokens", "max_completion_tokens", "stream", "n")


class StreamOptions(Schema):
    """`include_usage` is ours to honour; what else there may be is the provider's."""

    class Meta:
        unknown = INCLUDE

    include_usage = Flag(load_default=False)


class CompletionInput(PassingInput):
    """OpenAI's request."""

    model = Text(low=1, high=100, required=True, example="gpt-4")
    messages = Messages(plain=False, required=True)
    max_tokens = Integer(low=1, high=limits.MAX_TOKENS_MAX, allow_none=True)
    max_completion_tokens = Integer(low=1, high=limits.MAX_TOKENS_MAX, allow_none=True)
    temperature = Number(low=0, high=2, allow_none=True)
    top_p = Number(low=0, high=1, allow_none=True)
    n = Integer(low=1, high=limits.CHOICES_MAX, allow_none=True)
    stop = Stops(allow_none=True)
    tools = Checked(  # what each of them may be is the provider's matter
        a_list(an_object({}), 0, _TOOLS, f"must be a list of at most {_TOOLS} tools"),
        {"type": "array", "maxItems": _TOOLS, "items": {"type": "object"}},
        allow_none=True,
    )
    stream = Flag(load_default=False, allow_none=True)
    stream_options = Nested(StreamOptions, allow_none=True)


class ChatCompletions(StreamHandler):
    """Completions for programs; billed to the caller's wallet."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX

    @scope("ai:write")
    @takes(CompletionInput())
    @asks(IDEMPOTENCY_KEY, ON_DISCONNECT, HOPS)
    @answers(200, JSON, EVENTS, enveloped=False)
    async def post(self) -> None:
        """Complete a conversation in OpenAI's form, as one answer or as server-sent events."""
        body, data = question(self)
        streamed = bool(data.get("stream"))
        request = ChatRequest(
            model=data["model"],
            api="ai_aggregator",
            messages=data["messages"],
            max_tokens=data.get("max_completion_tokens") or data.get("max_tokens"),
            parameters={name: value for name, value in data.items() if name not in _OURS and value is not None},
            choices=data.get("n") or 1,
            streamed=streamed,
        )
        stream = await begun(self, body, request)
        if streamed:
            options = data.get("stream_options") or {}
            include_usage = bool(options.get("include_usage"))
            encoder = ChunkEncoder(stream, include_usage=include_usage, request_id=self.request_id)
            await relay(self, stream, encoder)
        elif (outcome := await outcome_of(self, stream)) is not None:
            if (error := failure_of(outcome)) is not None:
                raise error
            self.send(completion_view(stream, outcome))


ROUTES = (Route("/v1/chat/completions", ChatCompletions, ("ai_aggregator",)),)
