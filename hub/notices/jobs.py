"""Notice jobs: notifications that leave the hub, by mail and browser push; tried again, and given up in the end.

    ledger's transaction: notification, `untold`, job --claim--> what is still wanted --> Medium.tell --> no longer untold
                                                  ^---- due after a pause, or again after a failure ----+

A job is one user's and one medium's (`models/notice_jobs.py`), so a burst becomes one telling, and what comes within the
pause after it goes together at its end. Each medium has a loop of its own: a mail server that hangs keeps no push waiting.

Between the commit and the telling a user may change their mind: the settings are read again, and what was read in the
application meanwhile is not told. A mail goes only to a confirmed address. Any other may belong to a stranger, who never
asked for an account and would be written to for every event of it; what an address has to be confirmed for is told on the
page, and is not mailed later.

Nothing is told twice but after a crash between the telling and its record: a claim is one process's alone, and whoever
stood still for so long that it ends tells nothing more.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from config import outgoing
from hub.job_loop import JobLoop
from hub.metrics import Metrics
from hub.notices.media import Medium, TellFailed, TellRefused
from hub.tasks import Tasks
from models import notice_jobs, notification_settings, notifications, users
from models.clock import now
from models.database import Database, Document
from models.ids import new_id

log = structlog.get_logger(__name__)


class NoticeJobs:
    """One per process; all of them share the jobs. `media` are the ways out that this hub has, by their names in the
    settings; a pause is one medium's after it told a user something, in seconds. `notes_max` go together.
    """

    def __init__(
        self,
        database: Database,
        media: Mapping[str, Medium],
        tasks: Tasks,
        metrics: Metrics,
        *,
        pause_seconds: Mapping[str, float] = outgoing.NOTICE_PAUSE_SECONDS,
        retry_seconds: Sequence[float] = outgoing.NOTICE_RETRY_SECONDS,
        poll_seconds: float = outgoing.NOTICE_POLL_SECONDS,
        lease_seconds: float = outgoing.NOTICE_LEASE_SECONDS,
        notes_max: int = outgoing.NOTICES_PER_ROUND_MAX,
    ) -> None:
        self._database = database
        self._media = media
        self._tasks = tasks
        self._metrics = metrics
        self._pause_seconds = pause_seconds
        self._retry_seconds = retry_seconds
        self._lease_seconds = lease_seconds
        self._notes_max = notes_max
        self._loops = [self._loop(medium, poll_seconds) for medium in media]

    def _loop(self, medium: str, poll_seconds: float) -> JobLoop:
        """Each medium has its own: a mail server that hangs keeps no push waiting."""
        return JobLoop(
            *(f"{medium} notices", partial(self._claim, medium), self._round, self._tasks),
            at_once=outgoing.NOTICE_JOBS_AT_ONCE,
            poll_seconds=poll_seconds,
        )

    def start(self) -> None:
        """Tell what is due until closed."""
        for loop in self._loops:
            self._tasks.start(loop.run(), "notices")

    async def close(self) -> None:
        """Take up nothing more, and let what is being told come to its record: cut off, it would be told again."""
        await asyncio.gather(*(loop.close(outgoing.NOTICE_CLOSE_SECONDS) for loop in self._loops))

    async def _claim(self, medium: str) -> Document | None:
        moment = now()
        until = moment + timedelta(seconds=self._lease_seconds)
        return await notice_jobs.claim(self._database, medium, new_id("claim"), moment, until)

    async def _round(self, job: Document) -> None:
        """All that one claim is for: what is untold is told, or not wanted any more, or tried again later."""
        notes = await notifications.untold(self._database, job["user"], job["medium"], limit=self._notes_max)
        if not notes:
            await self._remove(job)
            return
        user = await users.by_id(self._database, job["user"])
        wanted = await self._wanted(user, job["medium"], notes)
        if user is None or not wanted:
            await self._end(job, notes, 0.0)
            return
        await self._tell(job, user, notes, wanted)

    async def _remove(self, job: Document) -> None:
        """Where a process died between the two records of a telling, it still counts what is told: that goes with it."""
        if not await notice_jobs.remove(self._database, job):
            await notice_jobs.ended(self._database, job, 0, now())

    async def _wanted(self, user: Document | None, medium: str, notes: Sequence[Document]) -> list[Document]:
        """What their user still wants to be told by this medium, and has not read."""
        if user is None or user["status"] != "active" or (medium == "email" and not user["email_verified"]):
            return []
        settings = await notification_settings.of_user(self._database, user["_id"])
        return [
            note
            for note in notes
            if not note["read"] and medium in notification_settings.wanted(settings, note["category"])
        ]

    async def _tell(self, job: Document, user: Document, notes: Sequence[Document], wanted: Sequence[Document]) -> None:
        if now() + timedelta(seconds=outgoing.NOTICE_TELL_SECONDS_MAX) > job["due_at"]:
            return  # this process stood still: its claim is about to end, and another takes the job up
        medium = job["medium"]
        try:
            self._check_attempts(job)
            async with asyncio.timeout(outgoing.NOTICE_TELL_SECONDS_MAX):
                await self._media[medium].tell(user, wanted)
        except TellRefused as error:
            await self._give_up(job, notes, wanted, error)
        except (TellFailed, TimeoutError) as error:
            await self._try_later(job, notes, wanted, error)
        else:
            self._metrics.notices(medium, "told", len(wanted))
            await self._end(job, notes, self._pause_seconds[medium])

    def _check_attempts(self, job: Document) -> None:
        """One that was begun more often than it is tried met its process's end, or a defect, each time."""
        if job["attempts"] > len(self._retry_seconds) + 1:
            raise TellRefused("none of its attempts came to an end")

    async def _try_later(
        self, job: Document, notes: Sequence[Document], wanted: Sequence[Document], error: Exception
    ) -> None:
        if job["attempts"] > len(self._retry_seconds):
            await self._give_up(job, notes, wanted, error)
            return
        pause = self._retry_pause(job["attempts"], error)
        self._metrics.notices(job["medium"], "failed", len(wanted))
        log.warning("notices failed", **_facts(job, wanted, error), retry_seconds=round(pause, 1))
        await notice_jobs.again(self._database, job, now() + timedelta(seconds=pause))

    def _retry_pause(self, attempts: int, error: Exception) -> float:
        """In seconds: no sooner than was asked for, and not at the same moment for all whom one failure met."""
        pause = self._retry_seconds[attempts - 1] * random.uniform(
            1 - outgoing.NOTICE_JITTER, 1 + outgoing.NOTICE_JITTER
        )
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        return max(pause, min(asked, outgoing.NOTICE_RETRY_AFTER_SECONDS_MAX))

    async def _give_up(
        self, job: Document, notes: Sequence[Document], wanted: Sequence[Document], error: Exception
    ) -> None:
        self._metrics.notices(job["medium"], "given_up", len(wanted))
        log.error("notices given up", **_facts(job, wanted, error))
        await self._end(job, notes, self._pause_seconds[job["medium"]])

    async def _end(self, job: Document, notes: Sequence[Document], pause_seconds: float) -> None:
        """The notifications first: were the job to count less than is untold, the rest could be removed with it."""
        await notifications.told(self._database, [note["_id"] for note in notes], job["medium"])
        await notice_jobs.ended(self._database, job, len(notes), now() + timedelta(seconds=pause_seconds))


def _facts(job: Document, wanted: Sequence[Document], error: Exception) -> dict[str, Any]:
    return {
        "medium": job["medium"],
        "user": job["user"],
        "notices": len(wanted),
        "attempts": job["attempts"],
        "error": f"{type(error).__name__}: {error}"[:200],
    }
