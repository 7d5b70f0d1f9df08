"""Who loses a credential loses it on both nodes within a second: sockets close or know it, answers stop and are settled."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest
from redis import Redis
from tornado.ioloop import IOLoop

from config import limits
from hub.api_keys import NewKey
from hub.audit_trail import Actor
from hub.errors import Code
from hub.identity import Credential, LoginResult
from hub.letters import SUBJECTS
from hub.realtime import close_codes
from hub.realtime.broker import user_channel
from models import revocations, wallets
from models.clock import now
from tests.factories import ask, sign_up
from tests.integration.cluster.parts import Cluster, Listener, Node
from tests.ledger_parts import Proxy, differences
from tests.outbox import letter_to, token_in
from tests.patience import until, within
from tests.redis_server import RedisServer

ENDED_SECONDS = 1.0
PASSWORD = "correct horse battery"  # of `sign_up`
ASK = {"model": "gpt-4", "message": "Tell me a long story", "max_tokens": 400}

Come = Callable[[Cluster], Awaitable[LoginResult]]
End = Callable[[Cluster, LoginResult], Awaitable[object]]


async def _by_key(cluster: Cluster) -> LoginResult:
    """A user who comes by an API key."""
    login = await cluster.user()
    _, secret = await cluster.one.services.api_keys.create(login.user["_id"], NewKey("ak_live_", "A key"))
    return dataclasses.replace(login, access_token=secret)


async def _forgetful(cluster: Cluster) -> LoginResult:
    """A user who was mailed a link to set the password anew."""
    login = await cluster.user()
    await cluster.one.services.accounts.forgot_password(login.user["email"], "127.0.0.1")
    await _reset_token(cluster, login)
    return login


async def _reset_token(cluster: Cluster, login: LoginResult) -> str:
    data_dir = cluster.one.services.settings.data_dir
    return token_in(await letter_to(data_dir, login.user["email"], SUBJECTS["reset"]))


async def _log_out(cluster: Cluster, login: LoginResult) -> None:
    identities = cluster.one.services.identities
    await identities.logout(await identities.resolve(Credential("bearer", login.access_token)))


async def _suspend(cluster: Cluster, login: LoginResult) -> None:
    administrator = await sign_up(cluster.one.services)
    await cluster.one.services.identities.change_user(administrator.user["_id"], {"role": "admin"})
    actor = Actor(administrator.user["_id"], "127.0.0.1", "req_1")
    await cluster.one.services.administration.change_user(actor, login.user["_id"], {"status": "suspended"}, None)


async def _change_password(cluster: Cluster, login: LoginResult) -> None:
    """By another login, which keeps itself."""
    services = cluster.one.services
    other = await services.identities.login(login.user["email"], PASSWORD, "127.0.0.1")
    identity = await services.identities.resolve(Credential("bearer", other.access_token))
    await services.accounts.change_password(identity, PASSWORD, "Another-Horse-9")


async def _reset_password(cluster: Cluster, login: LoginResult) -> None:
    token = await _reset_token(cluster, login)
    await cluster.one.services.accounts.reset_password(token, "Another-Horse-9", "127.0.0.1")


async def _revoke_key(cluster: Cluster, login: LoginResult) -> None:
    keys = cluster.one.services.api_keys
    (key,), _ = await keys.page(login.user["_id"], skip=0, limit=2)
    await keys.revoke(login.user["_id"], key.document["_id"])


async def _answering(listener: Listener) -> str:
    """The id of an answer that runs on the listener's node, once it has begun to come."""
    listener.client.send("chat.start", **ASK)
    await until(lambda: "chat.delta" in {frame["type"] for frame in listener.others})
    return next(str(frame["stream_id"]) for frame in listener.others if frame["type"] == "chat.started")


@pytest.mark.parametrize("redis", ["up", "away"])
@pytest.mark.parametrize(
    ("come", "end"),
    [
        (Cluster.user, _log_out),
        (Cluster.user, _suspend),
        (Cluster.user, _change_password),
        (_forgetful, _reset_password),
        (_by_key, _revoke_key),
    ],
)
def test_a_credential_that_ends_on_one_node_ends_on_both(
    io_loop: IOLoop, cluster: Cluster, server: RedisServer, come: Come, end: End, redis: str
) -> None:
    async def scenario() -> None:
        await cluster.linked()
        login = await come(cluster)
        async with cluster.listeners(login) as listeners:
            streams = [await _answering(listener) for listener in listeners]
            assert await wallets.holds_open(cluster.one.services.database) == 2
            if redis == "away":
                server.kill()
                await until(lambda: not cluster.two.broker.up)
            await end(cluster, login)
            async with within(ENDED_SECONDS):
                await until(lambda: all(listener.closed is not None for listener in listeners))
                await until(lambda: not any(len(node.services.streams) for node in cluster.nodes))
            assert {listener.closed for listener in listeners} == {close_codes.CREDENTIAL_REVOKED}
            assert len(set(streams)) == 2
        database = cluster.one.services.database
        assert await wallets.holds_open(database) == 0
        assert await differences(database) == []
        stopped = [await database["messages"].find_one({"stream": stream}) for stream in streams]
        assert all(message is not None and message["status"] != "streaming" for message in stopped)

    io_loop.run_sync(scenario, 40)


def test_a_key_that_is_withdrawn_ends_what_it_asked_for_on_the_other_node(io_loop: IOLoop, cluster: Cluster) -> None:
    """And nothing else of its user's."""

    async def scenario() -> None:
        await cluster.linked()
        login = await cluster.user()
        one, two = (node.services for node in cluster.nodes)
        by_login = await one.identities.resolve(Credential("bearer", login.access_token))
        by_key = dataclasses.replace(by_login, kind="key", login_id=None, key_id="key_1")
        kept, ended = [(await one.chat.start(identity, ask())).stream for identity in (by_login, by_key)]
        revocation = revocations.new_revocation(by_login.user_id, "withdrawn", now(), None, "key_1")
        await revocations.add(two.database, revocation)
        two.identities.revocations.announce(revocation)
        async with within(ENDED_SECONDS):
            await until(lambda: ended.outcome)
        assert ended.outcome is not None and ended.outcome.receipt is not None
        assert ended.outcome.error is not None and ended.outcome.error.code is Code.UNAUTHENTICATED
        assert kept.outcome is None
        await one.chat.stop(by_login, kept.id)
        await until(lambda: kept.outcome)

    io_loop.run_sync(scenario, 30)


@pytest.mark.parametrize("redis", ["up", "away"])
def test_a_demoted_administrator_loses_both_feeds(
    io_loop: IOLoop, cluster: Cluster, server: RedisServer, redis: str
) -> None:
    async def scenario() -> None:
        await cluster.linked()
        login = await cluster.user()
        change = cluster.one.services.identities.change_user
        await change(login.user["_id"], {"role": "admin"})
        clients = [(await node.connect(login, "/ws/admin"))[0] for node in cluster.nodes]
        plain = [(await node.connect(login))[0] for node in cluster.nodes]
        if redis == "away":
            server.kill()
            await until(lambda: not cluster.two.broker.up)
        await change(login.user["_id"], {"role": "user"})
        async with within(ENDED_SECONDS):
            for client in clients:
                assert await client.close_code() == close_codes.NOT_ADMINISTRATOR
        for node, client in zip(cluster.nodes, plain, strict=True):
            refused = await client.request("subscribe", channel="admin:events")
            assert refused["error"]["code"] == "AUTHORIZATION_FAILED"
            (connection,) = node.services.connections.of_user(login.user["_id"])
            assert connection.identity is not None and connection.identity.role == "user"

    io_loop.run_sync(scenario, 30)


def test_an_expired_token_ends_its_sockets_on_both(
    io_loop: IOLoop, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        with monkeypatch.context() as short:
            short.setattr(limits, "ACCESS_TOKEN_SECONDS", 2)
            login = await cluster.user()
        async with cluster.listeners(login) as listeners:
            fresh = await cluster.one.services.identities.refresh(login.refresh_token)
            kept, _ = await cluster.two.connect(fresh)
            await until(lambda: all(listener.closed is not None for listener in listeners), 2 + 3 * ENDED_SECONDS)
            assert {listener.closed for listener in listeners} == {close_codes.TOKEN_EXPIRED}
            await kept.request("ping")

    io_loop.run_sync(scenario, 30)


def test_a_line_that_carries_nothing_any_more_is_noticed(
    io_loop: IOLoop, cluster: Cluster, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No end is told, in either direction: only the pong that does not come tells, and nothing stays registered."""
    monkeypatch.setattr(limits, "PING_INTERVAL_SECONDS", 1)
    monkeypatch.setattr(limits, "PING_TIMEOUT_SECONDS", 0.5)

    async def scenario() -> None:
        await cluster.linked()
        login = await cluster.user()
        redis, node = Redis.from_url(server.url), cluster.two
        line = Proxy(f"tcp://127.0.0.1:{node.port}")
        port = urlsplit(await line.open()).port
        assert port is not None
        listener = Listener(*await Node(node.services, port).connect(login))
        await until(lambda: listener.client.pings)
        line.freeze()
        async with asyncio.timeout(1 + 0.5 + 1 + 2):  # Tornado's own patience with a close would be five seconds
            await until(lambda: len(node.services.connections) == 0)
        assert node.services.connections.users == node.services.connections.pending == 0
        await until(lambda: not redis.pubsub_channels(f"*:{user_channel(login.user['_id'])}"))
        await listener.end()
        await line.cut()
        redis.close()

    io_loop.run_sync(scenario, 40)
