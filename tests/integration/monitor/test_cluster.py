"""The live monitoring of two nodes over a real Redis: one cluster on either, and what becomes of it when one goes."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs
from tornado.ioloop import IOLoop

from config import limits
from hub.committer import Committed
from hub.node_figures import FIGURES
from hub.realtime import close_codes
from hub.realtime.broker import RESYNC, Publication
from hub.realtime.channels import ADMIN_EVENTS
from models.clock import now
from tests.factories import tell
from tests.integration.monitor.watching import (
    EVENTS,
    METRICS,
    Sample,
    administrator,
    charged_for_answer,
    events,
    history,
    live,
    sample_with,
    samples,
    spent,
)
from tests.patience import PATIENCE_SECONDS, until, within
from tests.redis_server import RedisServer
from tests.running_hub import RunningHub
from tests.site import Site
from tests.ws_client import Client

# From a node's last word to the sample that first lacks it; samples are taken half a second after the words.
GONE_SECONDS = 1.5 * limits.METRIC_SAMPLE_SECONDS + limits.NODE_SILENT_SECONDS
NEAR = 0.03

Pair = tuple[Site, Site]
Serve = Callable[..., Site]


def _serve_two(serve: Serve, redis_url: str, **settings: str) -> Pair:
    environ = {"HUB_REDIS_URL": redis_url, "HUB_JWT_SECRET": secrets.token_urlsafe(48), "HUB_RATE_LIMITS": "off"}
    return serve(**environ, **settings), serve(**environ, **settings)


@pytest.fixture(autouse=True)
def _sockets_end(io_loop: IOLoop) -> Iterator[None]:
    async def end() -> None:
        Client.abort_all()

    yield
    io_loop.run_sync(end)


@pytest.fixture
def pair(serve: Serve, redis_url: str) -> Pair:
    return _serve_two(serve, redis_url)


@pytest.fixture
def slow_pair(serve: Serve, redis_url: str) -> Pair:
    """Two nodes whose answers take long enough to be seen while they run."""
    return _serve_two(serve, redis_url, HUB_SANDBOX_TOKENS_PER_SECOND="50")


@pytest.fixture
def pair_alone(serve: Serve, server: RedisServer) -> Pair:
    """Two nodes over that one."""
    return _serve_two(serve, server.url)


async def _watching(pair: Pair) -> tuple[Client, Client]:
    """An administrator on each node, who hears both."""
    one, two = pair
    clients = (await administrator(one))[0], (await administrator(one, at=two))[0]
    for client in clients:
        await client.request("subscribe", channel=METRICS)
        await sample_with(client, lambda sample: sample["nodes"] == 2)
    return clients


def _answered(site: Site, number: int, status: int = 200, seconds: float = 0.01) -> None:
    for _ in range(number):
        site.services.metrics.request("smart_ai_hub", status, seconds)


async def _sample_after(act: Callable[[], None], client: Client, condition: Callable[[Sample], object]) -> Sample:
    """The first sample that fits, with `act` done once before each."""
    while True:
        act()
        sample: Sample = (await client.push("admin.metrics"))["sample"]
        if condition(sample):
            return sample


@pytest.mark.gen_test
async def test_either_node_has_the_figures_of_both(pair: Pair) -> None:
    one, two = pair
    clients = await _watching(pair)
    third, _ = await administrator(one, at=two)
    for client in clients:
        full = await sample_with(client, lambda sample: sample["sockets"] == sample["users"] == 3)
        assert full["nodes"] == 2
        assert full["memory_bytes"] > 2 * 20 << 20, "the same process twice, as two would be"
    third.abort()
    for client in clients:
        await sample_with(client, lambda sample: sample["sockets"] == 2)


@pytest.mark.gen_test
async def test_shares_and_percentiles_are_of_both(pair: Pair) -> None:
    """Sixty fast answers on one and forty slow ones, half of them failures, on the other."""
    one, two = pair

    def act() -> None:
        _answered(one, 60, seconds=0.01)
        _answered(two, 20, seconds=1.0)
        _answered(two, 20, status=503, seconds=1.0)

    for client in await _watching(pair):
        sample = await _sample_after(act, client, lambda one: one["error_rate"] == 0.2)
        assert sample["latency_p50_ms"] == pytest.approx(10, rel=NEAR)
        assert sample["latency_p95_ms"] == sample["latency_p99_ms"] == pytest.approx(1_000, rel=NEAR)


@pytest.mark.gen_test
async def test_nothing_is_lost_or_counted_twice(pair: Pair) -> None:
    """However the seconds fall: the rates of a few, each times how long its sample took, are what there was."""
    one, two = pair
    clients = await _watching(pair)
    await asyncio.gather(*(sample_with(client, lambda sample: not sample["requests_per_second"]) for client in clients))
    for number in range(300):
        _answered((one, two)[number % 2], 10)
        await asyncio.sleep(0.01)
    settled = time.time() + 2 * limits.METRIC_SAMPLE_SECONDS
    for client in clients:
        await sample_with(client, lambda sample: sample["time"] > settled)
        counted = sum(
            sample["requests_per_second"] * (sample["time"] - before["time"])
            for before, sample in pairwise(samples(client))
            if before["nodes"] == 2
        )
        assert counted == pytest.approx(3_000, rel=NEAR)


@pytest.mark.gen_test
async def test_answers_of_both_are_in_the_figures_of_either(slow_pair: Pair) -> None:
    clients = await _watching(slow_pair)
    tokens = [await slow_pair[0].token() for _ in slow_pair]
    asking = [
        asyncio.create_task(charged_for_answer(site, token, max_tokens=200))
        for site, token in zip(slow_pair, tokens, strict=True)
    ]
    for client in clients:
        await sample_with(client, lambda sample: sample["streams"] == sample["holds"] == 2)
    charged = sum(await asyncio.gather(*asking))
    ended = time.time()
    for client in clients:
        await sample_with(
            client,
            lambda sample: (
                sample["streams"] == sample["holds"] == 0 and sample["time"] > ended + 2 * limits.METRIC_SAMPLE_SECONDS
            ),
        )
        assert spent(client) == pytest.approx(charged, rel=NEAR)
        counted = [sample for sample in samples(client) if sample["first_token_p50_ms"] is not None]
        assert counted and all(0 < one["first_token_p50_ms"] <= one["first_token_p95_ms"] for one in counted)


@pytest.mark.gen_test
async def test_a_node_has_the_hour_of_both(pair: Pair) -> None:
    await _watching(pair)
    for site in pair:
        late, _ = await administrator(pair[0], at=site)
        await late.request("subscribe", channel=METRICS)
        rows, _ = await history(late)
        assert rows[-1][1] == 2, "the second column is how many nodes there were"


@pytest.mark.gen_test
async def test_events_of_another_nodes_users_are_chosen(pair: Pair) -> None:
    one, two = pair
    client, _ = await administrator(one)
    mine, other = [
        (await two.register(email=f"{name}@example.com"))["data"]["user"]["id"] for name in ("mine", "other")
    ]
    await client.request("subscribe", channel=EVENTS, filters={"types": ["notification.*"], "users": [mine]})
    note = await tell(two.services, mine, "T", "M")
    await tell(two.services, other, "T", "M")
    await tell(one.services, other, "T", "M")
    await two.services.notifications.mark_read(mine, [note])
    came, dropped = await events(client, lambda came, _: came and came[-1]["type"] == "notification.read")
    assert {event["type"] for event in came} == {"notification.created", "notification.read"}
    assert {event["user"] for event in came} == {mine} and dropped == 0


@pytest.mark.gen_test
async def test_a_flood_elsewhere_is_cut_there_and_counted_here(pair: Pair) -> None:
    one, two = pair
    client, user = await administrator(one)
    await client.request("subscribe", channel=EVENTS, filters={"types": ["test.made"]})
    event = {"channel": f"user:{user}", "epoch": "e", "type": "test.made", "data": {}, "created_at": now()}
    two.services.monitor.committed(Committed([], [{**event, "offset": number} for number in range(1_000)], 1, 0))
    came, dropped = await events(client, lambda came, dropped: len(came) + dropped >= 1_000)
    assert len(came) == limits.ADMIN_EVENTS_AT_ONCE and dropped == 1_000 - len(came)


@pytest.mark.gen_test
async def test_a_node_without_listeners_is_sent_no_events(pair: Pair, redis_url: str) -> None:
    one, _ = pair
    redis: Redis = Redis.from_url(redis_url)

    async def listeners() -> int:
        return len(await redis.pubsub_channels(f"*{one.services.settings.mongodb_database}*{ADMIN_EVENTS}"))

    assert await listeners() == 0
    client, _ = await administrator(one)
    await client.request("subscribe", channel=EVENTS)
    assert await listeners() == 1
    await client.request("subscribe", channel=EVENTS, filters={"types": ["user.created"]})
    assert await listeners() == 1
    await client.request("unsubscribe", channel=EVENTS)
    await until(lambda: _is(listeners(), 0))
    await redis.aclose()


async def _is(number: Awaitable[int], wanted: int) -> bool:
    return await number == wanted


@pytest.mark.gen_test
async def test_who_listens_is_answered_once_the_other_nodes_are_heard(
    pair_alone: Pair, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REDIS_SUBSCRIBE_SECONDS", PATIENCE_SECONDS)
    one, two = pair_alone
    client, _ = await administrator(one)
    user = (await two.register(email="two@example.com"))["data"]["user"]["id"]
    server.freeze()
    asked = client.send("subscribe", channel=EVENTS, filters={"users": [user]})
    await client.request("ping")
    assert not [frame for frame in client.frames if frame.get("id") == asked]
    server.thaw()
    assert (await client.reply(asked))["type"] == "ok"
    await tell(two.services, user, "T", "M")
    await events(client, lambda came, _: came)


@pytest.mark.gen_test
async def test_that_publications_may_be_lost_breaks_no_listener(pair: Pair) -> None:
    one, two = pair
    with capture_logs() as logs:
        (client, _) = await _watching(pair)
        await client.request("subscribe", channel=EVENTS)
        for channel in (EVENTS, FIGURES):
            one.services.broker.publish(channel, Publication("signal", RESYNC, {}))
        user = (await two.register(email="two@example.com"))["data"]["user"]["id"]
        await events(client, lambda came, _: user in {event["user"] for event in came})
        await client.push("admin.metrics")
        assert not [frame for frame in client.frames if frame["type"] == RESYNC]
    assert "subscriber failed" not in {entry["event"] for entry in logs}


@pytest.mark.gen_test
async def test_who_is_demoted_on_one_node_is_cut_on_the_other(pair: Pair) -> None:
    one, two = pair
    cut, user = await administrator(one, "/ws/admin", at=two)
    plain = await Client.open(two.port)
    token = await one.admin_token()
    reply = await plain.request("connect", token=token)
    for channel in (METRICS, EVENTS):
        await plain.request("subscribe", channel=channel)
    await history(cut)
    async with within(1):
        await one.services.identities.change_user(user, {"role": "user"})
        assert await cut.close_code() == close_codes.NOT_ADMINISTRATOR
    async with within(1):
        await one.services.identities.change_user(reply["user"]["id"], {"role": "user"})
        lost = {(await plain.push("subscription.lost"))["channel"] for _ in range(2)}
    assert lost == {METRICS, EVENTS}


class _Ear:
    """Everything that a node is told on the monitor's channels, as it came."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.heard: list[dict[str, Any]] = []

    async def listen(self) -> None:
        for channel in (FIGURES, ADMIN_EVENTS):
            self._site.services.broker.subscribe(channel, self._hear)
            await self._site.services.broker.subscribed(channel)

    def _hear(self, channel: str, publication: Publication) -> None:
        self.heard.append({"channel": channel, "type": publication.type, **publication.data})

    def figures_of(self, node: str) -> list[dict[str, Any]]:
        return [heard for heard in self.heard if heard.get("node") == node]


@pytest.mark.gen_test
async def test_no_word_address_or_credential_crosses_to_another_node(pair: Pair) -> None:
    one, two = pair
    ear = _Ear(one)
    await ear.listen()
    client, _ = await administrator(one, "/ws/admin")
    life = await live(two)
    came, _ = await events(client, life.is_told)
    before = len(ear.figures_of(two.services.node.id))
    await until(lambda: len(ear.figures_of(two.services.node.id)) > before)
    frames = [frame for frame in client.frames if frame["type"].startswith("admin.")]
    for told in (orjson.dumps(ear.heard).decode(), orjson.dumps(frames).decode()):
        assert life.user in told and not [secret for secret in life.secrets if secret in told]
    assert life.user not in orjson.dumps(ear.figures_of(two.services.node.id)).decode()
    completed = next(event for event in came if event["type"] == "chat.completed")
    assert completed["data"]["model"] == "gpt-4" and completed["data"]["stream_id"] == life.stream


@pytest.mark.gen_test
async def test_without_redis_a_node_counts_itself_until_it_is_back(pair_alone: Pair, server: RedisServer) -> None:
    _, two = pair_alone
    clients = await _watching(pair_alone)
    for client in clients:
        await client.request("subscribe", channel=EVENTS, filters={"types": ["user.created"]})
    server.kill()
    async with within(GONE_SECONDS):
        for client in clients:
            alone = await sample_with(client, lambda sample: sample["nodes"] == 1)
            assert alone["sockets"] == 1
    user = (await two.register(email="two@example.com"))["data"]["user"]["id"]
    assert [event["user"] for event in (await clients[1].push("admin.events"))["events"]] == [user]
    _answered(two, 500)
    await sample_with(clients[1], lambda sample: sample["requests_per_second"] > 300)
    server.start()
    for client in clients:
        whole = await sample_with(client, lambda sample: sample["nodes"] == 2)
        assert whole["sockets"] == 2


@pytest.fixture
def other(site: Site, mongod_uri: str, tmp_path: Path, redis_url: str) -> Iterator[RunningHub]:
    """A second node of the same hub, as a process of its own."""
    settings = site.services.settings
    environ = {"HUB_MONGODB_DATABASE": settings.mongodb_database, "HUB_JWT_SECRET": settings.jwt_secret}
    hub = RunningHub(tmp_path / "other", mongod_uri, HUB_REDIS_URL=redis_url, **environ)
    hub.start()
    yield hub
    hub.kill()


@pytest.fixture
def site(serve: Serve, redis_url: str) -> Site:
    return serve(HUB_REDIS_URL=redis_url, HUB_RATE_LIMITS="off")


@pytest.mark.gen_test
async def test_a_node_that_is_killed_is_soon_not_counted(site: Site, other: RunningHub) -> None:
    client, _ = await administrator(site)
    await Client.open(other.port)
    await client.request("subscribe", channel=METRICS)
    both = await sample_with(client, lambda sample: sample["sockets"] == 2)
    assert both["nodes"] == 2 and both["memory_bytes"] > 2 * 20 << 20
    other.kill()
    async with within(GONE_SECONDS):
        alone = await sample_with(client, lambda sample: sample["nodes"] == 1)
    assert alone["sockets"] == 1
