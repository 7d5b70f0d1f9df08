"""The log of deliveries as it is written: attempts that end while a write is under way go together with the next one.

With several endpoints at once a write of its own for each attempt would cost more than all else about a delivery.
"""

import asyncio
from collections.abc import Sequence

from config import outgoing
from hub.tasks import Tasks
from models import deliveries
from models.database import Database, DatabaseError, Document

Noted = tuple[Document, Document]  # as `deliveries.attempted` makes it


class Log:
    """One per process. What waits is bounded by who waits for it: a portion of each turn."""

    def __init__(self, database: Database, tasks: Tasks) -> None:
        self._database = database
        self._tasks = tasks
        self._waiting: list[Noted] = []
        self._written: asyncio.Future[None] | None = None  # of what waits
        self._busy = False

    async def note(self, attempts: Sequence[Noted]) -> None:
        """Return when they are written. Raises `DatabaseError`."""
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        self._waiting.extend(attempts)
        written = self._written
        if not self._busy:
            self._busy = True
            self._tasks.start(self._write_all(), "log of webhooks")
        await asyncio.shield(written)

    async def _write_all(self) -> None:
        try:
            while self._written is not None:
                attempts, written = self._waiting, self._written
                self._waiting, self._written = [], None
                await self._write(attempts, written)
        finally:
            self._busy = False
            if self._written is not None:  # cut off, with somebody waiting
                self._written.cancel()

    async def _write(self, attempts: Sequence[Noted], written: asyncio.Future[None]) -> None:
        """Tell who waits for these whether they stand; whoever waits for the next ones has a write of their own."""
        try:
            for start in range(0, len(attempts), outgoing.ATTEMPTS_NOTED_AT_ONCE):
                some = attempts[start : start + outgoing.ATTEMPTS_NOTED_AT_ONCE]
                await deliveries.record(self._database, some)
            written.set_result(None)
        except DatabaseError as error:
            written.set_exception(error)
            written.exception()  # seen: who waited may have been cancelled
        finally:
            written.cancel()  # nothing where it is done
