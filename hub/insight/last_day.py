"""How many answers all users got in the last 24 hours and what these cost, from the rows of usage.

    |part of an hour|hour|hour| ... |hour|part of an hour|        whole hours that nothing is added to any more are kept
     ^ 24 hours ago                                     ^ now

300,000 rows took 0.6 s at first, and 0.1 s from then on.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from config import assistant
from models import usage
from models.database import Database

_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class LastDayFigures:
    """`charged` in micro-credits."""

    since: datetime
    answers: int
    charged: int


class LastDay:
    """One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turns = asyncio.Semaphore(assistant.SUMMED_AT_ONCE)
        self._kept: dict[datetime, tuple[int, int]] = {}  # by the hour's beginning, at most 24

    async def figures(self, moment: datetime) -> LastDayFigures:
        """Of the 24 hours before a moment. Raises `DatabaseError`."""
        since = moment - _DAY
        first = since.replace(minute=0, second=0, microsecond=0) + _HOUR
        hours = [first + number * _HOUR for number in range(24)]
        self._kept = {hour: sums for hour, sums in self._kept.items() if hour in hours}
        parts = await _all([self._between(since, first), *(self._hour(hour, moment) for hour in hours)])
        return LastDayFigures(since, sum(answers for answers, _ in parts), sum(charged for _, charged in parts))

    async def _hour(self, hour: datetime, moment: datetime) -> tuple[int, int]:
        """Of the one that began then, up to the moment."""
        if hour in self._kept:
            return self._kept[hour]
        sums = await self._between(hour, min(hour + _HOUR, moment))
        if hour + _HOUR + timedelta(seconds=assistant.USAGE_SETTLED_SECONDS) <= moment:
            self._kept[hour] = sums
        return sums

    async def _between(self, first: datetime, before: datetime) -> tuple[int, int]:
        async with self._turns:
            return await usage.between(self._database, first, before)


async def _all(parts: Sequence[Coroutine[Any, Any, tuple[int, int]]]) -> list[tuple[int, int]]:
    """What each gives; where one fails the others end, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(part) for part in parts]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
