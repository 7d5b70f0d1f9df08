"""What one execution may still spend: reserved before each answer, so that those side by side share one bound.

    reserve(want, least) --> micro-credits for this answer, as much as is left --settled(spent)--> the rest is free again

Only who has the execution's claim reserves, so that this need not be stored. What an earlier turn has begun, and nobody has
seen the end of, is reserved from the start (answers.py).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class SpentUp(Exception):
    """Less is left than an answer costs at least."""


class Engaged(Exception):
    """So it is until answers that were begun before have ended."""


@dataclass(slots=True)
class Reserved:
    """So many micro-credits of the purse; `spent` is what came of them, once that is known. Of an answer that `may_stand`,
    and of which that is not known, they stay reserved.
    """

    amount: int
    spent: int = 0
    may_stand: bool = False


@dataclass(slots=True)
class Purse:
    """`cap` and `spent` are micro-credits; `earlier` is reserved by their steps for answers that were begun before."""

    cap: int
    spent: int
    earlier: dict[str, int] = field(default_factory=dict)
    _reserved: int = 0
    _freed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def reserve(self, step: str, want: int, least: int) -> AsyncIterator[Reserved]:
        """Up to `want`, at least `least`, waiting for others where these have reserved what is missing.

        Of the step's own earlier answer nothing has come. Raises `SpentUp`, `Engaged`.
        """
        async with self._freed:
            self.earlier.pop(step, None)
            await self._freed.wait_for(lambda: self._left >= least or not self._reserved)
            if self._left < least:
                raise Engaged if self.earlier else SpentUp
            reserved = Reserved(min(want, self._left))
            self._reserved += reserved.amount
        try:
            yield reserved
        finally:
            self._reserved -= reserved.amount
            if reserved.may_stand:
                self.earlier[step] = reserved.amount
            await self._spend(reserved.spent)

    async def settle(self, step: str, spent: int) -> None:
        """An answer that was begun before has ended, and cost so much."""
        self.earlier.pop(step, None)
        await self._spend(spent)

    async def _spend(self, spent: int) -> None:
        self.spent += spent
        async with self._freed:
            self._freed.notify_all()

    @property
    def _left(self) -> int:
        return self.cap - self.spent - self._reserved - sum(self.earlier.values())
