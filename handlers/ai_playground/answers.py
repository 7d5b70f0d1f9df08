"""What the AI Playground's two ways of asking a model have in common: their parameters with the documented defaults, how an
answer is begun, and the fields by which both tell what it came to.
"""

from typing import Any, Final

from config import limits
from handlers.chat_headers import key_of, on_disconnect
from handlers.delta_events import paid
from handlers.sse import StreamHandler, stream_headers
from hub.chat_request import PLAYGROUND_DEFAULTS, ChatRequest
from hub.fields import Input, Integer, Number, Text
from hub.providers.base import Usage
from hub.streams import Outcome, Stream

Json = dict[str, Any]

_PASSED_ON: Final = ("temperature", "top_p", "stop")


class AnswerInput(Input):
    """How an answer is to be made."""

    model = Text(low=1, high=100, load_default=PLAYGROUND_DEFAULTS["model"], example="minimax")
    max_tokens = Integer(low=1, high=limits.MAX_TOKENS_MAX, load_default=PLAYGROUND_DEFAULTS["max_tokens"])
    temperature = Number(low=0, high=1, load_default=PLAYGROUND_DEFAULTS["temperature"])
    top_p = Number(low=0, high=1, load_default=PLAYGROUND_DEFAULTS["top_p"])


async def begun(
    handler: StreamHandler, body: Any, data: Json, messages: list[Json], *, choices: int = 1, streamed: bool = False
) -> Stream:
    """The answer's stream, or that of an earlier request with the same idempotency key. `body` is the request as it came,
    `data` what was made of it. Raises `HubError` as `Chat.start` does.
    """
    request = ChatRequest(
        model=data["model"],
        api="ai_playground",
        endpoint=handler.request.path,
        messages=messages,
        max_tokens=data["max_tokens"],
        parameters={name: data[name] for name in _PASSED_ON if name in data},
        choices=choices,
        streamed=streamed,
        on_disconnect=on_disconnect(handler),
        idempotency=key_of(handler, body),
    )
    started = await handler.services.chat.start(handler.caller, request)
    stream_headers(handler, started.stream, repeated=started.repeated)
    return started.stream


def head(prefix: str, stream: Stream) -> Json:
    """What is known of an answer from its beginning."""
    return {"id": prefix + stream.id.partition("_")[2], "model": stream.model, "created": stream.created}


def ending(outcome: Outcome) -> Json:
    """What an answer came to."""
    return {"usage": _usage_view(outcome.usage), **paid(outcome)}


def _usage_view(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
