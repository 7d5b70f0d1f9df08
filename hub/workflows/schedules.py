"""Workflows that begin by the clock: each moment of a schedule once, on whichever node is first.

    SCHEDULES --due--> claimed --> an execution, known by its moment --> the next moment that is still to come

Moments that passed while no node was up are one: the first of them. A node that dies between the two writes leaves its
claim to end, and who takes the schedule up finds the execution that stands.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog

from config import workflows as limits
from hub.errors import HubError
from hub.job_loop import JobLoop
from hub.tasks import Tasks
from hub.workflows.definitions.schedule import Schedule
from hub.workflows.executions import Executions, Paused
from models import schedules, workflows
from models.clock import now, timestamp
from models.database import Database, Document
from models.ids import new_id

log = structlog.get_logger(__name__)


class Schedules:
    """One per process. `clock` says what time it is."""

    def __init__(
        self, database: Database, executions: Executions, tasks: Tasks, clock: Callable[[], datetime] = now
    ) -> None:
        self._database = database
        self._executions = executions
        self._tasks = tasks
        self._clock = clock
        self._jobs = JobLoop(
            "schedules",
            self._claim,
            self._fire,
            tasks,
            at_once=limits.SCHEDULES_AT_ONCE,
            poll_seconds=limits.SCHEDULE_POLL_SECONDS,
        )

    def start(self) -> None:
        self._tasks.start(self._jobs.run(), "schedules")

    def stop(self) -> None:
        """Begin nothing more from now on."""
        self._jobs.stop()

    async def close(self) -> None:
        await self._jobs.close(limits.SCHEDULE_CLOSE_SECONDS)

    async def _claim(self) -> Document | None:
        return await schedules.claim(self._database, new_id("claim"), self._clock(), limits.SCHEDULE_LEASE_SECONDS)

    async def _fire(self, schedule: Document) -> None:
        """Begin what is due, and say when the next is. What cannot be begun just now stays due: its claim ends. While a
        workflow is paused its moments pass, so that it goes on when that is over.
        """
        workflow = await workflows.by_id(self._database, schedule["_id"])
        if workflow is None or not workflow["enabled"]:
            await schedules.remove(self._database, schedule)
            return
        at = schedule["next_fire_at"]
        try:
            await self._executions.begin(workflow, _payload(at), "schedule", twin=f"schedule:{timestamp(at)}")
        except Paused as error:
            log.info("a schedule is paused", workflow=workflow["_id"], error=error.message)
        except HubError as error:  # where it was deleted or switched off meanwhile, the next look finds it so
            log.warning("a schedule began nothing", workflow=workflow["_id"], error=error.message)
            return
        following = Schedule.of(schedule).next_fire(max(at, self._clock()))
        await schedules.fired(self._database, schedule, following)


def _payload(at: datetime) -> dict[str, Any]:
    """What templates see: for when it is."""
    return {"scheduled_at": timestamp(at)}
