"""Background tasks that nobody forgets: each is held, named, counted, and its failure logged.

The event loop keeps only a weak reference to a task, and an exception in one that nobody awaits is lost. Every task of
the hub therefore starts here. How many may run at once is the caller's bound: it looks at `len(tasks)` before it starts one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

import structlog

from config import limits
from models.errors import DatabaseError

T = TypeVar("T")

log = structlog.get_logger(__name__)


async def cancel(tasks: Collection[asyncio.Task[Any]], seconds: float) -> None:
    """Cancel these and await their end, at most for so long; one that goes on is cancelled again, as in `Tasks.close`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    running = to_cancel = set(tasks)
    while running and (left := deadline - loop.time()) > 0:
        for task in to_cancel:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=min(left, limits.CANCEL_AGAIN_SECONDS))
        to_cancel = {task for task in running if task.cancelling()}
    for task in running:
        log.error("task did not end when cancelled", task=task.get_name())


class Tasks:
    """A set of running tasks with a common end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self.failures = 0  # tasks that ended with an exception, for the metrics

    def __len__(self) -> int:
        return len(self._running)

    def start(self, coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `coro` now. Raises `RuntimeError` after `close`: what starts then would never be awaited."""
        if self._closed:
            coro.close()
            raise RuntimeError(f"the task {name!r} came after the end")
        task = asyncio.create_task(coro, name=name)
        self._running.add(task)
        task.add_done_callback(self._reap)
        return task

    def repeat(self, work: Callable[[], Awaitable[object]], seconds: float, name: str) -> None:
        """Do `work` again and again, `seconds` apart, until the end. A failed round is logged, and the next one comes."""
        self.start(self._repeat(work, seconds, name), name)

    async def _repeat(self, work: Callable[[], Awaitable[object]], seconds: float, name: str) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except DatabaseError as error:  # in one outage there are many, and where they come from says nothing
                self.failures += 1
                log.warning("a round failed", task=name, error=str(error)[:200])
            except Exception:
                self.failures += 1
                log.exception("a round failed", task=name)

    def _reap(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            self.failures += 1
            log.error("task failed", task=task.get_name(), exc_info=error)

    async def wait(self, seconds: float) -> bool:
        """Let the tasks end by themselves, those included that they start meanwhile; whether all did."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while others := self._others():
            left = deadline - loop.time()
            if left <= 0:
                return False
            await asyncio.wait(others, timeout=left)
        return True

    async def close(self, grace_seconds: float) -> None:
        """Cancel all and await them, at most for `grace_seconds`: cancelled tasks may still have to clean up.

        One that goes on as if nothing had been said is cancelled again: the database's driver waits by `asyncio.wait_for`,
        which on Python 3.11 may lose a cancellation that comes with the answer. Who means to go on says so by `uncancel`.
        A task counts as running until it is reaped, for only then is its failure logged.
        """
        self._closed = True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + grace_seconds
        to_cancel = self._others()
        while (running := self._others()) and (left := deadline - loop.time()) > 0:
            for task in to_cancel:
                task.cancel()
            await asyncio.wait(running, timeout=min(left, limits.CANCEL_AGAIN_SECONDS))
            to_cancel = {task for task in running if task.cancelling()}
        for task in running:
            log.error("task did not end when cancelled", task=task.get_name())

    def _others(self) -> set[asyncio.Task[Any]]:
        """All but the caller, who may be one of them and cannot wait for itself."""
        return self._running - {asyncio.current_task()}
