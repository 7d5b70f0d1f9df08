"""`hub/job_loop.py`: so many at once, and an end that takes up nothing more."""

import asyncio

from hub.job_loop import JobLoop
from hub.tasks import Tasks
from models.database import Document
from tests.patience import PATIENCE_SECONDS, until, within


class Jobs:
    """Always one more that is due; each is under way until `may_end`."""

    def __init__(self, at_once: int) -> None:
        self.claimed = 0
        self.may_end = asyncio.Event()
        self.tasks = Tasks()
        self.loop = JobLoop("jobs", self._claim, self._attempt, self.tasks, at_once=at_once, poll_seconds=60.0)
        self.running = self.tasks.start(self.loop.run(), "loop")
        self.loop.wake()

    async def _claim(self) -> Document | None:
        self.claimed += 1
        return {"_id": self.claimed}

    async def _attempt(self, job: Document) -> None:
        await self.may_end.wait()


def test_no_more_than_so_many_are_attempted_at_once() -> None:
    async def scenario() -> None:
        jobs = Jobs(2)
        await until(lambda: jobs.loop.full)
        assert jobs.claimed == 2
        jobs.may_end.set()
        await until(lambda: jobs.claimed > 2)
        await jobs.loop.close(PATIENCE_SECONDS)

    asyncio.run(scenario())


def test_one_that_is_full_takes_up_nothing_more_when_it_is_stopped() -> None:
    async def scenario() -> None:
        jobs = Jobs(1)
        await until(lambda: jobs.loop.full)
        jobs.loop.stop()
        async with within(1.0):
            await jobs.running
        jobs.may_end.set()
        await jobs.loop.close(PATIENCE_SECONDS)
        assert jobs.claimed == 1 and await jobs.tasks.wait(0)

    asyncio.run(scenario())


def test_one_that_outlasts_the_end_is_at_work_no_more_once_it_is_broken_off() -> None:
    async def scenario() -> None:
        jobs = Jobs(2)
        await until(lambda: jobs.loop.full)
        await jobs.loop.close(0.05)
        await jobs.loop.break_off()
        assert await jobs.tasks.wait(0) and not jobs.tasks.failures

    asyncio.run(scenario())


def test_an_attempt_that_outlasts_the_end_is_left_to_its_tasks() -> None:
    async def scenario() -> None:
        jobs = Jobs(1)
        await until(lambda: jobs.loop.full)
        jobs.loop.stop()
        async with within(1.0):
            await jobs.loop.close(0.05)
        assert len(jobs.tasks) == 1
        await jobs.tasks.close(PATIENCE_SECONDS)

    asyncio.run(scenario())
