"""`hub/redis/counters.py` on a real Redis: a limit is one limit for all nodes, and each node's own while Redis is away."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from redis.exceptions import OutOfMemoryError
from tornado.ioloop import IOLoop

from config import limits
from config.plans import Limit
from hub.errors import Code, HubError
from hub.redis.client import RedisClient
from hub.redis.counters import SharedCounters
from hub.services import Services
from hub.tasks import Tasks
from tests.http_streams import abort_all, ask
from tests.patience import until, within
from tests.redis_server import RedisServer

TEN = Limit(10, 60)


async def _counts_together(one: SharedCounters, two: SharedCounters) -> bool:
    key = secrets.token_hex(4)
    await one.hit_exactly(key, TEN)
    return (await two.hit_exactly(key, TEN))[0] == 2


@asynccontextmanager
async def nodes(url: str) -> AsyncIterator[tuple[SharedCounters, SharedCounters]]:
    tasks, prefix = Tasks(), f"test_{secrets.token_hex(4)}"
    clients = RedisClient(url), RedisClient(url)
    one, two = (SharedCounters(client, prefix, tasks) for client in clients)
    try:
        await until(lambda: _counts_together(one, two))  # a first answer takes a connection as well
        yield one, two
    finally:
        await tasks.close(1)
        for client in clients:
            await client.close()
    assert not tasks.failures


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
def any_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_hits_are_answered_at_once_and_known_everywhere_soon(any_url: str) -> None:
    many = Limit(100_000, 60)

    async def scenario() -> None:
        async with nodes(any_url) as (one, two):
            assert [(await one.hit("k", many, 1))[0] for _ in range(4)] == [1, 2, 3, 4]
            own = 0

            async def knows_the_others() -> bool:  # a node hears of others when it tells of itself
                nonlocal own
                own += 1
                return (await two.hit("k", many, 1))[0] == own + 4

            assert not await knows_the_others()
            await until(knows_the_others)
            assert (await one.hit("another", many, 0))[0] == 0

    asyncio.run(scenario())


def test_what_may_not_be_exceeded_anywhere_is_asked_first(any_url: str) -> None:
    async def scenario() -> None:
        async with nodes(any_url) as both:
            counted = await asyncio.gather(*(both[number % 2].hit_exactly("k", TEN) for number in range(40)))
            allowed = [count for count, _ in counted if count <= TEN.amount]
            assert len(allowed) == TEN.amount
            ends = {round(end) for _, end in counted}
            assert max(ends) - min(ends) <= 1, "a window ends at the same moment on every node"
            assert 0 < min(ends) - time.time() <= TEN.seconds + 1

    asyncio.run(scenario())


def test_a_cleared_count_begins_anew_on_every_node(any_url: str) -> None:
    async def scenario() -> None:
        async with nodes(any_url) as (one, two):
            for _ in range(3):
                await one.hit_exactly("k", TEN)
            await two.clear("k", TEN)
            assert (await one.hit_exactly("k", TEN))[0] == 1

    asyncio.run(scenario())


async def _found(client: RedisClient, key: str) -> str | None:
    """A count as Redis has it."""
    (names,) = await client.send(lambda pipe: pipe.keys(f"test_*:{key}"))
    if not names:
        return None
    (value,) = await client.send(lambda pipe: pipe.get(names[0]))
    return value.decode() if isinstance(value, bytes) else str(value)


def test_what_is_taken_back_is_taken_back_on_every_node(redis_url: str) -> None:
    """All that a node counted, too: that its window then has none is to be told as well."""
    many, key = Limit(1_000, 60), secrets.token_hex(4)

    async def scenario() -> None:
        client = RedisClient(redis_url)

        async def is_told(count: str) -> bool:
            return await _found(client, key) == count

        async with nodes(redis_url) as (one, two):
            for cost, known in ((100, "100"), (-60, "40"), (-40, "0")):
                assert str((await one.hit(key, many, cost))[0]) == known
                await until(partial(is_told, known))
            assert (await two.hit_exactly(key, many))[0] == 1
        await client.close()

    asyncio.run(scenario())


def test_nobody_has_more_for_what_is_taken_back_after_redis_lost_it(redis_url: str) -> None:
    many, key = Limit(1_000, 60), secrets.token_hex(4)

    async def scenario() -> None:
        client = RedisClient(redis_url)

        async def has_none() -> bool:
            return await _found(client, key) == "0"

        async with nodes(redis_url) as (one, two):
            await one.hit_exactly(key, many)
            await one.hit(key, many, 99)
            (names,) = await client.send(lambda pipe: pipe.keys(f"test_*:{key}"))
            await client.send(lambda pipe: pipe.delete(*names))
            await one.hit(key, many, -160)
            await until(has_none)
            assert (await two.hit_exactly(key, many))[0] == 1
        await client.close()

    asyncio.run(scenario())


async def _killed(server: RedisServer) -> None:
    server.kill()


async def _frozen(server: RedisServer) -> None:
    server.freeze()


async def _full(server: RedisServer) -> None:
    """Every command that takes memory is answered with -OOM."""
    await _set_memory(server, "1")
    client = RedisClient(server.url)
    (answer,) = await client.send(lambda pipe: pipe.set("key", "value"))
    assert isinstance(answer, OutOfMemoryError)
    await client.close()


async def _set_memory(server: RedisServer, maximum: str) -> None:
    client = RedisClient(server.url)
    await client.send(lambda pipe: pipe.config_set("maxmemory", maximum))
    await client.close()


async def _started(server: RedisServer) -> None:
    server.start()


async def _thawed(server: RedisServer) -> None:
    server.thaw()


async def _emptied(server: RedisServer) -> None:
    await _set_memory(server, "0")


Fault = Callable[[RedisServer], Awaitable[None]]


@pytest.mark.parametrize(
    ("fault", "end", "bound_seconds"),
    [
        (_killed, _started, 0.5),
        (_frozen, _thawed, limits.REDIS_ANSWER_SECONDS + 0.5),  # the first to ask finds it out
        (_full, _emptied, 0.5),
    ],
)
def test_while_redis_is_away_each_node_counts_by_itself(
    monkeypatch: pytest.MonkeyPatch, server: RedisServer, fault: Fault, end: Fault, bound_seconds: float
) -> None:
    async def scenario() -> None:
        async with nodes(server.url) as (one, two):
            await one.hit_exactly("k", TEN)
            await fault(server)
            async with within(bound_seconds):
                assert [(await one.hit_exactly("k", TEN))[0] for _ in range(3)] == [2, 3, 4]
                assert (await two.hit("k", TEN, 1))[0] == 1
                await one.clear("k", TEN)
            assert (await one.hit("k", TEN, 0))[0] == 0
            await end(server)
            monkeypatch.setattr(limits, "REDIS_REST_SECONDS", 0.05)
            await until(lambda: _counts_together(one, two))

    asyncio.run(scenario())


def test_what_is_counted_while_redis_is_full_is_told_once_it_has_room(server: RedisServer) -> None:
    async def scenario() -> None:
        client = RedisClient(server.url)
        async with nodes(server.url) as (one, two):
            await one.hit_exactly("k", TEN)
            await _full(server)
            for _ in range(4):
                await one.hit_exactly("k", TEN)
                await one.hit("k", TEN, 1)
            await _emptied(server)

            async def is_told() -> bool:
                return await _found(client, "k") == "9"

            await until(is_told)
            assert [(await node.hit_exactly("k", TEN))[0] for node in (one, two)] == [10, 11]
        await client.close()

    asyncio.run(scenario())


@pytest.fixture
def pair(open_hub: Callable[..., Services], redis_url: str) -> tuple[Services, Services]:
    environ = {"HUB_REDIS_URL": redis_url, "HUB_JWT_SECRET": secrets.token_urlsafe(48)}
    return open_hub(**environ), open_hub(**environ)


def test_tries_of_a_password_are_counted_by_all_nodes_together(
    io_loop: IOLoop, pair: tuple[Services, Services]
) -> None:
    async def one_try(number: int) -> bool:
        try:
            address = f"203.0.113.{number}"
            await pair[number % 2].identities.login("nobody@example.com", "wrong", address=address)
        except HubError as error:
            return error.code is Code.BAD_CREDENTIALS
        raise AssertionError("nobody has that password")

    async def scenario() -> None:
        reached = await asyncio.gather(*(one_try(number) for number in range(30)))
        assert sum(reached) == limits.LOGIN_TRIES_PER_ACCOUNT

    io_loop.run_sync(scenario)


def test_requests_are_counted_by_all_nodes_together(
    io_loop: IOLoop, pair: tuple[Services, Services], serve_http: Callable[[Services], int]
) -> None:
    ports = [serve_http(services) for services in pair]

    async def remaining(port: int) -> int:
        answer = await ask(port, "GET", "/api/mcp/models")
        answer.writer.close()
        return int(answer.headers["x-ratelimit-remaining"])

    async def scenario() -> None:
        before = await remaining(ports[0])
        for _ in range(5):
            await remaining(ports[0])

        async def are_known_there() -> bool:
            return await remaining(ports[1]) < before - 5

        await until(are_known_there)
        await abort_all()

    io_loop.run_sync(scenario)
