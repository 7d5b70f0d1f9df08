"""The built-in provider of development: no company, no network, and the same answer to the same prompt each time.

The text says what it is, reads like an answer (paragraphs, a list, a code block), and its usage is counted honestly by
`hub/tokens.py`. Offered tools it calls the first one, or the one that is asked for, with arguments that fit the schema.
"""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final

from config import limits
from hub import tokens
from hub.providers import sandbox_vectors
from hub.providers.base import (
    Completion,
    Delta,
    EmbeddingCall,
    Embeddings,
    Finish,
    Json,
    ProviderCall,
    ProviderEvent,
    Usage,
)
from hub.providers.sandbox_forms import json_answer, tool_call

_PIECE: Final = re.compile(r"\s*\S+|\s+")
_CHARS_MAX: Final = 8 * limits.SANDBOX_TOKENS_MAX  # English has four to five characters a token

_OPENING: Final = "This answer comes from the sandbox: no AI provider was asked, and nothing in it is advice.\n\n"
_SUBJECTS: Final = ("The gateway", "A small team", "The ledger", "Each request", "A careful reader", "The stream")
_VERBS: Final = ("keeps", "measures", "explains", "returns", "follows", "shares", "protects")
_OBJECTS: Final = ("a simple rule", "one clear number", "the same path", "every open question", "a short summary")
_ENDINGS: Final = (
    "before anything else happens",
    "without waiting for the next step",
    "so that nobody has to guess",
    "even when the network is slow",
    "and writes down the reason",
)
_CODE: Final = (
    '```python\ndef total(values: list[int]) -> int:\n    """Add the values up."""\n    return sum(values)\n```\n\n'
)


class SandboxProvider:
    """Implements `Provider`. `vocabulary` is that of the AI models it stands in for; it counts their usage. `check` refuses
    what their company would, by `ProviderError`.
    """

    name = "sandbox"

    def __init__(
        self,
        tokens_per_second: float,
        vocabulary: str | None = None,
        check: Callable[[ProviderCall], object] | None = None,
    ) -> None:
        self._seconds_per_token = 1 / tokens_per_second
        self._vocabulary = vocabulary
        self._check = check

    async def stream(self, call: ProviderCall) -> AsyncGenerator[list[ProviderEvent], None]:
        """About a token a delta, each at its own time from the start: a late wake-up brings what is due in one batch."""
        answers, usage = self._answers(call)
        steps = _in_turn([answer.deltas() for answer in answers])
        interval_seconds = self._seconds_per_token * usage.completion_tokens / max(1, len(steps))
        loop = asyncio.get_running_loop()
        started, sent = loop.time(), 0
        call.trail.attempts += 1
        while sent < len(steps):
            await asyncio.sleep(max(0.0, started + (sent + 1) * interval_seconds - loop.time()))
            due = max(sent + 1, int((loop.time() - started) / interval_seconds))
            batch: list[ProviderEvent] = [delta for step in steps[sent:due] for delta in step]
            sent = min(due, len(steps))
            yield batch
        yield [usage, Finish(answers[0].reason)]

    async def complete(self, call: ProviderCall) -> Completion:
        """At once: nobody watches it being written."""
        answers, usage = self._answers(call)
        call.trail.attempts += 1
        first, *others = (answer.whole() for answer in answers)
        return Completion(first.content, answers[0].reason, usage, first.extra, others)

    async def embed(self, call: EmbeddingCall) -> Embeddings:
        call.trail.attempts += 1
        vectors, tokens_used = [], 0
        for text in call.inputs:
            vectors.append(sandbox_vectors.vector(text, call.dimensions))
            tokens_used += self._count(text) if isinstance(text, str) else len(text)
            await asyncio.sleep(0)  # a vector takes a millisecond or two
        return Embeddings(vectors, tokens_used)

    def _answers(self, call: ProviderCall) -> "tuple[list[_Answer], Usage]":
        if self._check is not None:
            self._check(call)
        answers = [self._answer(call, number) for number in range(call.choices)]
        prompt = tokens.count_messages(self._vocabulary, call.messages)
        return answers, Usage(prompt, sum(self._count(answer.written) for answer in answers))

    def _answer(self, call: ProviderCall, number: int) -> "_Answer":
        limit = min(call.max_tokens, limits.SANDBOX_TOKENS_MAX)
        logprobs = call.parameters.get("logprobs") is True
        if (called := tool_call(call)) is not None:
            return _Answer(number, "", "tool_calls", logprobs, called)
        if (form := json_answer(call)) is not None:
            text = self._cut(form, limit)
            return _Answer(number, text, "stop" if text == form else "length", logprobs)
        whole = self._cut(_text(call, number), limit)
        ended = call.max_tokens >= limits.SANDBOX_TOKENS_MAX  # by itself, and so with a sentence
        text, stopped = _until(whole[: whole.rindex(".") + 1] if ended else whole, call.parameters.get("stop"))
        reason = "stop" if stopped or ended else "length"
        return _Answer(number, text, reason, logprobs)

    def _cut(self, text: str, limit_tokens: int) -> str:
        """The longest beginning within the limit, found by halving; counts of longer beginnings may dip by one."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._count(text[:middle]) <= limit_tokens else (low, middle - 1)
        return text[:low]

    def _count(self, text: str) -> int:
        return tokens.count_text(self._vocabulary, text)


@dataclass(frozen=True, slots=True)
class _Answer:
    """One of the choices. `called` is the tool's call that it is instead of a text."""

    number: int
    text: str
    reason: str
    logprobs: bool
    called: Json | None = None

    @property
    def written(self) -> str:
        """What its tokens are counted by."""
        if self.called is None:
            return self.text
        function = self.called["function"]
        return f"{function['name']}{function['arguments']}"

    def deltas(self) -> list[Delta]:
        """As it is streamed; the last one of a further choice says why that ended."""
        pieces = _PIECE.findall(self.text)
        said = (
            [Delta(piece, self._beside(piece)) for piece in pieces] if self.called is None else self._call(self.called)
        )
        return [*said, Delta("", {"choice": self._ended()})] if self.number else said

    def whole(self) -> Delta:
        extra = {"tool_calls": [self.called]} if self.called is not None else {}
        beside = (self._beside(*_PIECE.findall(self.text)) or {}).get("choice", {}) | self._ended()
        return Delta(self.text, {**extra, "choice": beside} if beside else extra or None)

    def _call(self, called: Json) -> list[Delta]:
        """The call's name first, then its arguments in two pieces, as companies stream it."""
        name, arguments = called["function"]["name"], called["function"]["arguments"]
        middle = len(arguments) // 2
        begun = {"index": 0, "id": called["id"], "type": "function", "function": {"name": name, "arguments": ""}}
        more = [{"index": 0, "function": {"arguments": part}} for part in (arguments[:middle], arguments[middle:])]
        beside = {"choice": {"index": self.number}} if self.number else {}
        return [Delta("", {"tool_calls": [piece], **beside}) for piece in (begun, *more)]

    def _ended(self) -> Json:
        return {"index": self.number, "finish_reason": self.reason} if self.number else {}

    def _beside(self, *pieces: str) -> Json | None:
        """Its text is certain, so each piece has a probability of one."""
        beside: Json = {"index": self.number} if self.number else {}
        if self.logprobs and pieces:
            certain = [
                {"token": piece, "logprob": 0.0, "bytes": list(piece.encode()), "top_logprobs": []} for piece in pieces
            ]
            beside["logprobs"] = {"content": certain, "refusal": None}
        return {"choice": beside} if beside else None


def _in_turn(choices: list[list[Delta]]) -> list[list[Delta]]:
    """The choices' deltas side by side, one of each a step."""
    steps = max(len(deltas) for deltas in choices)
    return [[deltas[step] for deltas in choices if step < len(deltas)] for step in range(steps)]


def _until(text: str, stop: Any) -> tuple[str, bool]:
    """The text before the first of the stop sequences, and whether there was one."""
    found = [at for each in ([stop] if isinstance(stop, str) else stop or []) if each and (at := text.find(each)) >= 0]
    return (text[: min(found)], True) if found else (text, False)


def _text(call: ProviderCall, number: int) -> str:
    """Longer than any answer may be; seeded by the prompt, so that a test or a page shows the same again."""
    prompt = json.dumps([call.model, list(call.messages), *([number] if number else [])])
    dice = random.Random(hashlib.sha256(prompt.encode()).digest())
    parts = [_OPENING, _paragraph(dice), "### In short\n\n", _list(dice), _CODE]
    while sum(map(len, parts)) < _CHARS_MAX:
        parts += [_paragraph(dice)]
    return "".join(parts)


def _paragraph(dice: random.Random) -> str:
    return " ".join(_sentence(dice) for _ in range(3)) + "\n\n"


def _sentence(dice: random.Random) -> str:
    words = (dice.choice(_SUBJECTS), dice.choice(_VERBS), dice.choice(_OBJECTS), dice.choice(_ENDINGS))
    return " ".join(words) + "."


def _list(dice: random.Random) -> str:
    return (
        "".join(f"- **{dice.choice(_SUBJECTS)}** {dice.choice(_VERBS)} {dice.choice(_OBJECTS)}.\n" for _ in range(3))
        + "\n"
    )
