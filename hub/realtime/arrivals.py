"""Sockets that come all at once, let in a few with each round of the event loop.

An upgrade takes about a millisecond. Thousands of clients that lost a node come to the next one together, and without a
bound everybody else, whose frames and requests are as ready as theirs, would wait for all of them.
"""

import asyncio
from collections import deque

from config import limits


class Arrivals:
    """One per process; in order."""

    def __init__(self) -> None:
        self._left = limits.UPGRADES_PER_ROUND
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._counting = False

    async def turn(self) -> None:
        """Wait for a round that has room; without a crowd that is this one."""
        if self._left:
            self._left -= 1
            self._count()
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _count(self) -> None:
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._next_round)

    def _next_round(self) -> None:
        """Those who have left meanwhile take nobody's place."""
        self._left = limits.UPGRADES_PER_ROUND
        self._counting = False
        while self._left and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                self._left -= 1
        if self._left < limits.UPGRADES_PER_ROUND:  # even if nobody waits any more, else nobody would be let in again
            self._count()
