"""Tokens a minute, for API keys whose owner has limited them: counted when a completion begins, put right when it ends.

    counted(job): prompt + longest answer, lowered to what is left --> the completion --> what it did not use comes back

So that answers that run at once cannot together have more than the limit. Counted by `hub/counters.py`, or of several nodes
together by `hub/redis/counters.py`.
"""

import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config import limits
from config.plans import Limit
from hub.chat_records import Job
from hub.counters import Counters
from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.key_limits import tokens_per_minute

_SAME_WINDOW_SECONDS = 1.0  # by so much may two looks at the end of one window differ, when another node began it


@dataclass(frozen=True, slots=True)
class _Reserved:
    """So many tokens of a key's window that ends at `end`, epoch seconds."""

    key: str
    limit: Limit
    tokens: int
    end: float


class TokenRates:
    """`enabled` false counts nothing."""

    def __init__(self, enabled: bool, counters: Counters) -> None:
        self._enabled = enabled
        self._counters = counters

    @asynccontextmanager
    async def counted(self, job: Job) -> AsyncIterator[None]:
        """Run a completion under its key's limit, if it has one; its `max_tokens` may be lowered.

        Raises `HubError` RATE_LIMITED when the prompt and a first piece of the answer do not fit.
        """
        if not self._enabled or job.tokens_per_minute is None or job.stream.credential is None:
            yield
            return
        reserved = await self._reserve(job, job.stream.credential, Limit(job.tokens_per_minute, 60))
        try:
            yield
        finally:
            await self._correct(reserved, _used(job, reserved))

    @asynccontextmanager
    async def spent(self, identity: Identity, tokens: int) -> AsyncIterator[None]:
        """Count tokens that are known beforehand; they come back where the block fails.

        Raises `HubError` RATE_LIMITED when the caller's key has not that many.
        """
        per_minute, key = tokens_per_minute(identity), identity.credential_id
        if not self._enabled or per_minute is None or key is None:
            yield
            return
        limit = Limit(per_minute, 60)
        used, end = await self._counters.hit(key, limit, 0)
        if used + tokens > limit.amount:
            raise _refusal(limit, end)
        _, end = await self._counters.hit(key, limit, tokens)
        try:
            yield
        except BaseException:
            await self._correct(_Reserved(key, limit, tokens, end), 0)
            raise

    async def _reserve(self, job: Job, key: str, limit: Limit) -> _Reserved:
        used, end = await self._counters.hit(key, limit, 0)
        left = limit.amount - used - job.prompt_tokens
        if left < min(job.answer_tokens_max, limits.FIRST_LEASE_TOKENS):
            raise _refusal(limit, end)
        job.max_tokens = max(1, min(job.max_tokens, left // job.choices))
        tokens = job.prompt_tokens + job.answer_tokens_max
        _, end = await self._counters.hit(key, limit, tokens)
        return _Reserved(key, limit, tokens, end)

    async def _correct(self, reserved: _Reserved, used: int) -> None:
        """Within the window of the reservation only: what began later owes nothing to it."""
        _, end = await self._counters.hit(reserved.key, reserved.limit, 0)
        if used != reserved.tokens and end <= reserved.end + _SAME_WINDOW_SECONDS:
            await self._counters.hit(reserved.key, reserved.limit, used - reserved.tokens)


def _used(job: Job, reserved: _Reserved) -> int:
    """What the completion took: nothing where it never began, and all where its end is not known."""
    if not job.stream.admitted:
        return 0
    outcome = job.stream.outcome
    return reserved.tokens if outcome is None else outcome.usage.prompt_tokens + outcome.usage.completion_tokens


def _refusal(limit: Limit, end: float) -> HubError:
    seconds = max(1, math.ceil(end - time.time()))
    message = f"This API key may have {limit.amount} tokens a minute. Try again in {seconds} seconds, or with fewer."
    return HubError(Code.RATE_LIMITED, message, retry_after_seconds=seconds)
