"""The lease of a streaming answer: keeps its hold ahead of what it costs, and its checkpoint young.

    cost nears what is held, or 2 s have passed -> a renewal in the background: more held, text and count written
    cost exceeds what is held                   -> wait for more; where there is none the answer ends at that delta

Leases double, so that a fast answer commits seldom and a short one holds little.
"""

import asyncio
import time

import structlog

from config import limits
from hub.chat_records import Job, checkpoint
from hub.errors import Code, HubError
from hub.ledger import Hold
from hub.meter import Meter
from hub.prices import charge_micro
from hub.providers.base import Delta

log = structlog.get_logger(__name__)


class Lease:
    """One hold and the answer that it pays for. `exhausted`: the wallet has no more."""

    def __init__(self, job: Job, meter: Meter, hold: Hold) -> None:
        self._job = job
        self._meter = meter
        self._hold = hold
        self._tokens = limits.FIRST_LEASE_TOKENS
        self._micro = hold.amount
        self._renewal: asyncio.Task[int] | None = None
        self._renew_at = 0.0  # no earlier than this
        self._checkpoint_at = time.monotonic() + limits.CHECKPOINT_SECONDS
        self._wanted = 0  # what the hold was to have after the renewal under way
        self.exhausted = False

    @property
    def is_short(self) -> bool:
        """What has come costs more than is held."""
        return self._meter.cost > self._hold.amount

    @property
    def cost(self) -> int:
        """What the answer costs its owner so far, in micro-credits: never more than is held."""
        return min(self._meter.cost, self._hold.amount)

    async def afford(self, deltas: list[Delta]) -> list[Delta]:
        """Have more held for the batch just counted, or cut it at the delta that crosses zero. Raises `HubError`."""
        if self._renewal is not None:
            await asyncio.wait([self._renewal])
            self._take_renewal()
        if self.is_short:
            await self._extend(self._meter.cost - self._hold.amount + self._next())
        if not self.is_short:
            return deltas
        self.exhausted = True
        return self._meter.cut(deltas, self._hold.amount)

    def renew_in_time(self) -> None:
        """Ask for the next lease, or only for a checkpoint, while the answer goes on."""
        if self._renewal is not None:
            if not self._renewal.done():
                return
            self._take_renewal()
        moment = time.monotonic()
        if moment < self._renew_at:
            return
        left = self._hold.amount - self.cost
        if left < self._micro * limits.LEASE_LOW_WATER and not self._covers_all():
            self._renew(max(0, self._next() - left), self._meter.completion_tokens)
        elif moment >= self._checkpoint_at:
            self._renew(0, self._meter.completion_tokens)

    async def end(self) -> None:
        """Let a renewal that is under way end before the settlement."""
        if self._renewal is not None:
            await asyncio.wait([self._renewal])
            self._take_renewal()

    async def _extend(self, want: int) -> None:
        """Have more held, waiting a little for a database that is away: the answer pauses, and is not lost."""
        deadline = time.monotonic() + limits.DATABASE_DOWN_WAIT_SECONDS
        while True:
            try:
                await asyncio.shield(self._renew(want, self._meter.tokens_before_batch))
                return
            except HubError as error:
                if error.code is not Code.UNAVAILABLE or time.monotonic() > deadline:
                    raise
            finally:
                self._forget_if_ended()
            await asyncio.sleep(limits.RENEWAL_PAUSE_SECONDS)

    def _forget_if_ended(self) -> None:
        """One that a stop left under way is still to be awaited by `end`."""
        if self._renewal is not None and self._renewal.done():
            self._renewal = None

    def _take_renewal(self) -> None:
        """Put a renewal that has ended aside. After one that failed the next waits a moment; after one that brought less
        than was asked for the wallet is all but empty, and asking again for each delta would not fill it."""
        renewal, self._renewal = self._renewal, None
        failed = None if renewal is None or renewal.cancelled() else renewal.exception()
        if failed is not None:
            log.warning("renewal failed", stream=self._job.stream.id, error=str(failed))
            if self._wanted > self._hold.amount:
                self._tokens //= 2  # it is asked for again, and not twice as much
            self._renew_at = time.monotonic() + limits.RENEWAL_PAUSE_SECONDS
        elif self._hold.amount < self._wanted:
            self._renew_at = time.monotonic() + limits.CHECKPOINT_SECONDS

    def _covers_all(self) -> bool:
        """Whether the longest answer that was asked for is paid for already."""
        job = self._job
        return self._hold.amount >= charge_micro(job.model, job.prompt_tokens, job.answer_tokens_max)

    def _next(self) -> int:
        """The next lease in micro-credits: twice the last in tokens, hardly more than the answer may still need.

        Delta by delta one counts a little more than the whole has: past `max_tokens` the leases are small, but no
        single token.
        """
        self._tokens = min(self._tokens * 2, limits.LEASE_TOKENS_MAX)
        left = max(limits.LEASE_TOKENS_MIN, self._job.answer_tokens_max - self._meter.completion_tokens)
        self._micro = charge_micro(self._job.model, 0, min(self._tokens, left))
        return self._micro

    def _renew(self, want: int, relayed_tokens: int) -> asyncio.Task[int]:
        """One operation extends the hold and writes the checkpoint; at most one is under way."""
        job = self._job
        self._wanted = self._hold.amount + want
        self._checkpoint_at = time.monotonic() + limits.CHECKPOINT_SECONDS
        update, size_bytes = checkpoint(job, relayed_tokens)
        self._renewal = renewal = asyncio.ensure_future(self._hold.extend(want, [update], size_bytes))
        return renewal
