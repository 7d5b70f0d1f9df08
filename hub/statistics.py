"""Figures for administrators, from what really stands in the database: users, credits, points.

The entries are summed once: a loop carries running totals along, and a question adds what is younger than they are.
"""

import asyncio
import time
from typing import Any

import structlog

from config import limits
from hub.errors import Code, HubError
from models import entry_totals, users, wallets
from models.clock import now
from models.database import Database, DatabaseError, Document

log = structlog.get_logger(__name__)


class Statistics:
    """One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Carry the totals along, for ever."""
        while True:
            await asyncio.sleep(limits.ENTRY_TOTALS_SECONDS)
            try:
                await self.advance()
            except DatabaseError as error:
                log.warning("entry totals not written", error=str(error)[:200])

    async def advance(self) -> Document:
        """Add what is older than two minutes, portion by portion; the totals as they then stand."""
        before = _id_of(time.time() - limits.ENTRY_SETTLED_SECONDS)
        for _ in range(limits.ENTRY_TOTALS_PORTIONS):
            totals = await entry_totals.read(self._database)
            rows = await wallets.entry_totals(self._database, totals["until"], before, limits.ENTRY_TOTALS_AT_ONCE)
            if not rows:
                return totals
            last = max(row["last"] for row in rows)
            await entry_totals.advance(self._database, totals["until"], last, _added(totals["sums"], rows))
        return await entry_totals.read(self._database)

    async def sums(self) -> dict[str, dict[str, int]]:
        """`{"credit purchase": {plus, minus, count, topups, cents}, ...}` of all entries.

        Raises `HubError` UNAVAILABLE while the totals are further behind than can be added at once.
        """
        totals = await self.advance()
        sums: dict[str, dict[str, int]] = totals["sums"]
        until: str = totals["until"]
        for _ in range(limits.ENTRY_YOUNG_PORTIONS):
            rows = await wallets.entry_totals(self._database, until, None, limits.ENTRY_TOTALS_AT_ONCE)
            if not rows:
                return sums
            sums, until = _added(sums, rows), max(row["last"] for row in rows)
        message = "The entries are still being summed"
        raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=limits.ENTRY_TOTALS_SECONDS)

    async def users(self) -> dict[str, int]:
        month = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return await users.counts(self._database, month)

    async def wallets_with_points(self) -> int:
        return await wallets.with_points(self._database)


def _id_of(seconds: float) -> str:
    """Below the id of any entry made from that moment on."""
    return f"txn_{int(seconds * 1_000):012x}"


def _added(sums: dict[str, Any], rows: list[Document]) -> dict[str, dict[str, int]]:
    added = {name: dict(figures) for name, figures in sums.items()}
    for row in rows:
        name = f"{row['_id']['unit']} {row['_id']['kind']}"
        figures = added.setdefault(name, {})
        for figure in ("plus", "minus", "count", "topups", "cents"):
            figures[figure] = figures.get(figure, 0) + row[figure]
    return added
