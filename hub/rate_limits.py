"""Rate limits: how many requests a user, a key or an address makes in a minute or an hour, against the plans.

Fixed windows that begin with the first request, counted in this process. The package `limits` counts the same way, but its
memory storage goes through all keys again and again: milliseconds a request with ten thousand of them. This is 3.5 us;
`docs/performance.md` has the figures.
"""

import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from config import limits
from config.plans import Limit, Plans
from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.throttle import place

_ANONYMOUS_TIER = "free"


class Counters(Protocol):
    """Where requests are counted: here in memory, or shared by several nodes."""

    async def hit(self, key: str, limit: Limit, cost: int) -> tuple[int, float]:
        """Count `cost` requests; how many the window then has, and its end in epoch seconds."""
        ...


class MemoryCounters:
    """Windows by length and key, those that end first at the front, each length within a bound of entries."""

    def __init__(self) -> None:
        self._by_seconds: dict[int, OrderedDict[str, tuple[int, float]]] = {}

    async def hit(self, key: str, limit: Limit, cost: int) -> tuple[int, float]:
        return self.count(key, limit, cost, time.time())

    def count(self, key: str, limit: Limit, cost: int, moment: float) -> tuple[int, float]:
        windows = self._by_seconds.setdefault(limit.seconds, OrderedDict())
        used, end = windows.get(key, (0, 0.0))
        if end <= moment:
            used, end = 0, moment + limit.seconds
            windows.pop(key, None)  # a new window goes to the end of the order
        used = min(used + cost, limit.amount + 1)
        if cost:
            windows[key] = (used, end)
            _forget(windows, moment)
        return used, end


def _forget(windows: OrderedDict[str, tuple[int, float]], moment: float) -> None:
    """Two at each hit, so that ended windows go faster than new ones come; under a flood the oldest go early."""
    for _ in range(2):
        key = next(iter(windows))
        if len(windows) == 1 or (windows[key][1] > moment and len(windows) <= limits.RATE_LIMIT_ENTRIES):
            return
        del windows[key]


@dataclass(frozen=True, slots=True)
class Limited:
    """What one request came to. `reset` is the window's end in epoch seconds; `by_user` is false for an address."""

    limit: int
    remaining: int
    reset: int
    allowed: bool
    retry_after_seconds: int
    by_user: bool

    def check(self) -> None:
        """Raises `HubError` RATE_LIMITED."""
        if not self.allowed:
            seconds = self.retry_after_seconds
            message = f"Rate limit exceeded. Try again in {seconds} seconds."
            raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=seconds)


class RateLimits:
    """The counts of this process. `enabled` false counts and refuses nothing, but still says what the plan would allow."""

    def __init__(self, plans: Plans, enabled: bool, counters: Counters | None = None) -> None:
        self._plans = plans
        self._enabled = enabled
        self._counters = counters or MemoryCounters()

    async def hit(
        self, api: str, limit_class: str, identity: Identity | None, address: str, *, counted: bool = True
    ) -> Limited:
        """Count one request of an API's class; of several windows the tighter one is told."""
        tier, by_key = (identity.tier, identity.key_id is not None) if identity else (_ANONYMOUS_TIER, False)
        windows = self._plans.limits_for(api, limit_class, tier, by_key)
        who = f"{api}:{limit_class}:{_who(identity, address)}"
        cost = 1 if self._enabled and counted else 0
        tightest = await self._hit(windows[0], who, cost, identity is not None)
        for window in windows[1:]:
            other = await self._hit(window, who, cost, identity is not None)
            if (other.allowed, other.remaining) < (tightest.allowed, tightest.remaining):
                tightest = other
        return tightest

    async def _hit(self, limit: Limit, who: str, cost: int, by_user: bool) -> Limited:
        used, end = await self._counters.hit(f"{limit.seconds}:{who}", limit, cost)
        wait = max(1, math.ceil(end - time.time()))
        allowed = used <= limit.amount
        return Limited(limit.amount, max(0, limit.amount - used), math.ceil(end), allowed, wait, by_user)


def _who(identity: Identity | None, address: str) -> str:
    """A key counts by itself, beside its user; strangers by address, an IPv6 network of /64 as one."""
    if identity is None:
        return f"address:{place(address)}"
    return f"key:{identity.key_id}" if identity.key_id is not None else f"user:{identity.user_id}"
