"""Uses of API keys: how often and when last, noted now and then instead of with each request.

    note(key) --in memory--> write_due(), each second --a key at most once a minute--> database

A key's first use is noted at once; what a process has not written when it is killed is lost, and costs nobody anything.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from config import limits
from models import api_keys
from models.clock import now
from models.database import Database


@dataclass(slots=True)
class _Uses:
    """Of one key, since they were written last."""

    due: float  # by `time.monotonic()`
    times: int = 0
    last: datetime | None = None


class KeyUses:
    """Of one process. Bounded: while too many keys have uses to be written, those of others are not counted."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._uses: dict[str, _Uses] = {}

    def note(self, key_id: str) -> None:
        uses = self._uses.get(key_id)
        if uses is None:
            if len(self._uses) >= limits.KEY_USES_NOTED_MAX:
                return
            uses = self._uses[key_id] = _Uses(due=time.monotonic())
        uses.times += 1
        uses.last = now()

    async def write_due(self) -> None:
        """Write what is due, and forget the keys that were not used since. Raises `DatabaseError`; nothing is lost then."""
        moment = time.monotonic()
        for key_id, uses in [item for item in self._uses.items() if item[1].due <= moment]:
            if uses.times:
                await self._write(key_id, uses)
                uses.due = moment + limits.KEY_USE_SECONDS
            else:
                del self._uses[key_id]

    async def close(self) -> None:
        """Write all. Raises `DatabaseError`."""
        for key_id, uses in list(self._uses.items()):
            if uses.times:
                await self._write(key_id, uses)

    async def _write(self, key_id: str, uses: _Uses) -> None:
        times, last = uses.times, uses.last
        if last is not None:
            await api_keys.used(self._database, key_id, times, last)
            uses.times -= times
