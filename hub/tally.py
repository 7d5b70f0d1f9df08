"""The tally: what happened since it was last taken, in a form that adds up: over seconds, and over nodes.

Counting costs well below a microsecond, and memory is bounded whatever is counted.
"""

import math
from bisect import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from config import limits

_STEPS: Final = math.ceil(
    math.log(limits.DURATION_SECONDS_MAX / limits.DURATION_SECONDS_MIN) / math.log(limits.DURATION_STEP)
)
# Where each step but the last ends, in seconds: looking it up costs half of what a logarithm does.
_ENDS: Final = [limits.DURATION_SECONDS_MIN * limits.DURATION_STEP**number for number in range(1, _STEPS)]


class Durations:
    """How often which time was measured, in steps that grow with it: 320 of 5 %, from 0.1 ms to ten minutes.

    Unlike a choice of the values it can be added to another node's, and a percentile is at most 2.5 % off. What is
    shorter or longer counts as the shortest or longest that there is.
    """

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}

    def add(self, seconds: float) -> None:
        step = bisect(_ENDS, seconds)
        self._steps[step] = self._steps.get(step, 0) + 1

    def pairs(self) -> list[tuple[int, int]]:
        """Each step that occurred with its number, to be merged elsewhere."""
        return list(self._steps.items())

    def merge(self, pairs: Iterable[Sequence[int]]) -> None:
        """Add another's; of steps that there are not, being of another version, nothing is known."""
        for step, number in pairs:
            if 0 <= step < _STEPS:
                self._steps[step] = self._steps.get(step, 0) + number

    def percentiles(self, shares: Sequence[float]) -> list[float | None]:
        """The times in seconds below which these shares lie (nearest rank); None where nothing was measured."""
        return [self._at(share) for share in shares]

    def _at(self, share: float) -> float | None:
        left = math.ceil(share * sum(self._steps.values()))
        for step in sorted(self._steps):
            left -= self._steps[step]
            if left <= 0:
                return _middle(step)
        return None


def _middle(step: int) -> float:
    """As many times longer than the shortest of a step as it is shorter than the longest, in seconds."""
    return float(limits.DURATION_SECONDS_MIN * limits.DURATION_STEP ** (step + 0.5))


@dataclass(slots=True)
class Counts:
    """One tally's figures. `spent_micro` is what users were charged for usage, in micro-credits, `webhooks` the attempts at
    deliveries.
    """

    requests: int = 0
    errors: int = 0
    spent_micro: int = 0
    events: int = 0
    webhooks: int = 0
    webhook_failures: int = 0
    latency: Durations = field(default_factory=Durations)
    first_token: Durations = field(default_factory=Durations)

    def view(self) -> dict[str, Any]:
        """As it travels to other nodes."""
        return {
            "requests": self.requests,
            "errors": self.errors,
            "spent_micro": self.spent_micro,
            "events": self.events,
            "webhooks": self.webhooks,
            "webhook_failures": self.webhook_failures,
            "latency": self.latency.pairs(),
            "first_token": self.first_token.pairs(),
        }

    def merge(self, view: Mapping[str, Any]) -> None:
        """Add a node's; what it does not name, being of another version, counts as nothing."""
        self.requests += view.get("requests", 0)
        self.errors += view.get("errors", 0)
        self.spent_micro += view.get("spent_micro", 0)
        self.events += view.get("events", 0)
        self.webhooks += view.get("webhooks", 0)
        self.webhook_failures += view.get("webhook_failures", 0)
        self.latency.merge(view.get("latency", ()))
        self.first_token.merge(view.get("first_token", ()))


class Tally:
    """One per process; `metrics` and the ledger count into `counts`."""

    def __init__(self) -> None:
        self.counts = Counts()

    def request(self, status: int, seconds: float, streamed: bool) -> None:
        """A streamed answer takes as long as its text does: it counts, and says nothing about latency."""
        counts = self.counts
        counts.requests += 1
        counts.errors += status >= 500
        if not streamed:
            counts.latency.add(seconds)

    def webhook(self, delivered: bool) -> None:
        """An attempt at a delivery."""
        self.counts.webhooks += 1
        self.counts.webhook_failures += not delivered

    def take(self) -> Counts:
        """The figures so far; counting begins anew."""
        taken, self.counts = self.counts, Counts()
        return taken
