"""Counts of all nodes together, in Redis: a limit is one limit, however many nodes there are.

    hit()          counts here, answers at once --every 250 ms--> Redis --sums--> here
    hit_exactly()  asks Redis first

So requests cost no round trip, and nodes together let through no more than what comes within that moment beyond a limit.
While Redis is away or full each node counts for itself, and tells the others afterwards.
"""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any

import structlog

from config import limits
from config.plans import Limit
from hub.counters import MemoryCounters
from hub.redis.client import RedisAway, RedisClient
from hub.tasks import Tasks

log = structlog.get_logger(__name__)

_Hits = tuple[str, Limit, int]  # key, its limit, how often


class SharedCounters:
    """`prefix` parts hubs that share a Redis, and what is counted from what else is."""

    def __init__(self, client: RedisClient, prefix: str, tasks: Tasks) -> None:
        self._client = client
        self._prefix = prefix
        self._tasks = tasks
        self._here = MemoryCounters()
        self._untold: dict[str, tuple[Limit, int]] = {}
        self._telling = False

    async def hit(self, key: str, limit: Limit, cost: int) -> tuple[int, float]:
        if cost:
            self._tell_later(key, limit, cost)
        return await self._here.hit(key, limit, cost)

    async def hit_exactly(self, key: str, limit: Limit) -> tuple[int, float]:
        counted = await self._here.hit_exactly(key, limit)
        try:
            await self._exchange([(key, limit, 1)])
        except RedisAway:
            self._tell_later(key, limit, 1)
            return counted
        return await self._here.hit(key, limit, 0)

    async def clear(self, key: str, limit: Limit) -> None:
        """The window goes on, with none: an absent one would look like one that Redis has lost."""
        self._untold.pop(key, None)
        await self._here.clear(key, limit)
        try:
            (answer,) = await self._client.send(lambda pipe: pipe.set(self._key(key), 0, xx=True, keepttl=True))
        except RedisAway as away:
            answer = away
        if isinstance(answer, Exception):
            log.info("a count could not be cleared everywhere; it ends by itself", error=str(answer))

    def _tell_later(self, key: str, limit: Limit, cost: int) -> None:
        _, untold = self._untold.get(key, (limit, 0))
        self._untold[key] = (limit, untold + cost)
        if not self._telling:
            self._telling = True
            self._tasks.start(self._tell(), "shared counts")

    async def _tell(self) -> None:
        try:
            while self._untold:
                await asyncio.sleep(limits.RATE_LIMIT_TELL_SECONDS)
                await self._tell_all()
        finally:
            self._telling = False

    async def _tell_all(self) -> None:
        """What cannot be told now is told later, if its window still runs then."""
        told: dict[str, None] = {}
        while keys := list(islice((key for key in self._untold if key not in told), limits.RATE_LIMIT_KEYS_AT_ONCE)):
            told.update(dict.fromkeys(keys))
            hits = [(key, *self._untold.pop(key)) for key in keys]
            running = [(key, limit, cost) for key, limit, cost in hits if self._here.is_running(key, limit)]
            try:
                await self._exchange(running)
            except RedisAway:
                self._keep(running)

    def _keep(self, hits: Sequence[_Hits]) -> None:
        for key, limit, cost in hits:
            if len(self._untold) < limits.RATE_LIMIT_ENTRIES:
                self._tell_later(key, limit, cost)

    async def _exchange(self, hits: Sequence[_Hits]) -> None:
        """Add ours to everybody's, and take over the sums. A window begins with the first hit of any node; where it begins
        while ours is running, Redis has lost it, and what we know counts.
        """

        def commands(pipe: Any) -> None:
            for key, limit, cost in hits:
                pipe.set(self._key(key), 0, ex=limit.seconds, nx=True)
                pipe.incrby(self._key(key), cost)
                pipe.pttl(self._key(key))

        answers = await self._client.send(commands) if hits else []
        for number, (key, limit, cost) in enumerate(hits):
            began, total, left = answers[3 * number : 3 * number + 3]
            if isinstance(total, Exception):  # it is full, or not to be written to, and has counted nothing
                self._keep([(key, limit, cost)])
            if isinstance(total, int) and isinstance(left, int) and left > 0:
                _, untold = self._untold.get(key, (limit, 0))
                known = self._here.used(key, limit, limits.REDIS_ANSWER_SECONDS) if began else 0
                self._here.put(key, limit, max(known, total + untold), time.time() + left / 1_000)
                if total < 0:  # taken back in a window that Redis has lost: nobody is to have more for it
                    self._tell_later(key, limit, -total)

    def _key(self, key: str) -> str:
        return f"{self._prefix}:{key}"
