"""The built-in provider of development: no company, no network, and the same answer to the same prompt each time.

The text says what it is, reads like an answer (paragraphs, a list, a code block), and its usage is counted honestly by
`hub/tokens.py`.
"""

import asyncio
import hashlib
import json
import random
import re
from collections.abc import AsyncGenerator
from typing import Final

from config import limits
from hub import tokens
from hub.providers.base import Completion, Delta, Finish, ProviderCall, ProviderEvent, Usage

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
    """Implements `Provider`. `vocabulary` is that of the AI models it stands in for; it counts their usage."""

    name = "sandbox"

    def __init__(self, tokens_per_second: float, vocabulary: str | None = None) -> None:
        self._seconds_per_token = 1 / tokens_per_second
        self._vocabulary = vocabulary

    async def stream(self, call: ProviderCall) -> AsyncGenerator[list[ProviderEvent], None]:
        """About a token a delta, each at its own time from the start: a late wake-up brings what is due in one batch."""
        text, finish, usage = self._answer(call)
        pieces = _PIECE.findall(text)
        interval_seconds = self._seconds_per_token * usage.completion_tokens / max(1, len(pieces))
        loop = asyncio.get_running_loop()
        started, sent = loop.time(), 0
        while sent < len(pieces):
            await asyncio.sleep(max(0.0, started + (sent + 1) * interval_seconds - loop.time()))
            due = max(sent + 1, int((loop.time() - started) / interval_seconds))
            batch: list[ProviderEvent] = [Delta(piece) for piece in pieces[sent:due]]
            sent += len(batch)
            yield batch
        yield [usage, finish]

    async def complete(self, call: ProviderCall) -> Completion:
        """At once: nobody watches it being written."""
        text, finish, usage = self._answer(call)
        return Completion(text, finish.reason, usage)

    def _answer(self, call: ProviderCall) -> tuple[str, Finish, Usage]:
        limit = min(call.max_tokens, limits.SANDBOX_TOKENS_MAX)
        text = self._cut(_text(call), limit)
        usage = Usage(tokens.count_messages(self._vocabulary, call.messages), self._count(text))
        return text, Finish("length" if call.max_tokens < limits.SANDBOX_TOKENS_MAX else "stop"), usage

    def _cut(self, text: str, limit_tokens: int) -> str:
        """The longest beginning within the limit, found by halving; counts of longer beginnings may dip by one."""
        low, high = 0, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._count(text[:middle]) <= limit_tokens else (low, middle - 1)
        return text[:low]

    def _count(self, text: str) -> int:
        return tokens.count_text(self._vocabulary, text)


def _text(call: ProviderCall) -> str:
    """Longer than any answer may be; seeded by the prompt, so that a test or a page shows the same again."""
    prompt = json.dumps([call.model, list(call.messages)])
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
