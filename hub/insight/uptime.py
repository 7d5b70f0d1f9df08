"""The share of time in which the hub was up, measured: at least one node ran and could write to the database.

    every node, every 2 s --mark()--> the bit of the current slot of 10 s          percentage() --> bits set / slots

A slot in which nobody could write stays unset, whatever the reason: all nodes were dead, or the database was away. It counts
from the hub's first start on, at most 30 days back, so that a hub which is not even started for a week was down for it.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from config import assistant
from models import uptime
from models.clock import now
from models.database import Database, DatabaseError

log = structlog.get_logger(__name__)


class Uptime:
    """One per process."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock
        self._marked: int | None = None

    async def mark(self) -> None:
        """We are up, written once a slot."""
        slot = uptime.slot_of(self._clock())
        if slot == self._marked:
            return
        try:
            if self._marked is None:
                await uptime.begin(self._database, slot)
            await uptime.mark(self._database, slot)
            self._marked = slot
        except DatabaseError as error:
            log.warning("uptime not written", error=str(error)[:200])

    async def percentage(self) -> float:
        """Of the slots that are over; 100 where none is yet."""
        end = uptime.slot_of(self._clock())
        first = await uptime.first(self._database)
        start = max(end - assistant.UPTIME_DAYS * uptime.SLOTS_PER_DAY, end if first is None else first)
        if end <= start:
            return 100.0
        return 100 * await uptime.up_between(self._database, start, end) / (end - start)
