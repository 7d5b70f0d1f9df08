"""`hub/realtime/broker.py`: what every broker must do, run on each of them."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import orjson
import pytest
from structlog.testing import capture_logs

from hub.realtime.broker import REVOCATIONS, Broker, MemoryBroker, Publication, user_channel
from hub.realtime.wire import text_frame
from hub.redis.broker import RedisBroker
from hub.tasks import Tasks
from tests.patience import PATIENCE_SECONDS

Scenario = Callable[[Broker], Awaitable[None]]
WithBroker = Callable[[Scenario], None]


def in_memory(request: pytest.FixtureRequest, tasks: Tasks) -> Broker:
    return MemoryBroker()


def redis(request: pytest.FixtureRequest, tasks: Tasks) -> Broker:
    return RedisBroker(request.getfixturevalue("redis_url"), f"test_{secrets.token_hex(4)}", tasks)


def redis_cluster(request: pytest.FixtureRequest, tasks: Tasks) -> Broker:
    return RedisBroker(request.getfixturevalue("redis_cluster_url"), f"test_{secrets.token_hex(4)}", tasks)


@pytest.fixture(params=[in_memory, redis, redis_cluster], ids=lambda make: make.__name__)
def with_broker(request: pytest.FixtureRequest) -> WithBroker:
    async def opened(scenario: Scenario) -> None:
        tasks = Tasks()
        broker: Broker = request.param(request, tasks)
        await broker.open()
        assert broker.up
        await scenario(broker)
        await broker.close()
        await tasks.close(1)
        assert not tasks.failures

    return lambda scenario: asyncio.run(opened(scenario))


def event(offset: int) -> Publication:
    return Publication("event", "thing.happened", {"n": offset}, "e1", offset)


async def settled(broker: Broker) -> None:
    """Wait until what was published before this has been heard. There is one way, or one for each shard, and it keeps the
    order: so many channels lie in every shard.
    """
    awaited = {f"end:{number}" for number in range(64)}
    over = asyncio.Event()

    def hear(channel: str, publication: Publication) -> None:
        awaited.discard(channel)
        if not awaited:
            over.set()

    channels = tuple(awaited)
    for channel in channels:
        broker.subscribe(channel, hear)
    for channel in channels:
        await broker.subscribed(channel)
        broker.publish(channel, event(0))
    await asyncio.wait_for(over.wait(), PATIENCE_SECONDS)
    for channel in channels:
        broker.unsubscribe(channel, hear)


def test_a_channel_has_one_order_for_all(with_broker: WithBroker) -> None:
    async def scenario(broker: Broker) -> None:
        heard: list[list[int]] = [[], []]
        for own in heard:
            broker.subscribe("c", lambda channel, publication, own=own: own.append(publication.offset))  # type: ignore[misc]
        await broker.subscribed("c")
        for offset in range(20):
            broker.publish("c", event(offset))
        await settled(broker)
        assert heard[0] == heard[1] == list(range(20))

    with_broker(scenario)


def test_only_subscribers_of_the_channel_hear(with_broker: WithBroker) -> None:
    async def scenario(broker: Broker) -> None:
        heard: list[str] = []

        def listen(channel: str, publication: Publication) -> None:
            heard.append(channel)

        broker.subscribe(user_channel("a"), listen)
        await broker.subscribed(user_channel("a"))
        broker.publish(user_channel("b"), event(1))
        broker.publish(user_channel("a"), event(1))
        await settled(broker)
        broker.unsubscribe(user_channel("a"), listen)
        broker.unsubscribe(user_channel("a"), listen)
        broker.publish(user_channel("a"), event(2))
        await settled(broker)
        assert heard == [user_channel("a")]

    with_broker(scenario)


def test_one_bad_subscriber_does_not_keep_others_from_hearing(with_broker: WithBroker) -> None:
    async def scenario(broker: Broker) -> None:
        heard: list[int] = []

        def bad(channel: str, publication: Publication) -> None:
            raise LookupError("broken on purpose")

        broker.subscribe("c", bad)
        broker.subscribe("c", lambda channel, publication: heard.append(publication.offset))
        await broker.subscribed("c")
        broker.publish("c", event(7))
        await settled(broker)
        assert heard == [7]

    with capture_logs() as logs:
        with_broker(scenario)
    assert [entry["event"] for entry in logs] == ["subscriber failed"]


def test_a_subscriber_may_leave_while_it_hears(with_broker: WithBroker) -> None:
    async def scenario(broker: Broker) -> None:
        heard: list[str] = []

        def once(channel: str, publication: Publication) -> None:
            heard.append("once")
            broker.unsubscribe("c", once)

        broker.subscribe("c", once)
        broker.subscribe("c", lambda channel, publication: heard.append("always"))
        await broker.subscribed("c")
        broker.publish("c", event(1))
        broker.publish("c", event(2))
        await settled(broker)
        assert sorted(heard) == ["always", "always", "once"]

    with_broker(scenario)


def test_revocations_are_heard_before_publish_returns_and_once(with_broker: WithBroker) -> None:
    """Whoever was revoked must be out of every cache here when the call that did it is answered."""

    async def scenario(broker: Broker) -> None:
        heard: list[str] = []
        broker.subscribe(REVOCATIONS, lambda channel, publication: heard.append(publication.data["id"]))
        await broker.subscribed(REVOCATIONS)
        broker.publish(REVOCATIONS, Publication("signal", "revoked", {"id": "r1", "user": "u"}))
        assert heard == ["r1"]
        await settled(broker)
        assert heard == ["r1"]

    with_broker(scenario)


def test_a_subscriber_who_comes_back_hears_again(with_broker: WithBroker) -> None:
    async def scenario(broker: Broker) -> None:
        heard: list[int] = []

        def listen(channel: str, publication: Publication) -> None:
            heard.append(publication.offset)

        for offset in range(20):
            broker.subscribe("c", listen)
            await broker.subscribed("c")
            broker.publish("c", event(offset))
            await settled(broker)
            broker.unsubscribe("c", listen)
        assert heard == list(range(20))

    with_broker(scenario)


def test_a_push_is_encoded_once() -> None:
    publication = event(44)
    frame = publication.frame
    assert publication.frame is frame
    assert frame[:2] == bytes([0x81, len(frame) - 2])
    assert orjson.loads(frame[2:]) == {
        "type": "event",
        "offset": 44,
        "event": {"type": "thing.happened", "data": {"n": 44}},
    }
    state = Publication("state", "balance", {"credits": 1, "version": 2})
    assert orjson.loads(state.frame[2:]) == {"type": "balance", "credits": 1, "version": 2}


@pytest.mark.parametrize(("size", "head"), [(125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_frame_headers(size: int, head: int) -> None:
    frame = text_frame(b"x" * size)
    assert len(frame) == head + size
    declared = {2: frame[1], 4: int.from_bytes(frame[2:4]), 10: int.from_bytes(frame[2:10])}[head]
    assert frame[0] == 0x81 and declared == size
