"""What one execution may still spend: reserved before each answer, so that those side by side share one bound.

    reserve(want, least) --> micro-credits for this answer, as much as is left --settled(spent)--> the rest is free again

Only who has the execution's claim reserves, so that this need not be stored.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class SpentUp(Exception):
    """Less is left than an answer costs at least."""


@dataclass(slots=True)
class Reserved:
    """So many micro-credits of the purse; `spent` is what came of them, once that is known."""

    amount: int
    spent: int = 0


@dataclass(slots=True)
class Purse:
    """`cap` and `spent` are micro-credits."""

    cap: int
    spent: int
    _reserved: int = 0
    _freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def reserve(self, want: int, least: int) -> AsyncIterator[Reserved]:
        """Up to `want`, at least `least`, waiting for others where these have reserved what is missing. Raises `SpentUp`."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._left >= least or not self._reserved)
            if self._left < least:
                raise SpentUp
            reserved = Reserved(min(want, self._left))
            self._reserved += reserved.amount
        try:
            yield reserved
        finally:
            self._reserved -= reserved.amount
            self.spent += reserved.spent
            async with self._freed:
                self._freed.notify_all()

    @property
    def _left(self) -> int:
        return self.cap - self.spent - self._reserved
