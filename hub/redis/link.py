"""The way to Redis and back: two connections to each shard, one that publishes and one that listens.

    send() -> bounded queue -> pipelined PUBLISHes -> Redis -> heard()
    subscriptions.want() -> SUBSCRIBE, UNSUBSCRIBE in batches -> Redis -> confirmed()

A server alone is one shard. Whenever a connection breaks, or a shard says that it has moved, all are made anew, after a new
look at where they have to lead. It moves bytes and knows no publication. What was in a write that broke off is sent again,
so a listener may hear it twice.
"""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from config import limits
from hub.redis import topology as topologies
from hub.redis.client import connection_options
from hub.redis.lanes import Lanes
from hub.redis.subscriptions import Subscriptions
from hub.redis.topology import LONE, Address, Topology, TopologyError
from hub.tasks import Tasks

log = structlog.get_logger(__name__)

_BROKEN = (RedisError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a link tells; none of these waits or raises."""

    heard: Callable[[str, bytes], None]
    confirmed: Callable[[str], None]  # from now on everything published on the channel is heard
    beat: Callable[[], None]  # again and again while connected, first of all right after connecting
    broken: Callable[[], None]
    drained: Callable[[], None]  # nothing waits to be published any more


class RedisLink:
    """`linked` while all connections stand. `beats` are channels of this node alone, one on each shard: what is published on
    all of them comes back by every connection. Raises `ValueError` for an address that is none.
    """

    def __init__(self, url: str, prefix: str, node: str, tasks: Tasks, owner: Owner) -> None:
        self._pool = ConnectionPool.from_url(url, **connection_options())
        self._prefix = f"{prefix}:"
        self._node = node
        self._tasks = tasks
        self._owner = owner
        self._running: asyncio.Task[None] | None = None
        self._waiting = Lanes()
        self._topology = LONE
        self._known: deque[Address | None] = deque([None])  # whom to ask for the topology, the next one first
        self._complained = False
        self.linked = asyncio.Event()
        self.subscriptions = Subscriptions()
        self.beats: frozenset[str] = frozenset()

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
        while self._waiting and self.linked.is_set() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])

    def send(self, channel: str, payload: bytes) -> bool:
        """Whether there was room for it."""
        return self._waiting.put(channel, payload)

    # --- one set of connections after the other ---

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
        async with AsyncExitStack() as stack:
            topology = await self._look()
            pairs = [
                [await stack.enter_async_context(self._connected(address)) for _ in range(2)]
                for address in topology.primaries
            ]
            listeners = [listener for _, listener in pairs]
            self._begin(topology)
            await self._together(
                *(self._publish(lane, publisher) for lane, (publisher, _) in enumerate(pairs)),
                *(self._listen(listener) for listener in listeners),
                self._ask(listeners),
                self._beat(),
            )

    async def _look(self) -> Topology:
        """Ask another server after each failure, for the one in the settings may be the one that is gone."""
        if "path" in self._pool.connection_kwargs:  # a socket in the file system leads to this one server
            return LONE
        asked = self._known[0]
        self._known.rotate(-1)
        async with self._connected(asked) as connection, asyncio.timeout(limits.REDIS_CONNECT_SECONDS):
            topology = await topologies.read(connection)
        self._known = deque(dict.fromkeys([asked, None, *topology.primaries]))
        return topology

    @asynccontextmanager
    async def _connected(self, address: Address | None) -> AsyncIterator[AbstractConnection]:
        kwargs = dict(self._pool.connection_kwargs)
        if address is not None:
            host, port = address
            kwargs |= {"host": host or kwargs.get("host"), "port": port}
        connection: Any = self._pool.connection_class(**kwargs)
        try:
            async with asyncio.timeout(limits.REDIS_CONNECT_SECONDS):
                await connection.connect()  # which redis 8.1 leaves untyped
            yield connection
        finally:
            await connection.disconnect(nowait=True)

    def _begin(self, topology: Topology) -> None:
        if self._complained:
            self._complained = False
            log.info("Redis is reached", shards=len(topology.primaries))
        self._topology = topology
        self._waiting.spread(len(topology.primaries), self._shard_of)
        self._name_beats()
        self.subscriptions.begin()
        self.linked.set()

    def _shard_of(self, channel: str) -> int:
        return self._topology.shard_of(self._prefix + channel)

    def _name_beats(self) -> None:
        names = self._topology.one_of_each(self._prefix + self._node)
        fresh = frozenset(name.removeprefix(self._prefix) for name in names)
        for channel in self.beats | fresh:
            self.subscriptions.want(channel, channel in fresh)
        self.beats = fresh

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

    async def _publish(self, lane: int, connection: AbstractConnection) -> None:
        verb = self._topology.verbs.publish
        while True:
            if not self._waiting:
                self._owner.drained()
            batch = await self._waiting.batch(lane)
            await self._send(connection, [(verb, self._prefix + channel, payload) for channel, payload in batch])
            for _ in batch:
                await _read(connection)
            self._waiting.done(lane, batch)  # only now: a batch that breaks off is sent again

    async def _ask(self, listeners: Sequence[AbstractConnection]) -> None:
        """Tell Redis which channels this node listens to."""
        verbs = self._topology.verbs
        while True:
            await self.subscriptions.waiting.wait()
            for verb, channels in zip((verbs.subscribe, verbs.unsubscribe), self.subscriptions.take(), strict=True):
                for shard, listener in enumerate(listeners):
                    own = [self._prefix + channel for channel in channels if self._shard_of(channel) == shard]
                    await self._ask_for(listener, verb, own)

    async def _ask_for(self, listener: AbstractConnection, verb: str, names: Sequence[str]) -> None:
        step = self._topology.verbs.channels_max
        commands = [(verb, *names[at : at + step]) for at in range(0, len(names), step)]
        for at in range(0, len(commands), limits.BROKER_BATCH_MAX):
            await self._send(listener, commands[at : at + limits.BROKER_BATCH_MAX])

    async def _send(self, connection: AbstractConnection, commands: Sequence[tuple[str | bytes, ...]]) -> None:
        async with asyncio.timeout(limits.REDIS_SILENCE_SECONDS):
            await connection.send_packed_command(connection.pack_commands(commands))

    async def _listen(self, connection: AbstractConnection) -> None:
        verbs = self._topology.verbs
        while True:
            verb, name, content = await _read(connection)
            channel = name.decode().removeprefix(self._prefix)
            if verb == verbs.message:
                self._owner.heard(channel, content)
            elif verb == verbs.subscribed:
                self.subscriptions.confirm(channel)
                self._owner.confirmed(channel)
            elif verb == verbs.unsubscribed and channel in self.subscriptions.confirmed:
                raise TopologyError("a shard has given channels away")

    async def _beat(self) -> None:
        while True:
            self._owner.beat()
            await asyncio.sleep(limits.REDIS_BEAT_SECONDS)


async def _read(connection: AbstractConnection) -> Any:
    async with asyncio.timeout(limits.REDIS_SILENCE_SECONDS):
        return await connection.read_response()


async def _reason(work: Coroutine[Any, Any, None]) -> Exception:
    """Why it ended; none of ours ends by itself. What nobody foresaw is logged, and from then on a break like any other."""
    try:
        await work
        raise AssertionError("it ended by itself")
    except _BROKEN as error:
        return error
    except Exception as error:
        log.exception("the link to Redis failed")
        return RedisError(repr(error))
