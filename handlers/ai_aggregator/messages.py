"""`POST /v1/messages`: Anthropic's form, as one message or as server-sent events, for every model that chats."""

from typing import Any, Final

from config import limits
from handlers.access import scope
from handlers.ai_aggregator.anthropic_views import MessageEncoder, message_view
from handlers.ai_aggregator.openai_views import failure_of
from handlers.ai_aggregator.passing import PassingInput
from handlers.asking import begun, question
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, ON_DISCONNECT
from handlers.routing import Route
from handlers.sse import StreamHandler, outcome_of, relay
from handlers.terms import EVENTS, JSON, answers, asks, header, takes
from handlers.workflow_hops import HOPS
from hub import anthropic_fields, prompts
from hub.ai_models import chat_model
from hub.chat_request import ChatRequest
from hub.errors import invalid
from hub.fields import Flag, Integer, Number, Text
from hub.messages_form import openai_format, openai_messages, openai_parameters, openai_tools
from hub.providers.base import Native

BETAS: Final = header("anthropic-beta", "Which of Anthropic's betas are used; told to Anthropic, and to nobody else")


class PromptInput(PassingInput):
    """What a model is asked."""

    model = Text(low=1, high=100, required=True, example="gpt-4o")
    messages = anthropic_fields.messages(required=True)
    system = anthropic_fields.system(allow_none=True)
    tools = anthropic_fields.tools(allow_none=True)
    tool_choice = anthropic_fields.tool_choice(allow_none=True)
    thinking = anthropic_fields.thinking(allow_none=True)
    output_config = anthropic_fields.output_config(allow_none=True)


class MessageInput(PromptInput):
    """Anthropic's request."""

    max_tokens = Integer(low=1, high=limits.MAX_TOKENS_MAX, required=True, example=500)
    temperature = Number(low=0, high=1, allow_none=True)
    top_p = Number(low=0, high=1, allow_none=True)
    top_k = Integer(low=0, high=limits.MAX_TOKENS_MAX, allow_none=True)
    stop_sequences = anthropic_fields.stop_sequences(allow_none=True)
    metadata = anthropic_fields.metadata(allow_none=True)
    stream = Flag(load_default=False, allow_none=True)


class Messages(StreamHandler):
    """Messages for programs; billed to the caller's wallet."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX

    @scope("ai:write")
    @takes(MessageInput())
    @asks(IDEMPOTENCY_KEY, ON_DISCONNECT, HOPS, BETAS)
    @answers(200, JSON, EVENTS, enveloped=False)
    async def post(self) -> None:
        """Answer a conversation in Anthropic's form, as one message or as server-sent events."""
        body, data = question(self, lambda _: _betas(self))
        stream = await begun(self, body, self._request(body, data))
        if data["stream"]:
            await relay(self, stream, MessageEncoder(stream, request_id=self.request_id))
        elif (outcome := await outcome_of(self, stream)) is not None:
            if (error := failure_of(outcome)) is not None:
                raise error
            self.send(message_view(stream, outcome))

    def _request(self, body: Any, data: dict[str, Any]) -> ChatRequest:
        return ChatRequest(
            model=data["model"],
            api="ai_aggregator",
            messages=openai_messages(data),
            max_tokens=data["max_tokens"],
            parameters=openai_parameters(data),
            native=Native(body, _betas(self)),
            streamed=bool(data["stream"]),
        )


class CountTokens(ApiHandler):
    """How many tokens a prompt has, by the hub's own count: free, and nothing of it is kept."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX

    @scope("ai:write")
    @takes(PromptInput())
    @answers(200, enveloped=False)
    async def post(self) -> None:
        """Count the tokens of a prompt in Anthropic's form."""
        data = self.load_body()
        model = chat_model(self.services.catalogue, data["model"])
        beside = prompts.read_beside({"tools": openai_tools(data), **openai_format(data)})
        self.send({"input_tokens": await prompts.counted(model, openai_messages(data), beside)})


def _betas(handler: ApiHandler) -> str | None:
    """`anthropic-beta`. Raises `HubError` INVALID for one that is too long or not printable ASCII."""
    betas = handler.header("anthropic-beta")
    if betas is not None and not (len(betas) <= limits.BETAS_CHARS_MAX and betas.isascii() and betas.isprintable()):
        raise invalid("anthropic-beta", f"must be at most {limits.BETAS_CHARS_MAX} printable ASCII characters")
    return betas or None


ROUTES = (
    Route("/v1/messages", Messages, ("ai_aggregator",)),
    Route("/v1/messages/count_tokens", CountTokens, ("ai_aggregator",)),
)
