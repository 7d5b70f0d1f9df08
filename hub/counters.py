"""Counters: how often something happened within a fixed window that begins with its first time.

Two implementations: in memory for one node, shared for several (`hub/redis/counters.py`). The package `limits` counts the
same way, but its memory storage goes through all keys again and again: milliseconds a request with ten thousand of them.
This is 3.5 us; `docs/performance.md` has the figures.
"""

import time
from collections import OrderedDict
from typing import Protocol

from config import limits
from config.plans import Limit


class Counters(Protocol):
    """A key belongs to one limit. Counts end one above the amount: how far beyond it somebody tries does not matter."""

    async def hit(self, key: str, limit: Limit, cost: int) -> tuple[int, float]:
        """Count `cost` times; how many the window then has, and its end in epoch seconds. Zero only looks.

        A negative cost takes back what was counted; there are never fewer than none.
        """
        ...

    async def hit_exactly(self, key: str, limit: Limit) -> tuple[int, float]:
        """Count once, for what must not happen once too often on any node; `hit` may know of others a moment later."""
        ...

    async def clear(self, key: str, limit: Limit) -> None:
        """Begin anew."""
        ...


class MemoryCounters:
    """Windows by length and key, those that end first at the front, each length within a bound of entries."""

    def __init__(self) -> None:
        self._by_seconds: dict[int, OrderedDict[str, tuple[int, float]]] = {}

    async def hit(self, key: str, limit: Limit, cost: int) -> tuple[int, float]:
        return self.count(key, limit, cost, time.time())

    async def hit_exactly(self, key: str, limit: Limit) -> tuple[int, float]:
        return self.count(key, limit, 1, time.time())

    async def clear(self, key: str, limit: Limit) -> None:
        self._windows(limit).pop(key, None)

    def count(self, key: str, limit: Limit, cost: int, moment: float) -> tuple[int, float]:
        windows = self._windows(limit)
        used, end = windows.get(key, (0, 0.0))
        if end <= moment:
            used, end = 0, moment + limit.seconds
            windows.pop(key, None)  # a new window goes to the end of the order
        used = max(0, min(used + cost, limit.amount + 1))
        if cost:
            windows[key] = (used, end)
            _forget(windows, moment)
        return used, end

    def is_running(self, key: str, limit: Limit) -> bool:
        """Whether a window of it has begun and not ended, however much was taken back in it."""
        return self._windows(limit).get(key, (0, 0.0))[1] > time.time()

    def used(self, key: str, limit: Limit, older_than_seconds: float = 0.0) -> int:
        """How many its window has, if one has been running for so long."""
        used, end = self._windows(limit).get(key, (0, 0.0))
        moment = time.time()
        return used if moment < end <= moment - older_than_seconds + limit.seconds else 0

    def put(self, key: str, limit: Limit, used: int, end: float) -> None:
        """What is known from elsewhere."""
        windows = self._windows(limit)
        windows[key] = (max(0, min(used, limit.amount + 1)), end)
        _forget(windows, time.time())

    def _windows(self, limit: Limit) -> OrderedDict[str, tuple[int, float]]:
        return self._by_seconds.setdefault(limit.seconds, OrderedDict())


def _forget(windows: OrderedDict[str, tuple[int, float]], moment: float) -> None:
    """Two at each hit, so that ended windows go faster than new ones come; under a flood the oldest go early."""
    for _ in range(2):
        key = next(iter(windows))
        if len(windows) == 1 or (windows[key][1] > moment and len(windows) <= limits.RATE_LIMIT_ENTRIES):
            return
        del windows[key]
