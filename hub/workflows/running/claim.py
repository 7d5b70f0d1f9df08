"""A claim's time: how long it is surely ours, and what is tried again for as long.

    renewed --> ours for EXECUTION_SURE_SECONDS --> might be another's: whatever fails from then on ends the turn

A database that is away for a moment must not end a turn: that would break off all that is under way, and of what a company
was asked just then nobody would know whether it was done.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from config import workflows as limits
from hub.errors import Code, HubError
from models.database import Conflict, DatabaseUnavailable, OutcomeUnknown

T = TypeVar("T")

log = structlog.get_logger(__name__)

_PASSING_CODES: Final = (Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN)
_PASSING: Final = (DatabaseUnavailable, OutcomeUnknown, Conflict)


def is_passing(error: Exception) -> bool:
    """Whether the same may succeed a little later."""
    return error.code in _PASSING_CODES if isinstance(error, HubError) else isinstance(error, _PASSING)


class Claim:
    """One turn's, from the moment it has it."""

    def __init__(self) -> None:
        self.renewed(time.monotonic())

    def renewed(self, asked_at: float) -> None:
        """It was, by a request that was sent at `asked_at` of the monotonic clock."""
        self._sure_until = asked_at + limits.EXECUTION_SURE_SECONDS

    async def insist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What the attempt gives, made again while the database is away and the claim is surely ours. It must do no harm
        where an earlier one stands although nobody was told so. Raises what the last one does.
        """
        while True:
            try:
                return await attempt()
            except Exception as error:
                if not is_passing(error) or time.monotonic() >= self._sure_until:
                    raise
                log.info("a turn waits for the database", error=str(error)[:200])
            await asyncio.sleep(limits.EXECUTION_INSIST_SECONDS)
