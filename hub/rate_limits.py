"""Rate limits: how many requests a user, a key or an address makes in a minute or an hour, against the plans.

Fixed windows that begin with the first request, counted by `hub/counters.py` or, of several nodes together, by
`hub/redis/counters.py`.
"""

import math
import time
from dataclasses import dataclass, replace
from typing import Literal

from config.plans import Limit, Plans
from hub.counters import Counters
from hub.errors import Code, Exhausted, HubError
from hub.identity_cache import Identity
from hub.throttle import place

_ANONYMOUS_TIER = "free"
Counted = Literal["user", "key", "address"]


@dataclass(frozen=True, slots=True)
class Limited:
    """What one request came to. `reset` is the window's end in epoch seconds, `by` what the request was counted by."""

    limit: int
    remaining: int
    reset: int
    allowed: bool
    retry_after_seconds: int
    by: Counted

    def check(self) -> None:
        """Raises `HubError` RATE_LIMITED."""
        if not self.allowed:
            seconds = self.retry_after_seconds
            message = f"Rate limit exceeded. Try again in {seconds} seconds."
            raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=seconds)

    def by_quota(self, exhausted: Exhausted) -> "Limited":
        """What a quota refused is told instead of what its minute has left, which would invite to ask again."""
        reset = math.ceil(exhausted.resets_at.timestamp())
        wait = max(1, math.ceil(reset - time.time()))
        return replace(self, limit=exhausted.limit, remaining=0, reset=reset, allowed=False, retry_after_seconds=wait)


class RateLimits:
    """`enabled` false counts and refuses nothing, but still says what the plan would allow."""

    def __init__(self, plans: Plans, enabled: bool, counters: Counters) -> None:
        self._plans = plans
        self._enabled = enabled
        self._counters = counters

    async def hit(
        self, api: str, limit_class: str, identity: Identity | None, address: str, *, counted: bool = True
    ) -> Limited:
        """Count one request of an API's class. Of several windows the tightest is told, and of those that refuse it the one
        that ends last. What one of them refuses is not made, and does not stay counted in the others.
        """
        tier, by_key = (identity.tier, identity.key_id is not None) if identity else (_ANONYMOUS_TIER, False)
        windows = self._plans.limits_for(api, limit_class, tier, by_key)
        who = f"{api}:{self._counted_as(api, limit_class, identity)}:{_who(identity, address, api in self._plans.key_apis)}"
        cost = 1 if self._enabled and counted else 0
        counts = [*((window, who) for window in windows), *_own(identity)]
        told = [await self._hit(window, who, cost, _counted_by(identity)) for window, who in counts]
        refused = [limited for limited in told if not limited.allowed]
        if not refused:
            return min(told, key=lambda limited: limited.remaining)
        for (window, who), limited in zip(counts, told, strict=True):
            if cost and limited.allowed:
                await self._counters.hit(_key(window, who), window, -cost)
        return max(refused, key=lambda limited: limited.reset)

    def _counted_as(self, api: str, limit_class: str, identity: Identity | None) -> str:
        """Strangers count by class everywhere: who polls with a dead token is not to keep its address from signing in."""
        return limit_class if identity is None else self._plans.class_of(api, limit_class)

    async def _hit(self, limit: Limit, who: str, cost: int, by: Counted) -> Limited:
        used, end = await self._counters.hit(_key(limit, who), limit, cost)
        wait = max(1, math.ceil(end - time.time()))
        allowed = used <= limit.amount
        return Limited(limit.amount, max(0, limit.amount - used), math.ceil(end), allowed, wait, by)


def _key(limit: Limit, who: str) -> str:
    return f"{limit.seconds}:{who}"


def _own(identity: Identity | None) -> list[tuple[Limit, str]]:
    """The limit that a key's owner gave it: of all requests by it, whichever API and class they are of."""
    amount = identity.limits.requests_per_minute if identity is not None and identity.limits is not None else None
    return [] if identity is None or amount is None else [(Limit(amount, 60), f"own:{identity.key_id}")]


def _counted_by(identity: Identity | None) -> Counted:
    """What the request is known by."""
    if identity is None:
        return "address"
    return "user" if identity.key_id is None else "key"


def _who(identity: Identity | None, address: str, keys_apart: bool) -> str:
    """Strangers count by address, an IPv6 network of /64 as one; keys with their user where an API has none for keys."""
    if identity is None:
        return f"address:{place(address)}"
    by_key = keys_apart and identity.key_id is not None
    return f"key:{identity.key_id}" if by_key else f"user:{identity.user_id}"
