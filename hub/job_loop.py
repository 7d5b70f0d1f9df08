"""A loop that takes up what is due: documents that any process may claim for a while, so many at once.

    collection --claim--> attempt, in a task of its own --> done, or due again later
         ^--- every `poll_seconds`, and at once when woken

What a claim and an attempt are is its owner's matter. A process that dies leaves its claims to end, and another takes
them up.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from config import limits
from hub.tasks import Tasks, cancel
from models.database import DatabaseError, Document

log = structlog.get_logger(__name__)


class JobLoop:
    """One per process and kind of job. `claim` gives one job that is due, or None; both raise `DatabaseError`."""

    def __init__(
        self,
        name: str,
        claim: Callable[[], Awaitable[Document | None]],
        attempt: Callable[[Document], Awaitable[None]],
        tasks: Tasks,
        *,
        at_once: int,
        poll_seconds: float,
    ) -> None:
        self._name = name
        self._claim = claim
        self._attempt = attempt
        self._tasks = tasks
        self._at_once = at_once
        self._poll_seconds = poll_seconds
        self._asked = asyncio.Event()
        self._running: set[asyncio.Task[Any]] = set()
        self._freed = asyncio.Event()  # an attempt has ended, or the loop is to
        self._at_rest = asyncio.Event()  # no claim is under way, nor will be
        self._at_rest.set()
        self._stopped_at = 0.0  # by the event loop's clock
        self.closing = False

    def wake(self) -> None:
        """Look at once: something is due that this process knows of."""
        self._asked.set()

    @property
    def full(self) -> bool:
        """As many attempts are under way as may be: others may wait for their end."""
        return len(self._running) >= self._at_once

    async def run(self) -> None:
        """Attempt what is due until cancelled, or closed."""
        self._at_rest.clear()
        try:
            while not self.closing:
                await self._wait()
                self._asked.clear()
                await self._look()
        finally:
            self._at_rest.set()

    async def _look(self) -> None:
        try:
            await self._start_all()
        except DatabaseError as error:
            log.warning("jobs are not looked for", jobs=self._name, error=str(error)[:200])

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._asked.wait(), self._poll_seconds)
        except TimeoutError:
            pass  # nobody asked here; another process may have

    def stop(self) -> None:
        """Claim no more from now on. What is under way goes on."""
        if not self.closing:
            self.closing = True
            self._stopped_at = asyncio.get_running_loop().time()
        self._asked.set()
        self._freed.set()

    async def close(self, seconds: float) -> None:
        """Claim no more, and let the attempts that are under way end, until so long after the stop; those that it came early
        for still have a moment to write what they came to. What then still runs its tasks cancel, or `break_off`.
        """
        self.stop()
        least = asyncio.get_running_loop().time() + min(seconds, limits.CLOSE_LEAST_SECONDS)
        try:
            async with asyncio.timeout_at(max(self._stopped_at + seconds, least)):
                await self._at_rest.wait()
                if self._running:
                    await asyncio.wait(self._running)
        except TimeoutError:
            log.info("attempts do not end in time", jobs=self._name, attempts=len(self._running))

    async def break_off(self) -> None:
        """End the attempts that have outlasted `close`, before their claims are freed: nobody else is at the same then."""
        await cancel(self._running, limits.CLOSE_BREAK_SECONDS)

    async def _start_all(self) -> None:
        """Start an attempt for each that is due, as many at once as may be."""
        while await self._has_room():
            claimed = await self._claim()
            if claimed is None:
                return
            task = self._tasks.start(self._guarded(claimed), self._name)
            self._running.add(task)
            task.add_done_callback(self._ended)

    async def _has_room(self) -> bool:
        """Wait until one more may be attempted; False where none will be, because the loop is closing."""
        while self.full and not self.closing:
            self._freed.clear()
            await self._freed.wait()
        return not self.closing

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        self._freed.set()

    async def _guarded(self, job: Document) -> None:
        """Where what became of it cannot be written, its claim ends and it comes again."""
        try:
            await self._attempt(job)
        except DatabaseError as error:
            log.warning("attempt not recorded", jobs=self._name, job=job["_id"], error=str(error)[:200])
