"""`hub/redis/stream_logs.py` on a real Redis: what one node writes another reads once and in order, come what may."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from config import limits
from hub.providers.base import Delta, Usage
from hub.redis.client import RedisClient
from hub.redis.stream_logs import Logged, StreamLogs
from hub.streams import Outcome, Stream
from hub.tasks import Tasks
from tests.patience import until
from tests.redis_server import RedisServer

EXTRA = {"tool_calls": [{"index": 0, "function": {"name": "weather", "arguments": "{}"}}]}
ENDED = Outcome("stop", Usage(1, 1), "counted", None)


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


AnyRedis = tuple[str, type[Redis] | type[RedisCluster]]


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
def any_redis(request: pytest.FixtureRequest) -> AnyRedis:
    """A lone one or a cluster, and redis-py's client for it."""
    return request.getfixturevalue(request.param), Redis if request.param == "redis_url" else RedisCluster


class Nodes:
    """Two nodes of one hub, and a stream of the first."""

    def __init__(self, redis: AnyRedis, tasks: Tasks) -> None:
        url, client_of = redis
        prefix = f"test_{secrets.token_hex(4)}"
        self.clients = RedisClient(url), RedisClient(url)
        self.writer, self.reader = (StreamLogs(client, prefix, tasks) for client in self.clients)
        self.redis: Any = client_of.from_url(url)
        self.stream = Stream("stream_1", "user_1", "gpt-4", None, "msg_1")
        self.key = f"{prefix}:stream:stream_1"

    async def say(self, *deltas: Delta, cost: int = 0) -> None:
        """Append, and wait until the log has it."""
        self.stream.append(list(deltas), cost)
        self.writer.grew(self.stream)
        await until(lambda: self.stream.logged == self.stream.offset)

    async def end(self) -> None:
        self.stream.finish(ENDED)
        self.writer.grew(self.stream)

    async def beyond(self, cursor: int) -> Logged | None:
        return (await self.reader.read({"stream_1": cursor})).get("stream_1")


@asynccontextmanager
async def nodes(redis: AnyRedis) -> AsyncIterator[Nodes]:
    tasks = Tasks()
    made = Nodes(redis, tasks)
    try:
        yield made
    finally:
        await tasks.close(1)
        for client in made.clients:
            await client.close()
        await made.redis.aclose()
    assert not tasks.failures


def texts(logged: Logged | None) -> Sequence[str]:
    assert logged is not None
    return [delta.content for delta in logged.deltas]


@in_a_loop
async def test_everything_beyond_a_cursor_is_read_once_and_in_order(any_redis: AnyRedis) -> None:
    async with nodes(any_redis) as two:
        assert await two.beyond(0) is None
        await two.say(Delta("a"), Delta("b"), cost=20)
        await two.say(Delta("", EXTRA), Delta("ü\n\u2028"), cost=40)
        logged = await two.beyond(0)
        assert logged == Logged(0, [Delta("a"), Delta("b"), Delta("", EXTRA), Delta("ü\n\u2028")], 40, False)
        assert await two.beyond(2) == Logged(2, [Delta("", EXTRA), Delta("ü\n\u2028")], 40, False)
        inside = await two.beyond(1)  # the entry that holds the second delta begins before it
        assert inside is not None and (inside.start, len(inside.deltas)) == (0, 4)
        assert await two.beyond(4) is None


@in_a_loop
async def test_deltas_of_a_moment_are_one_entry(any_redis: AnyRedis) -> None:
    async with nodes(any_redis) as two:
        for number in range(50):
            two.stream.append([Delta(str(number))], number)
            two.writer.grew(two.stream)
        await until(lambda: two.stream.logged == 50)
        assert await two.redis.xlen(two.key) == 1
        assert texts(await two.beyond(0)) == [str(number) for number in range(50)]


@in_a_loop
async def test_the_end_is_told_and_the_log_goes_soon_after(any_redis: AnyRedis) -> None:
    async with nodes(any_redis) as two:
        await two.say(Delta("a"))
        assert limits.STREAM_LOG_ENDED_SECONDS < await two.redis.ttl(two.key) <= limits.STREAM_LOG_LIFE_SECONDS

        async def is_told() -> bool:
            logged = await two.beyond(1)
            return logged is not None and logged.ended and not logged.deltas

        await two.end()
        await until(is_told)
        assert 0 < await two.redis.ttl(two.key) <= limits.STREAM_LOG_ENDED_SECONDS


@in_a_loop
async def test_an_answer_that_is_over_at_once_leaves_no_log(any_redis: AnyRedis) -> None:
    async with nodes(any_redis) as two:
        two.stream.append([Delta("all of it")], 1)
        two.writer.grew(two.stream)
        await two.end()
        await asyncio.gather(*two.writer._tasks._running)
        assert await two.redis.exists(two.key) == 0


@in_a_loop
async def test_what_was_written_without_an_answer_is_read_once(any_redis: AnyRedis) -> None:
    """The writer did not hear that its entry stands, and writes from the same place again."""
    async with nodes(any_redis) as two:
        await two.say(Delta("a"), Delta("b"))
        two.stream.logged = 0
        await two.say()  # the same entry: refused by Redis, and no failure
        two.stream.logged = 1
        await two.say(Delta("c"))  # one that begins before the last one's end
        assert texts(await two.beyond(0)) == ["a", "b", "c"]
        assert not two.writer.failing


@in_a_loop
async def test_redis_away_loses_nothing_and_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REDIS_REST_SECONDS", 0.05)
    server = RedisServer()
    server.start()
    try:
        async with nodes((server.url, Redis)) as two:
            await two.say(Delta("a"))
            server.kill()
            two.stream.append([Delta("b")], 2)
            two.writer.grew(two.stream)
            await until(lambda: two.writer.failing)
            assert await two.reader.read({"stream_1": 1}) == {}
            assert two.reader.failing
            server.start()
            await until(lambda: two.stream.logged == 2)
            logged = await two.beyond(1)
            assert texts(logged) == ["b"]
            assert not two.writer.failing and not two.reader.failing
    finally:
        server.kill()
