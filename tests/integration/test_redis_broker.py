"""`hub/redis/broker.py` on a real Redis, which is killed, frozen and missing; then two whole hubs over it."""

import asyncio
import secrets
from collections.abc import Callable, Iterator

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from tornado.ioloop import IOLoop

from config import limits, settings
from hub.identity import Credential
from hub.realtime import close_codes
from hub.realtime.broker import RESYNC, REVOCATIONS, Publication, user_channel
from hub.redis.link import Owner, RedisLink
from hub.services import Services
from hub.tasks import Tasks
from tests.broker_nodes import heard_here_at_once, nodes
from tests.factories import grant, sign_up, tell
from tests.integration.realtime.site import until
from tests.redis_cluster import RedisCluster
from tests.redis_server import RedisServer
from tests.ws_client import Client

AnyServer = RedisServer | RedisCluster


@pytest.fixture(params=[RedisServer, RedisCluster])
def any_server(request: pytest.FixtureRequest) -> Iterator[AnyServer]:
    """One for one test to take down, or three that are one."""
    server: AnyServer = request.param()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["redis_url", "redis_cluster_url"])
def any_redis_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_two_nodes_hear_each_other_once_and_in_one_order(any_redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REDIS_ECHO_SECONDS", 5.0)  # a machine that is busy is no Redis that is slow

    async def scenario() -> None:
        async with nodes(any_redis_url) as (one, two):
            for offset in range(0, 400, 2):
                one.publish(offset)
                two.publish(offset + 1)
                await asyncio.sleep(0)
            await until(lambda: len(one.heard) >= 400 and len(two.heard) >= 400)
            assert one.heard == two.heard
            assert sorted(one.heard) == list(range(400))
            assert [offset for offset in one.heard if offset % 2 == 0] == list(range(0, 400, 2))

    asyncio.run(scenario())


def test_a_node_asks_redis_only_for_what_it_listens_to(redis_url: str) -> None:
    async def scenario() -> None:
        redis: Redis = Redis.from_url(redis_url)
        async with nodes(redis_url, 1) as (one,):
            await one.listen(user_channel("a"))
            assert len(await redis.pubsub_channels(f"*{user_channel('a')}")) == 1
            one.broker.unsubscribe(user_channel("a"), one.hear)
            while await redis.pubsub_channels(f"*{user_channel('a')}"):
                await asyncio.sleep(0.005)
            await redis.publish((await redis.pubsub_channels("*:c"))[0], b"no publication of ours")
            one.publish(1)
            await until(lambda: one.heard == [1])
        await redis.aclose()

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs] == ["what came from Redis is no publication"]


def test_hubs_of_other_databases_hear_nothing(any_redis_url: str) -> None:
    async def scenario() -> None:
        async with nodes(any_redis_url, 1) as (one,), nodes(any_redis_url, 1) as (other,):
            one.publish(1)
            other.publish(2)
            await until(lambda: one.heard == [1] and other.heard == [2])

    asyncio.run(scenario())


def test_redis_dies_and_comes_back_in_the_middle(any_server: AnyServer) -> None:
    async def scenario() -> None:
        async with nodes(any_server.url) as (one, two):
            for offset in range(1, 101):
                one.publish(offset)
                if offset == 50:
                    any_server.kill()
                await asyncio.sleep(0.002)
            await until(lambda: not one.broker.up and not two.broker.up)
            assert one.heard == list(range(1, 101))
            await heard_here_at_once(one, 101)
            any_server.start()
            await until(lambda: one.broker.up and two.broker.up, 10)
            await until(lambda: "c" in one.resyncs and "c" in two.resyncs)
            one.publish(102)
            await until(lambda: one.heard[-1] == two.heard[-1] == 102)
            assert one.heard == list(range(1, 103))
            assert two.heard == sorted(set(two.heard)), "once and in order, whatever is missing"

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert {entry["log_level"] for entry in logs} == {"warning", "info"}
    assert len([entry for entry in logs if entry["log_level"] == "warning"]) == 2, "one warning for each node"


def test_redis_that_does_not_answer_delays_nobody_here(any_server: AnyServer) -> None:
    async def scenario() -> None:
        async with nodes(any_server.url) as (one, two):
            any_server.freeze()
            for offset in range(1, 20):
                await heard_here_at_once(one, offset)
            assert not one.broker.up
            await asyncio.wait_for(one.listen("another"), 2 * limits.REDIS_SUBSCRIBE_SECONDS)
            any_server.thaw()
            await until(lambda: one.broker.up and "another" in one.resyncs)
            one.publish(20)
            await until(lambda: two.heard == one.heard == list(range(1, 21)))

    asyncio.run(scenario())


def test_a_silent_connection_is_given_up(any_server: AnyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(limits, "REDIS_SILENCE_SECONDS", 0.5)
        monkeypatch.setattr(limits, "REDIS_BEAT_SECONDS", 0.05)
        async with nodes(any_server.url, 1) as (one,):
            await asyncio.sleep(1.0)
            assert one.broker.up and not one.resyncs, "its own heartbeat keeps a quiet connection"
            any_server.freeze()
            await asyncio.sleep(1.0)
            any_server.thaw()
            await until(lambda: one.broker.up and one.resyncs == ["c"])

    asyncio.run(scenario())


def test_what_found_no_room_is_read_again_by_the_others(any_server: AnyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(limits, "BROKER_QUEUE_MAX", 5)
        async with nodes(any_server.url) as (one, two):
            any_server.freeze()
            for offset in range(1, 11):
                one.publish(offset)
            assert one.heard == list(range(1, 11))
            any_server.thaw()
            await until(lambda: two.resyncs == ["c"] and one.broker.up)
            assert two.heard == list(range(1, 1 + len(two.heard))) and not one.resyncs
            one.publish(11)
            await until(lambda: two.heard[-1:] == [11])

    asyncio.run(scenario())


def test_what_is_too_long_is_read_by_the_others(any_redis_url: str) -> None:
    async def scenario() -> None:
        async with nodes(any_redis_url) as (one, two):
            one.publish(1, text="x" * limits.PUBLICATION_BYTES_MAX)
            await until(lambda: one.heard == [1] and two.resyncs == ["c"])
            assert not one.resyncs and not two.heard

    asyncio.run(scenario())


def test_a_hub_starts_without_redis_and_finds_it_later(any_server: AnyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(limits, "REDIS_CONNECT_SECONDS", 0.2)
        any_server.kill()
        async with nodes(any_server.url) as (one, two):
            assert not one.broker.up
            await heard_here_at_once(one, 1)
            any_server.start()
            await until(lambda: one.broker.up and two.broker.up, 10)
            one.publish(2)
            await until(lambda: two.heard[-1:] == [2] and one.heard == [1, 2])

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == [
        "Redis cannot be reached; other nodes hear of this one later"
    ] * 2


def test_a_revocation_ends_things_once_on_every_node(any_redis_url: str) -> None:
    """Each node hands on what it reads in the database as well, however late: who has come back since stays."""

    async def scenario() -> None:
        async with nodes(any_redis_url) as (one, two):
            for node in (one, two):
                await node.listen(REVOCATIONS)
            revocation = Publication("signal", "revoked", {"id": "r1", "user": "u"}, "", 7)
            one.broker.publish(REVOCATIONS, revocation)
            assert one.heard == [7]
            await until(lambda: two.heard == [7])
            two.broker.publish(REVOCATIONS, revocation)
            one.publish(8)
            two.publish(8)
            await until(lambda: one.heard == two.heard == [7, 8, 8])

    asyncio.run(scenario())


def test_a_message_that_nobody_foresaw_breaks_nothing(redis_url: str) -> None:
    async def scenario() -> None:
        redis: Redis = Redis.from_url(redis_url)
        async with nodes(redis_url) as (one, two):
            await one.listen(REVOCATIONS)
            (channel,) = await redis.pubsub_channels(f"*:{REVOCATIONS}")
            await redis.publish(channel, b'stranger 1 ["signal","revoked",null,"",1]')
            two.broker.publish(REVOCATIONS, Publication("signal", "revoked", {"id": "r1"}, "", 7))
            await until(lambda: one.heard == [7])
            assert one.broker.up and not one.resyncs
        await redis.aclose()

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs] == ["what came from Redis is no publication"]


def test_whatever_breaks_a_link_it_is_made_again(redis_url: str) -> None:
    """Its owner raises, which none should."""
    beats: list[bool] = []
    breaks: list[bool] = []

    def beat() -> None:
        beats.append(True)
        if len(beats) == 1:
            raise KeyError("nobody foresaw it")

    async def scenario() -> None:
        tasks = Tasks()
        owner = Owner(lambda *_: None, lambda _: None, beat, lambda: breaks.append(True), lambda: None)
        link = RedisLink(redis_url, f"test_{secrets.token_hex(4)}", "node", tasks, owner)
        await link.open()
        await until(lambda: breaks and len(beats) > 1 and link.linked.is_set())
        await link.close()
        assert len(breaks) == 1 and not tasks.failures

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["the link to Redis failed"]


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis//x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(settings.SettingsError, match="HUB_REDIS_URL"):
        settings.load({"HUB_REDIS_URL": url})


# --- two hubs ---

OpenHub = Callable[..., Services]
Serve = Callable[[Services], int]


@pytest.fixture
def pair(open_hub: OpenHub, redis_url: str) -> tuple[Services, Services]:
    secret = secrets.token_urlsafe(48)
    one, two = (open_hub(HUB_REDIS_URL=redis_url, HUB_JWT_SECRET=secret) for _ in range(2))
    return one, two


def test_a_socket_hears_what_another_hub_did(
    io_loop: IOLoop, pair: tuple[Services, Services], serve_http: Serve
) -> None:
    one, two = pair
    port = serve_http(two)

    async def scenario() -> None:
        login = await sign_up(one)
        user = login.user["_id"]
        client = await Client.open(port)
        reply = await client.request("connect", token=login.access_token)
        await grant(one.ledger, user, 2_500_000)
        pushed = await asyncio.wait_for(client.push("balance"), 1)
        assert pushed["credits"] == reply["balance"]["credits"] + 2.5
        await tell(one, user, "hello", "text")
        event = await asyncio.wait_for(client.event("notification.created"), 1)
        assert event["event"]["data"]["title"] == "hello"
        identity = await one.identities.resolve(Credential("bearer", login.access_token))
        await one.identities.logout(identity)
        assert await asyncio.wait_for(client.close_code(), 1) == close_codes.CREDENTIAL_REVOKED

    io_loop.run_sync(scenario)


def test_a_socket_reads_what_the_broker_lost(
    io_loop: IOLoop, open_hub: OpenHub, redis_url: str, serve_http: Serve
) -> None:
    """The first hub knows no Redis, so all that it does is lost to the other until that is told to read again."""
    secret = secrets.token_urlsafe(48)
    deaf, hub = open_hub(HUB_JWT_SECRET=secret), open_hub(HUB_REDIS_URL=redis_url, HUB_JWT_SECRET=secret)
    port = serve_http(hub)

    async def scenario() -> None:
        login = await sign_up(deaf)
        user = login.user["_id"]
        client = await Client.open(port)
        reply = await client.request("connect", token=login.access_token)
        for title in ("first", "second"):
            await tell(deaf, user, title, "text")
        await grant(deaf.ledger, user, 1_000_000)
        hub.broker.publish(user_channel(user), Publication("signal", RESYNC, {}))
        titles = [(await client.event("notification.created"))["event"]["data"]["title"] for _ in range(2)]
        assert titles == ["first", "second"]
        assert (await client.push("balance"))["credits"] == reply["balance"]["credits"] + 1
        await tell(hub, user, "third", "text")
        assert (await client.event("notification.created"))["event"]["data"]["title"] == "third"
        await client.close()

    io_loop.run_sync(scenario)


def test_a_lost_redis_has_announcements_read_anew_and_breaks_nothing(
    io_loop: IOLoop, open_hub: OpenHub, server: RedisServer, serve_http: Serve
) -> None:
    hub = open_hub(HUB_REDIS_URL=server.url)
    port = serve_http(hub)

    async def scenario() -> None:
        clients = [await _administrator(hub, port, path) for path in ("/ws", "/ws/admin")]
        await until(lambda: hub.broker.up)
        server.kill()
        await until(lambda: not hub.broker.up)
        server.start()
        for client in clients:
            await client.push("announcements.changed")
            await client.request("ping")
            assert not [frame for frame in client.frames if frame["type"] == RESYNC]
            await client.close()

    with capture_logs() as logs:
        io_loop.run_sync(scenario, 20)
    assert "subscriber failed" not in {entry["event"] for entry in logs}


async def _administrator(hub: Services, port: int, path: str) -> Client:
    login = await sign_up(hub)
    await hub.identities.change_user(login.user["_id"], {"role": "admin"})
    client = await Client.open(port, path)
    assert (await client.request("connect", token=login.access_token))["type"] == "connected"
    return client
