"""How often: a bucket of tokens that fills by time, and a count within a window. Both know the clock only from outside."""

from collections import deque


class Bucket:
    """`burst` at once, `per_second` in the long run."""

    __slots__ = ("_burst", "_filled_at", "_left", "_per_second")

    def __init__(self, burst: int, per_second: float, now: float) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._left = float(burst)
        self._filled_at = now

    def take(self, now: float) -> bool:
        self._left = min(self._burst, self._left + (now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Window:
    """Whether something happened `times` times within `seconds`."""

    __slots__ = ("_seconds", "_seen", "_times")

    def __init__(self, times: int, seconds: float) -> None:
        self._times = times
        self._seconds = seconds
        self._seen: deque[float] | None = None  # made for the first one: an empty deque takes 0.7 KiB

    def full(self, now: float) -> bool:
        """Count one more; True when that is one too many."""
        if self._seen is None:
            self._seen = deque(maxlen=self._times)
        self._seen.append(now)
        return len(self._seen) == self._times and now - self._seen[0] < self._seconds
