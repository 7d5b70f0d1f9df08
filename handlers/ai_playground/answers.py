"""What the AI Playground's two ways of asking a model have in common: their parameters with the documented defaults, and the
fields by which both tell what it came to.
"""

from typing import Any, Final

from config import limits
from handlers.delta_events import paid
from hub.chat_request import PLAYGROUND_DEFAULTS, ChatRequest
from hub.fields import Input, Integer, Number, Text
from hub.realtime.frames import usage_view
from hub.streams import Outcome, Stream

Json = dict[str, Any]

_PASSED_ON: Final = ("temperature", "top_p", "stop")


class AnswerInput(Input):
    """How an answer is to be made."""

    model = Text(low=1, high=100, load_default=PLAYGROUND_DEFAULTS["model"], example="minimax")
    max_tokens = Integer(low=1, high=limits.MAX_TOKENS_MAX, load_default=PLAYGROUND_DEFAULTS["max_tokens"])
    temperature = Number(low=0, high=1, load_default=PLAYGROUND_DEFAULTS["temperature"])
    top_p = Number(low=0, high=1, load_default=PLAYGROUND_DEFAULTS["top_p"])


def request_of(data: Json, messages: list[Json], *, choices: int = 1, streamed: bool = False) -> ChatRequest:
    """What `AnswerInput` and the fields beside it ask for."""
    return ChatRequest(
        model=data["model"],
        api="ai_playground",
        messages=messages,
        max_tokens=data["max_tokens"],
        parameters={name: data[name] for name in _PASSED_ON if name in data},
        choices=choices,
        streamed=streamed,
    )


def head(prefix: str, stream: Stream) -> Json:
    """What is known of an answer from its beginning."""
    return {"id": prefix + stream.id.partition("_")[2], "model": stream.model, "created": stream.created}


def ending(outcome: Outcome) -> Json:
    """What an answer came to."""
    return {"usage": usage_view(outcome.usage), **paid(outcome)}
