"""What an AI model is worth, as a number from 0 to 10. Pure: measured figures in, a score out.

    score = 10 * (0.5 * reliability + 0.25 * satisfaction + 0.25 * speed)             each part from 0 to 1

    reliability   (good + 19) / (attempts + 20)     good: attempts that did not fail by the provider's fault or ours
    satisfaction  (up + 7.5) / (up + down + 10)     up, down: users' votes on answers
    speed         2,000 / (2,000 + wait)            wait: milliseconds to the first token, on average

The numbers added are what is believed of a model before anything is known (19 good attempts of 20, 7.5 votes of 10): neither
one failure nor one vote decides, and beside hundreds of them they hardly count any more.
"""

from dataclasses import dataclass
from typing import Final

_RELIABILITY, _SATISFACTION, _SPEED = 0.5, 0.25, 0.25
_GOOD_BEFORE, _ATTEMPTS_BEFORE = 19, 20
_UP_BEFORE, _VOTES_BEFORE = 7.5, 10
_HALF_SPEED_MS: Final = 2_000
_STARS_LOW, _STARS_HIGH = 1, 5


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one AI model: `requests` were answered, `broken` of them broke off, `fruitless` ones came to
    nothing. Times are milliseconds: `answered_ms` of all answers that did not break off, `waited_ms` of the `timed` ones.
    """

    requests: int
    broken: int
    fruitless: int
    answered_ms: int
    waited_ms: int
    timed: int
    up: int
    down: int

    @property
    def attempts(self) -> int:
        return self.requests + self.fruitless

    @property
    def response_ms(self) -> float:
        """How long an answer takes on average, 0 where there was none."""
        whole = self.requests - self.broken
        return self.answered_ms / whole if whole else 0.0

    @property
    def wait_ms(self) -> float | None:
        """How long its reader waits for something of it: for all of what has no first token. None where nobody knows."""
        if self.timed:
            return self.waited_ms / self.timed
        return self.response_ms if self.requests > self.broken else None


def satisfaction(figures: Figures) -> float:
    """The share of votes that think well of it."""
    return (figures.up + _UP_BEFORE) / (figures.up + figures.down + _VOTES_BEFORE)


def stars(figures: Figures) -> float:
    """The same from 1 to 5; 4 where nobody has voted."""
    return _STARS_LOW + (_STARS_HIGH - _STARS_LOW) * satisfaction(figures)


def reliability(figures: Figures) -> float:
    good = figures.requests - figures.broken
    return (good + _GOOD_BEFORE) / (figures.attempts + _ATTEMPTS_BEFORE)


def speed(figures: Figures) -> float:
    """0 for what has never answered."""
    wait_ms = figures.wait_ms
    return 0.0 if wait_ms is None else _HALF_SPEED_MS / (_HALF_SPEED_MS + wait_ms)


def score(figures: Figures) -> float:
    """From 0 to 10."""
    parts = _RELIABILITY * reliability(figures), _SATISFACTION * satisfaction(figures), _SPEED * speed(figures)
    return 10 * sum(parts)
