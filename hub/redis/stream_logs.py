"""The logs of running streams in Redis, so that any node can follow any stream while it runs.

    generation --grew()--> dirty --every 25 ms--> one XADD a stream --> Redis --read(), by cursor--> nodes that follow it

An entry's id is the offset of its last delta, so a cursor into the stream is one into its log, an entry that is written
twice is one entry, and nothing has to be remembered but the stream itself: while Redis is away nothing gathers here, and
the first write afterwards has everything since the last. The database has the truth in any case; this is its fast way.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
import structlog
from redis.exceptions import ResponseError

from config import limits
from hub.providers.base import Delta
from hub.redis.client import RedisAway, RedisClient
from hub.streams import Stream
from hub.tasks import Tasks

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Logged:
    """What a log has beyond a cursor. `start`: the offset before the first of `deltas`."""

    start: int
    deltas: Sequence[Delta]
    cost_micro: int
    ended: bool


class StreamLogs:
    """Writes the logs of this node's streams and reads those of others. `prefix` parts the hubs that share a Redis."""

    def __init__(self, client: RedisClient, prefix: str, tasks: Tasks) -> None:
        self._client = client
        self._prefix = prefix
        self._tasks = tasks
        self._dirty: dict[str, Stream] = {}
        self._writing = False

    @property
    def failing(self) -> bool:
        """Redis could not be asked the last time."""
        return self._client.failing

    # --- this node's streams ---

    def grew(self, stream: Stream) -> None:
        """There are new deltas, or it has ended. Never waits."""
        self._dirty[stream.id] = stream
        if not self._writing:
            self._writing = True
            self._tasks.start(self._write(), "stream logs")

    async def _write(self) -> None:
        """Write until nothing is dirty, a moment after it became so: what comes meanwhile goes along."""
        try:
            while self._dirty:
                await asyncio.sleep(limits.STREAM_LOG_SECONDS)
                await self._flush()
        finally:
            self._writing = False

    async def _flush(self) -> None:
        streams = [stream for stream in tuple(self._dirty.values()) if _is_to_be_written(stream)]
        portion = streams[: limits.STREAM_LOGS_AT_ONCE]
        self._dirty = {stream.id: stream for stream in streams[len(portion) :]}
        if not portion:
            return
        try:
            failed = await self._append(portion)
        except RedisAway:
            failed = portion
        if failed:  # those that have ended meanwhile are read from the database
            self._dirty = {stream.id: stream for stream in failed if stream.outcome is None} | self._dirty
            await asyncio.sleep(limits.REDIS_REST_SECONDS)

    async def _append(self, streams: Sequence[Stream]) -> Sequence[Stream]:
        """Those that Redis would not take. Raises `RedisAway`."""
        offsets, counts = [stream.offset for stream in streams], list[int]()
        answers = iter(await self._client.send(lambda pipe: counts.extend(self._add(pipe, each) for each in streams)))
        failed = []
        for stream, offset, count in zip(streams, offsets, counts, strict=True):
            failures = [answer for answer in islice(answers, count) if _is_failure(answer)]
            if failures:
                log.info("a stream's log was not written", stream=stream.id, error=str(failures[0])[:200])
                failed.append(stream)
            else:
                stream.logged = offset
        return failed

    def _add(self, pipe: Any, stream: Stream) -> int:
        """How many commands it takes. Each time the key is given its life anew: Redis may have lost it meanwhile."""
        key, commands = self._key(stream.id), 1
        if stream.offset > stream.logged:
            pipe.xadd(key, {b"log": _packed(stream)}, id=f"{stream.offset}-0")
            commands += 1
        if stream.outcome is not None:
            pipe.xadd(key, {b"end": b""}, id=f"{stream.offset}-1")
            commands += 1
        life = limits.STREAM_LOG_LIFE_SECONDS if stream.outcome is None else limits.STREAM_LOG_ENDED_SECONDS
        pipe.expire(key, life)
        return commands

    # --- those of other nodes ---

    async def read(self, cursors: Mapping[str, int]) -> dict[str, Logged]:
        """What the logs of these streams have beyond a number of deltas each. Nothing while Redis cannot be asked."""
        streams, found = tuple(cursors), dict[str, Logged]()
        with contextlib.suppress(RedisAway):
            for at in range(0, len(streams), limits.STREAM_LOGS_AT_ONCE):
                found |= await self._beyond(cursors, streams[at : at + limits.STREAM_LOGS_AT_ONCE])
        return found

    async def _beyond(self, cursors: Mapping[str, int], streams: Sequence[str]) -> dict[str, Logged]:
        def commands(pipe: Any) -> None:
            for stream in streams:
                beyond = f"({cursors[stream]}-0"
                pipe.xrange(self._key(stream), min=beyond, count=limits.STREAM_LOG_ENTRIES_AT_ONCE)

        answers = zip(streams, await self._client.send(commands), strict=True)
        return {stream: _unpacked(entries) for stream, entries in answers if entries and not _is_failure(entries)}

    def _key(self, stream_id: str) -> str:
        return f"{self._prefix}:stream:{stream_id}"


def _is_to_be_written(stream: Stream) -> bool:
    """One that ended before anything was written is read from the database; nobody can have followed it."""
    return stream.outcome is None or stream.logged > 0


def _is_failure(answer: Any) -> bool:
    """An entry that stands already is none: it was written, and the answer lost."""
    stands = isinstance(answer, ResponseError) and "equal or smaller" in str(answer)
    return isinstance(answer, Exception) and not stands


def _packed(stream: Stream) -> bytes:
    fresh = stream.deltas[stream.logged :]
    deltas = [delta.content if delta.extra is None else [delta.content, delta.extra] for delta in fresh]
    return orjson.dumps([stream.logged, stream.cost_micro, deltas])


def _unpacked(entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> Logged:
    """Entries in order, up to a gap; one may repeat what the one before it has, because its writer had not heard of that."""
    start: int | None = None
    cost = 0
    deltas: list[Delta] = []
    for _, fields in entries:
        if b"log" in fields:
            begins, cost, packed = orjson.loads(fields[b"log"])
            start = begins if start is None else start
            known = start + len(deltas) - begins
            if known < 0:  # what is between was lost, with a server that had not passed it on
                break
            deltas += [Delta(each) if isinstance(each, str) else Delta(*each) for each in packed[known:]]
    return Logged(start or 0, deltas, cost, b"end" in entries[-1][1])
