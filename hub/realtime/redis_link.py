"""The way to Redis and back: two connections, one that publishes and one that listens, made anew whenever one breaks.

    send() -> bounded queue -> pipelined PUBLISHes -> Redis -> heard()
    want(), unwant() -> SUBSCRIBE, UNSUBSCRIBE in batches -> Redis -> confirmed()

It moves bytes and knows no publication. What was in a write that broke off is sent again, so a listener may hear it twice.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from config import limits
from hub.tasks import Tasks

log = structlog.get_logger(__name__)

_BROKEN = (RedisError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a link tells; none of these waits or raises."""

    heard: Callable[[str, bytes], None]
    confirmed: Callable[[str], None]  # from now on everything published on the channel is heard
    beat: Callable[[], None]  # once a second while connected, first of all right after connecting
    broken: Callable[[], None]
    drained: Callable[[], None]  # nothing waits to be published any more


class Subscriptions:
    """What is wanted, what Redis was asked for, and what it has confirmed.

    An UNSUBSCRIBE is only sent after its SUBSCRIBE was confirmed: so a confirmation always belongs to the last SUBSCRIBE.
    """

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self.confirmed: set[str] = set()
        self._changed: set[str] = set()
        self.waiting = asyncio.Event()

    def want(self, channel: str, wanted: bool) -> None:
        (self._wanted.add if wanted else self._wanted.discard)(channel)
        self._change(channel)

    def _change(self, channel: str) -> None:
        self._changed.add(channel)
        self.waiting.set()

    def confirm(self, channel: str) -> None:
        self._asked.discard(channel)
        self.confirmed.add(channel)
        if channel not in self._wanted:
            self._change(channel)

    def take(self) -> tuple[list[str], list[str]]:
        """What to subscribe and what to unsubscribe now."""
        fresh = [name for name in self._changed & self._wanted if name not in self._asked | self.confirmed]
        gone = [name for name in self._changed - self._wanted if name in self.confirmed]
        self._changed.clear()
        self.waiting.clear()
        self._asked.update(fresh)
        self.confirmed.difference_update(gone)
        return fresh, gone

    def begin(self) -> None:
        """A new connection knows nothing."""
        self._asked.clear()
        self.confirmed.clear()
        self._changed = set(self._wanted)
        self.waiting.set()


class RedisLink:
    """`linked` while both connections stand. Raises `ValueError` for an address that is none."""

    def __init__(self, url: str, prefix: str, tasks: Tasks, owner: Owner) -> None:
        self._pool = ConnectionPool.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),  # we retry ourselves: whoever listens has to know that a connection was lost
            socket_connect_timeout=limits.REDIS_CONNECT_SECONDS,
            socket_timeout=None,  # redis-py's waits on a write lose a cancellation in Python 3.11; ours stand around each
        )
        self._prefix = f"{prefix}:"
        self._tasks = tasks
        self._owner = owner
        self._running: asyncio.Task[None] | None = None
        self._queue: deque[tuple[str, bytes]] = deque()
        self._queue_bytes = 0
        self._waiting = asyncio.Event()
        self._complained = False
        self.linked = asyncio.Event()
        self.subscriptions = Subscriptions()

    async def open(self) -> None:
        """Start, and give the first connection its time; without one the link goes on trying."""
        self._running = self._tasks.start(self._run(), "redis link")
        try:
            async with asyncio.timeout(limits.REDIS_CONNECT_SECONDS):
                await self.linked.wait()
        except TimeoutError:
            self._complain("it does not answer")

    async def close(self) -> None:
        """Publish what waits, if that is quick, and end."""
        deadline = asyncio.get_running_loop().time() + limits.REDIS_CLOSE_SECONDS
        while self._queue and self.linked.is_set() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def send(self, channel: str, payload: bytes) -> bool:
        """Whether there was room for it."""
        size = self._queue_bytes + len(payload)
        if len(self._queue) >= limits.BROKER_QUEUE_MAX or size > limits.BROKER_QUEUE_BYTES_MAX:
            return False
        self._queue.append((channel, payload))
        self._queue_bytes = size
        self._waiting.set()
        return True

    # --- one pair of connections after the other ---

    async def _run(self) -> None:
        pause = limits.REDIS_RETRY_SECONDS
        while True:
            error = await _reason(self._session())
            if self.linked.is_set():
                pause = limits.REDIS_RETRY_SECONDS
                self.linked.clear()
            self._complain(str(error)[:200])
            self._owner.broken()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, limits.REDIS_RETRY_SECONDS_MAX)

    def _complain(self, error: str) -> None:
        """Once for each time that Redis is away."""
        if not self._complained:
            self._complained = True
            log.warning("Redis cannot be reached; other nodes hear of this one later", error=error)

    async def _session(self) -> None:
        async with self._connected() as publisher, self._connected() as listener:
            self._begin()
            await self._together(self._publish(publisher), self._listen(listener), self._ask(listener), self._beat())

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AbstractConnection]:
        connection: Any = self._pool.connection_class(**self._pool.connection_kwargs)
        try:
            async with asyncio.timeout(limits.REDIS_CONNECT_SECONDS):
                await connection.connect()  # which redis 8.1 leaves untyped
            yield connection
        finally:
            await connection.disconnect(nowait=True)

    def _begin(self) -> None:
        if self._complained:
            self._complained = False
            log.info("Redis is reached")
        self.subscriptions.begin()
        self.linked.set()

    async def _together(self, *loops: Coroutine[Any, Any, None]) -> None:
        """Run them until one breaks, and raise what it broke with."""
        running = [self._tasks.start(_reason(loop), "redis connection") for loop in loops]
        try:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            raise done.pop().result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    # --- what runs on them ---

    async def _publish(self, connection: AbstractConnection) -> None:
        while True:
            self._waiting.clear()
            if not self._queue:
                self._owner.drained()
            if not self._queue:
                await self._waiting.wait()
            batch = list(islice(self._queue, limits.BROKER_BATCH_MAX))
            await self._send(connection, [("PUBLISH", self._prefix + channel, payload) for channel, payload in batch])
            for _ in batch:
                await _read(connection)
            for _, payload in batch:  # only now: a batch that breaks off is sent again
                self._queue.popleft()
                self._queue_bytes -= len(payload)

    async def _ask(self, connection: AbstractConnection) -> None:
        """Tell Redis which channels this node listens to."""
        while True:
            await self.subscriptions.waiting.wait()
            for verb, channels in zip(("SUBSCRIBE", "UNSUBSCRIBE"), self.subscriptions.take(), strict=True):
                for at in range(0, len(channels), limits.BROKER_BATCH_MAX):
                    names = [self._prefix + name for name in channels[at : at + limits.BROKER_BATCH_MAX]]
                    await self._send(connection, [(verb, *names)])

    async def _send(self, connection: AbstractConnection, commands: Sequence[tuple[str | bytes, ...]]) -> None:
        async with asyncio.timeout(limits.REDIS_SILENCE_SECONDS):
            await connection.send_packed_command(connection.pack_commands(commands))

    async def _listen(self, connection: AbstractConnection) -> None:
        while True:
            verb, name, content = await _read(connection)
            channel = name.decode().removeprefix(self._prefix)
            if verb == b"message":
                self._owner.heard(channel, content)
            elif verb == b"subscribe":
                self.subscriptions.confirm(channel)
                self._owner.confirmed(channel)

    async def _beat(self) -> None:
        while True:
            self._owner.beat()
            await asyncio.sleep(limits.REDIS_BEAT_SECONDS)


async def _read(connection: AbstractConnection) -> Any:
    async with asyncio.timeout(limits.REDIS_SILENCE_SECONDS):
        return await connection.read_response()


async def _reason(work: Coroutine[Any, Any, None]) -> Exception:
    """Why it ended; none of ours ends by itself."""
    try:
        await work
    except _BROKEN as error:
        return error
    raise AssertionError("it ended by itself")
