"""The tally: what happened since it was last taken. Counting costs well below a microsecond; memory is bounded."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from config import limits

_random = random.Random()


class Reservoir:
    """A fair choice of what was measured: all of it up to a bound, beyond it each value with the same chance."""

    __slots__ = ("_kept", "_seen")

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._seen = 0

    def add(self, value: float) -> None:
        self._seen += 1
        if len(self._kept) < limits.TALLY_VALUES_MAX:
            self._kept.append(value)
            return
        place = int(_random.random() * self._seen)
        if place < limits.TALLY_VALUES_MAX:
            self._kept[place] = value

    def percentiles(self, shares: Sequence[float]) -> list[float | None]:
        """The values below which these shares lie (nearest rank); None where nothing was measured."""
        kept = sorted(self._kept)
        if not kept:
            return [None] * len(shares)
        return [kept[max(0, -int(-share * len(kept) // 1) - 1)] for share in shares]


@dataclass(slots=True)
class Counts:
    """One tally's figures. `spent_micro` is what users were charged for usage, in micro-credits."""

    requests: int = 0
    errors: int = 0
    spent_micro: int = 0
    events: int = 0
    latency: Reservoir = field(default_factory=Reservoir)  # seconds
    first_token: Reservoir = field(default_factory=Reservoir)  # seconds


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

    def take(self) -> Counts:
        """The figures so far; counting begins anew."""
        taken, self.counts = self.counts, Counts()
        return taken
