"""Commands to Redis beside the broker's two connections: stream logs and shared counts, a pipeline at a time.

It connects when it is first needed, and by itself again; nothing here waits for a Redis that is away: who asks is told so,
at once while it has just been found out.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, RedisError
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import TimeoutError as AnswerLate

from config import limits

log = structlog.get_logger(__name__)

_LOST: Final = (OSError, TimeoutError, ConnectionLost, AnswerLate, ClusterDownError)


def connection_options() -> dict[str, Any]:
    """Of every connection. Retries are ours, for whoever listens has to know that a connection was lost; so are deadlines,
    for redis-py's on a write lose a cancellation in Python 3.11.
    """
    return {
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": limits.REDIS_CONNECT_SECONDS,
        "socket_timeout": None,
    }


class RedisAway(Exception):
    """It could not be asked, or did not answer in time: whether the commands were done is not known."""


class RedisClient:
    """Raises `ValueError` for an address that is none."""

    def __init__(self, url: str) -> None:
        self._alone = Redis.from_url(url, **connection_options())
        self._url = url
        self._client: Any = None  # redis-py types a pipeline's commands as both, answer and promise
        self._opening = asyncio.Lock()
        self._room = asyncio.Semaphore(limits.REDIS_PIPELINES_AT_ONCE)
        self._failed = float("-inf")
        self._closed = False
        self.failing = False  # it could not be reached the last time

    async def close(self) -> None:
        """What is sent from now on finds it away: redis-py would connect anew, and nobody would close that."""
        self._closed = True
        if self._client not in (None, self._alone):
            await self._client.aclose()
        await self._alone.aclose()

    async def send(self, commands: Callable[[Any], None]) -> list[Any]:
        """Run what `commands` puts into a pipeline: the answers in order, with errors of single commands among them.

        Raises `RedisAway`.
        """
        if self._closed or time.monotonic() - self._failed < limits.REDIS_REST_SECONDS:
            raise RedisAway("it was away a moment ago, or is closed")
        try:
            async with asyncio.timeout(limits.REDIS_ANSWER_SECONDS), self._room:
                answers = await self._run(commands)
        except (RedisError, OSError, TimeoutError) as error:
            self._complain(error)
            raise RedisAway(str(error)) from error
        self.failing = False
        return answers

    async def _run(self, commands: Callable[[Any], None]) -> list[Any]:
        async with (await self._connected()).pipeline(transaction=False) as pipe:
            commands(pipe)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        for lost in (answer for answer in answers if isinstance(answer, _LOST)):
            raise lost  # of a cluster it may be one server alone: the database stands in for all
        return answers

    async def _connected(self) -> Any:
        """The client; of a cluster's kind where the address is one of a cluster's nodes."""
        async with self._opening:
            if self._client is None:
                server = await self._alone.info("server")
                in_cluster = server.get("redis_mode") == "cluster"
                self._client = RedisCluster.from_url(self._url, **connection_options()) if in_cluster else self._alone
        return self._client

    def _complain(self, error: Exception) -> None:
        """Once for each time that it is away."""
        self._failed = time.monotonic()
        if not self.failing:
            self.failing = True
            log.warning("Redis does not answer; this node knows of others by the database", error=str(error)[:200])
