"""The whole hub in figures, for its administrators: who uses it, how much, and how much of the time it was up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from config import assistant
from hub.insight import workflows
from hub.insight.cached import Cached
from hub.insight.last_day import LastDay
from hub.insight.uptime import Uptime
from models import usage, users
from models.clock import now
from models.database import Database


@dataclass(frozen=True, slots=True)
class SystemFigures:
    """`active_users`, `executions`, `answers` and `charged` (micro-credits) are of the last 24 hours, others of all time.

    Active is who signed in, came back or asked an AI model; answers are counted, whole or broken off, when they began.
    """

    users: int
    active_users: int
    workflows: int
    executions: int
    answers: int
    charged: int
    uptime_percentage: float


class Overview:
    """One per process."""

    def __init__(self, database: Database, uptime: Uptime, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._uptime = uptime
        self._clock = clock
        self._last_day = LastDay(database)
        self._cached = Cached(self.made, assistant.SYSTEM_STATS_SECONDS)

    async def current(self) -> SystemFigures:
        """At most ten seconds old. Raises `DatabaseError`."""
        return await self._cached.get()

    async def made(self) -> SystemFigures:
        """The same as of now."""
        last_day = await self._last_day.figures(self._clock())
        return SystemFigures(
            users=await users.count(self._database),
            active_users=await usage.active(self._database, last_day.since),
            workflows=workflows.NONE.count,
            executions=workflows.NONE.executions_since,
            answers=last_day.answers,
            charged=last_day.charged,
            uptime_percentage=await self._uptime.percentage(),
        )
