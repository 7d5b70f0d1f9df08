"""What follows the database while Redis is away: begun when it is silent, opened again when it breaks, ended afterwards."""

import pytest
from structlog.testing import capture_logs
from tornado.ioloop import IOLoop

from config import limits
from hub.audit_trail import Actor
from hub.redis.wallet_follower import WalletFollower
from models.database import Document
from tests.factories import grant
from tests.integration.cluster.parts import Cluster
from tests.ledger_parts import fail_point
from tests.patience import until, within
from tests.redis_server import RedisServer

ELSEWHERE_SECONDS = 2.0
FATAL = 280  # what a change stream says that cannot go on


def _events(logs: list[Document]) -> list[str]:
    return [str(entry["event"]) for entry in logs]


def test_it_follows_only_while_redis_is_silent(
    io_loop: IOLoop, cluster: Cluster, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FOLLOW_LINGER_SECONDS", 0.5)
    services = cluster.two.services

    async def scenario() -> None:
        await cluster.linked()
        follower = WalletFollower(services.database, cluster.two.broker)
        services.tasks.start(follower.run(), "another follower")
        server.kill()
        async with within(ELSEWHERE_SECONDS):
            await follower.following.wait()
        server.start()
        await until(lambda: not follower.following.is_set())
        assert cluster.two.broker.up

    with capture_logs() as logs:
        io_loop.run_sync(scenario, 30)
    assert _events(logs).count("Redis is away; what others do is followed in the database") >= 2, "and the hub's own"


def test_a_broken_change_stream_is_opened_again(
    io_loop: IOLoop, cluster: Cluster, server: RedisServer, mongod_uri: str
) -> None:
    """Nothing is missed by that: whoever listens reads again once it is open."""

    async def scenario() -> None:
        login = await cluster.user()
        user = login.user["_id"]
        async with cluster.listeners(login) as (_, elsewhere):
            server.kill()
            await grant(cluster.one.services.ledger, user, 1_000_000)
            await until(lambda: elsewhere.balance["credits"] == 11)
            async with fail_point(mongod_uri, {"times": 3}, ["getMore", "aggregate"], errorCode=FATAL):
                await grant(cluster.one.services.ledger, user, 1_000_000)
                async with within(ELSEWHERE_SECONDS):
                    await until(lambda: elsewhere.balance["credits"] == 12)
            await grant(cluster.one.services.ledger, user, 1_000_000)
            async with within(ELSEWHERE_SECONDS):
                await until(lambda: elsewhere.balance["credits"] == 13)

    io_loop.run_sync(scenario, 30)


def test_announcements_reach_the_other_node_too(io_loop: IOLoop, cluster: Cluster, server: RedisServer) -> None:
    async def scenario() -> None:
        await cluster.linked()
        login, services = await cluster.user(), cluster.one.services
        client, _ = await cluster.two.connect(login)
        server.kill()
        await client.push("announcements.changed")  # as soon as it is followed, whatever there was before
        actor = Actor(login.user["_id"], "127.0.0.1", "req_1")
        async with within(ELSEWHERE_SECONDS):
            made = await services.announcements.announce(actor, "Soon", "Down for a minute", "info", None)
            await client.push("announcements.changed")
        async with within(ELSEWHERE_SECONDS):
            await services.announcements.end(actor, made["_id"])
            await client.push("announcements.changed")

    io_loop.run_sync(scenario, 30)
