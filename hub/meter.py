"""The meter of one generation: what has been delivered, what it costs so far, and what usage is to be believed.

Pure: it counts and compares; `hub/generation.py` acts on what it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from config.catalogue import AiModel
from hub.prices import charge_micro, price_pico, to_micro
from hub.providers.base import Delta, Json, Usage
from hub.tokens import count_text, is_exact

_WRITTEN = ("refusal", "reasoning", "reasoning_content")  # fields of a delta that hold text, by different companies


@dataclass(slots=True)
class Meter:
    """Counts deltas as they come. Micro-credits; tokens by `hub/tokens.py`."""

    model: AiModel
    prompt_tokens: int
    max_tokens: int
    completion_tokens: int = 0
    provider_usage: Usage | None = None
    _counts: list[int] = field(default_factory=list)  # of the last batch, delta by delta

    def count(self, deltas: Sequence[Delta]) -> None:
        """Add a batch of deltas."""
        vocabulary = self.model.vocabulary
        self._counts = [
            count_text(vocabulary, delta.content if delta.extra is None else delta.content + _written(delta.extra))
            for delta in deltas
        ]
        self.completion_tokens += sum(self._counts)

    @property
    def tokens_before_batch(self) -> int:
        """Completion tokens without those of the batch counted last."""
        return self.completion_tokens - sum(self._counts)

    def drop_batch(self) -> None:
        """The batch counted last was not relayed after all, and the provider's usage would be of that too."""
        self.completion_tokens = self.tokens_before_batch
        self._counts = []
        self.provider_usage = None

    @property
    def cost(self) -> int:
        """What has been delivered costs this many micro-credits; nothing delivered costs nothing."""
        if not self.completion_tokens:
            return 0
        return to_micro(price_pico(self.model, self.prompt_tokens, self.completion_tokens))

    def cut(self, deltas: Sequence[Delta], micro: int) -> list[Delta]:
        """Of the batch just counted: the deltas up to and with the one whose cost reaches `micro`; the rest is uncounted,
        and the provider's usage, which is of the whole, counts no more.
        """
        self.provider_usage = None
        tokens = self.tokens_before_batch
        for number, count in enumerate(self._counts, start=1):
            tokens += count
            if charge_micro(self.model, self.prompt_tokens, tokens) >= micro:
                self.completion_tokens = tokens
                return list(deltas[:number])
        return list(deltas)

    def believed(self) -> tuple[Usage, str]:
        """The usage to charge and its source: provider, counted or estimated.

        The provider's word counts where it is possible at all: not negative, the answer within `max_tokens`, the prompt
        within the model's context. An explicit zero is a zero.
        """
        said = self.provider_usage
        if said is not None and self._possible(said):
            return said, "provider"
        source = "counted" if is_exact(self.model.vocabulary) else "estimated"
        if not self.completion_tokens:
            return Usage(0, 0), source
        return Usage(self.prompt_tokens, self.completion_tokens), source

    def absurd(self) -> bool:
        """The provider named a usage that cannot be: worth an alarm."""
        return self.provider_usage is not None and not self._possible(self.provider_usage)

    def _possible(self, usage: Usage) -> bool:
        return 0 <= usage.completion_tokens <= self.max_tokens and 0 <= usage.prompt_tokens <= self.model.context_tokens


def _written(extra: Json) -> str:
    """What the model wrote beside the content: its tool calls, a refusal, its reasoning. What else a provider adds (ids,
    names, its own marks) is passed on, and is no text to be paid for.
    """
    calls = extra.get("tool_calls")
    functions = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    texts = [extra.get(name) for name in _WRITTEN]
    for function in (*functions, extra.get("function_call")):
        if isinstance(function, dict):
            texts += [function.get("name"), function.get("arguments")]
    return "".join([text for text in texts if isinstance(text, str)])
