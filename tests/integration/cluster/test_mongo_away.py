"""MongoDB is cut off or silent under two nodes: sockets stay, writes are refused soon, and all is well once it is back."""

import asyncio
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from config import settings
from hub.services import open_services
from models import shapes
from tests.api_client import ApiClient
from tests.conftest import Databases, Serve
from tests.integration.cluster.parts import Cluster, Listener, Node, event
from tests.ledger_parts import Proxy
from tests.length import length
from tests.patience import until, within
from tests.redis_server import RedisServer
from tests.ws_client import Client

OUTAGE_SECONDS = length(0, 20)  # beside the time that it takes to see what is promised
REFUSED_SECONDS = 3.0
BACK_SECONDS = 5.0
CLAIM = "/api/v1/points/claim-daily-reward"
QUESTION = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}]}


@dataclass(frozen=True)
class Far:
    """Two nodes whose database is behind a proxy."""

    cluster: Cluster
    proxy: Proxy

    async def lose(self, how: str) -> None:
        if how == "cut":
            await self.proxy.cut()
        else:
            self.proxy.freeze()
        await until(lambda: not any(node.services.database.up for node in self.cluster.nodes))

    async def find(self) -> None:
        await self.proxy.cut()  # what waits in it would else come back to life
        await self.proxy.open()
        self.proxy.thaw()

    async def ready(self) -> list[int]:
        answers = [await ApiClient(node.port).raw("GET", "/readyz") for node in self.cluster.nodes]
        return [answer.code for answer in answers]


@pytest.fixture
def far(
    io_loop: IOLoop, mongod_uri: str, databases: Databases, server: RedisServer, serve_http: Serve, tmp_path: Path
) -> Iterator[Far]:
    name, proxy = databases.take(), Proxy(mongod_uri)
    environ = {
        "HUB_DATA_DIR": str(tmp_path),
        "HUB_MONGODB_DATABASE": name,
        "HUB_REDIS_URL": server.url,
        "HUB_JWT_SECRET": secrets.token_urlsafe(48),
        "HUB_RATE_LIMITS": "off",
    }
    uri = io_loop.run_sync(proxy.open)
    loaded = settings.load(environ)
    with pytest.MonkeyPatch.context() as once:
        once.setattr(shapes, "ALL", databases.lacks(name))
        opened = [io_loop.run_sync(lambda: open_services(loaded, uri, bcrypt_cost=4)) for _ in range(2)]
    databases.has_all(name)
    one, two = (Node(each.services, serve_http(each.services)) for each in opened)
    yield Far(Cluster(one, two), proxy)
    Client.abort_all()
    for each in opened:
        io_loop.run_sync(each.close)
    io_loop.run_sync(proxy.cut)
    databases.give_back(name)


@pytest.mark.faults
@pytest.mark.parametrize("redis_too", [False, True], ids=["alone", "with Redis"])
@pytest.mark.parametrize("how", ["cut", "silent"])
def test_sockets_stay_and_writes_fail_fast(
    io_loop: IOLoop, far: Far, server: RedisServer, how: str, redis_too: bool
) -> None:
    """Where Redis goes as well nobody can be told anything: then each socket waits until its channel can be read again."""
    cluster = far.cluster

    async def scenario() -> None:
        await cluster.linked()
        login = await cluster.user()
        user = login.user["_id"]
        apis = [ApiClient(node.port, token=login.access_token) for node in cluster.nodes]
        async with cluster.listeners(login) as listeners:
            await event(cluster.one, user)
            assert await far.ready() == [200, 200]
            await far.lose(how)
            if redis_too:
                server.kill()
                await until(lambda: not cluster.one.broker.up and not cluster.two.broker.up)
                server.start()
                await cluster.linked()
            assert await far.ready() == [503, 503]
            await _all_answer_pings(listeners)
            for api, listener in zip(apis, listeners, strict=True):
                async with within(REFUSED_SECONDS):
                    await api.post(CLAIM, status=503)
                async with within(REFUSED_SECONDS):
                    answer = await api.post("/v1/chat/completions", QUESTION, status=503, dialect="ai_aggregator")
                assert int(answer.headers["Retry-After"]) >= 1
                async with within(REFUSED_SECONDS):
                    await _is_refused_an_answer(listener)
            await asyncio.sleep(OUTAGE_SECONDS)
            await _all_answer_pings(listeners)
            await far.find()
            async with within(BACK_SECONDS):
                await until(lambda: _is_ready(far))
            await apis[1].post(CLAIM)
            offset, _ = await event(cluster.one, user)
            await until(lambda: all(listener.offsets[-1:] == [offset] for listener in listeners))
            for listener in listeners:
                listener.assert_whole(offset)

    io_loop.run_sync(scenario, 100)


async def _all_answer_pings(listeners: list[Listener]) -> None:
    await asyncio.gather(*map(_answers_a_ping, listeners))


async def _answers_a_ping(listener: Listener) -> None:
    ping = listener.client.send("ping")
    await until(lambda: any(frame.get("id") == ping for frame in listener.others))
    (reply,) = [frame for frame in listener.others if frame.get("id") == ping]
    assert reply["type"] == "ok"


async def _is_refused_an_answer(listener: Listener) -> None:
    start = listener.client.send("chat.start", **QUESTION)
    await until(lambda: listener.errors)
    (reply,) = listener.errors
    assert (reply["id"], reply["error"]["code"], reply["error"]["temporary"]) == (start, "SERVICE_UNAVAILABLE", True)
    listener.errors.clear()


async def _is_ready(far: Far) -> bool:
    return await far.ready() == [200, 200]
