"""How many requests this node's APIs answer, how fast and how well: counted in memory, written every ten seconds.

    access log --count()--> the minute's figures --flush()--> one row a node and minute

What a killed process loses is what it counted since the last flush.
"""

import asyncio
from collections import OrderedDict
from datetime import datetime
from typing import Any

import structlog

from config import limits
from models import request_stats
from models.clock import now
from models.database import Database, DatabaseError

log = structlog.get_logger(__name__)


class RequestStats:
    """One per process."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node
        self._minutes: OrderedDict[datetime, list[float]] = OrderedDict()  # requests, failures, timed, milliseconds
        self._written: dict[datetime, float] = {}  # the requests that the row of a minute has

    def count(self, status: int, seconds: float | None) -> None:
        """Count an answer; `seconds` is None for a stream, which takes as long as its answer is."""
        minute = now().replace(second=0, microsecond=0)
        figures = self._minutes.get(minute)
        if figures is None:
            figures = self._minutes[minute] = [0, 0, 0, 0.0]
            self._bound()
        figures[0] += 1
        figures[1] += status >= 500
        if seconds is not None:
            figures[2] += 1
            figures[3] += seconds * 1_000

    def _bound(self) -> None:
        """While the database is away the minutes gather here; the oldest go first."""
        while len(self._minutes) > limits.REQUEST_MINUTES_MAX:
            oldest, _ = self._minutes.popitem(last=False)
            self._written.pop(oldest, None)

    async def run(self) -> None:
        """Write for ever what was counted."""
        while True:
            await asyncio.sleep(limits.REQUEST_STATS_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write the minutes that have changed, and forget those that are over."""
        current = now().replace(second=0, microsecond=0)
        try:
            for minute, figures in tuple(self._minutes.items()):
                requests = figures[0]
                if requests != self._written.get(minute):
                    await request_stats.put(self._database, self._node, minute, _row(figures))
                    self._written[minute] = requests
                if minute < current and figures[0] == requests:
                    self._minutes.pop(minute, None)
                    self._written.pop(minute, None)
        except DatabaseError as error:
            log.warning("request figures not written", error=str(error)[:200])

    async def today(self) -> dict[str, Any]:
        """Of all nodes since midnight UTC, ours to the last request: the number, the average and the share that failed."""
        await self.flush()
        midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
        sums = await request_stats.sums(self._database, midnight)
        requests, timed = sums["requests"], sums["timed"]
        return {
            "requests": requests,
            "average_milliseconds": round(sums["milliseconds"] / timed, 2) if timed else 0,
            "error_rate": round(sums["failures"] / requests, 6) if requests else 0,
        }


def _row(figures: list[float]) -> dict[str, Any]:
    requests, failures, timed, milliseconds = figures
    return {
        "requests": int(requests),
        "failures": int(failures),
        "timed": int(timed),
        "milliseconds": round(milliseconds, 3),
    }
