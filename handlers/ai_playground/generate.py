"""`POST /api/v1/ai/generate`: a prompt continued, by one text or by several choices, all of which are paid for."""

from typing import Any

from config import limits
from handlers.access import scope
from handlers.ai_playground.answers import AnswerInput, ending, head, request_of
from handlers.asking import begun, question
from handlers.chat_headers import IDEMPOTENCY_KEY, ON_DISCONNECT
from handlers.routing import Route
from handlers.sse import StreamHandler, outcome_of
from handlers.terms import asks, takes
from handlers.workflow_hops import HOPS
from hub.choices import choice_views
from hub.fields import Integer, Stops, Text
from hub.streams import Outcome, Stream

Json = dict[str, Any]


class GenerateInput(AnswerInput):
    prompt = Text(low=1, high=limits.MESSAGE_CHARS_MAX, required=True)
    n = Integer(low=1, high=limits.CHOICES_MAX, load_default=1)
    stop = Stops(example=["\n\n", "END"])


class Generate(StreamHandler):
    """Texts; billed to the caller's wallet."""

    body_bytes_max = limits.COMPLETION_BODY_BYTES_MAX

    @scope("ai:write")
    @takes(GenerateInput())
    @asks(IDEMPOTENCY_KEY, ON_DISCONNECT, HOPS)
    async def post(self) -> None:
        """Continue a prompt, once or several times."""
        body, data = question(self)
        prompt = [{"role": "user", "content": data["prompt"]}]
        stream = await begun(self, body, request_of(data, prompt, choices=data["n"]))
        if (outcome := await outcome_of(self, stream)) is not None:
            self.answer(_view(stream, outcome))


def _view(stream: Stream, outcome: Outcome) -> Json:
    choices = [
        {"text": choice["message"]["content"], "index": choice["index"], "finish_reason": choice["finish_reason"]}
        for choice in choice_views(stream.deltas, outcome.finish_reason)
    ]
    return {**head("gen-", stream), "choices": choices, **ending(outcome)}


ROUTES = (Route("/api/v1/ai/generate", Generate, ("ai_playground",), "ai"),)
