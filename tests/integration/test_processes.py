"""Several processes on one port: they share the work, one that dies is replaced, and they end together."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient

from config import limits
from hub.realtime import close_codes
from models import mongod_process, server_process
from models.mongod_process import Files
from tests.conftest import StartHub
from tests.http_streams import Connection, ask, run, send
from tests.integration.test_shutdown import PROBE, answer_on, listens
from tests.length import length
from tests.patience import until, within
from tests.running_hub import PASSWORD, START_SECONDS_MAX, RunningHub
from tests.settled import assert_settled
from tests.ws_client import Client, Closed

WORKERS = 2
USERS = length(10, 40)
STREAMS = 20
SOCKETS = length(200, 500)
ANSWER_TOKENS = 100
# For an answer. No faster, for each of its frames is checked, and that takes its time.
FIVE_SECONDS = {"HUB_SANDBOX_TOKENS_PER_SECOND": "20"}
TOLD_SECONDS = 1.0  # so soon every socket is told that the hub ends
HEAL_SECONDS_MAX = 30.0  # a worker starts, and what the dead one held is settled, on a machine that others use too


@pytest.fixture(autouse=True)
def no_server_is_left(tmp_path: Path) -> Iterator[None]:
    """Where a test failed behind a kill."""
    yield
    found = [
        server_process.running(path) for path in (*tmp_path.glob("**/redis.pid"), *tmp_path.glob("**/mongod.lock"))
    ]
    for left in filter(None, found):
        if str(tmp_path) in " ".join(left.command):
            os.kill(left.pid, signal.SIGKILL)


class Reader:
    """A user's page: a socket with one answer, that comes back when it is closed, and goes on where it was."""

    def __init__(self, hub: RunningHub, token: str) -> None:
        self._port, self._token = hub.port, token
        self.client: Client
        self.stream = ""
        self.position: dict[str, Any] = {}
        self.offsets: list[int] = []
        self.frames: list[dict[str, Any]] = []
        self.codes: list[int | None] = []  # why each of its sockets was closed
        self.told_at: float | None = None  # the moment when it was told to move
        self.when_told: list[Callable[[], object]] = []  # what is done at that moment

    async def connect(self) -> None:
        self.client = await Client.open(self._port)
        reply = await self.client.request(
            "connect", token=self._token, **({"recover": self.position} if self.position else {})
        )
        assert not self.position or reply["recovered"], "an event was lost"
        self.position = self.position or reply["position"]
        self._take()

    async def come_back(self) -> None:
        """As the page does: again and again until it is let in."""
        while True:
            try:
                return await self.connect()
            except (OSError, Closed, asyncio.IncompleteReadError):
                await asyncio.sleep(0.1)

    async def start(self) -> None:
        """Begin an answer, and wait for its first words."""
        started = await self.client.request(
            "chat.start", model="gpt-4", message="Tell me something", max_tokens=ANSWER_TOKENS
        )
        self.stream = started["stream_id"]
        while not any(frame["type"] == "chat.delta" for frame in self.frames):
            await self.more()

    async def more(self) -> None:
        """The next frame. Raises `Closed`."""
        try:
            await self.client.receive()
        finally:
            self._take()

    def _take(self) -> None:
        for frame in self.client.pushes:
            self.frames.append(frame)
            if frame["type"] == "event":
                self.offsets.append(frame["offset"])
                self.position = {**self.position, "offset": frame["offset"]}
            elif frame["type"] == "moving":
                self.told_at = time.monotonic()
                for act in self.when_told:
                    act()
        self.client.pushes.clear()

    async def until_closed(self) -> None:
        try:
            while True:
                await self.more()
        except Closed as closed:
            self.codes.append(closed.code)

    async def until_told(self) -> None:
        """Until an event says how the answer ended, whatever becomes of the line meanwhile."""
        while not self.ends():
            try:
                await self.more()
            except Closed as closed:
                self.codes.append(closed.code)
                await self.come_back()
            except TimeoutError:
                pass  # nothing came for a while

    def ends(self) -> list[str]:
        """The events that tell of the answer's end."""
        events = [frame["event"] for frame in self.frames if frame["type"] == "event"]
        ends = [event for event in events if event["type"] in ("chat.completed", "chat.failed")]
        return [event["type"] for event in ends if event["data"]["stream_id"] == self.stream]

    def last_push(self) -> str:
        """What the stream itself ended with."""
        return str([frame["type"] for frame in self.frames if frame.get("stream_id") == self.stream][-1])


async def figures(hub: RunningHub, name: str) -> dict[str, float]:
    """One figure of each process, by a scrape of whoever answers."""
    response = await ask(hub.port, "GET", "/metrics")
    families = list(text_string_to_metric_families(await response.text()))
    assert len({family.name for family in families}) == len(families), "a family is described twice"
    (found,) = [family for family in families if family.name == name]
    return {sample.labels["process"]: sample.value for sample in found.samples}


async def both_have_some(hub: RunningHub, sockets: int) -> bool:
    """Whether all these sockets are known of, and not all on one worker."""
    shares = await figures(hub, "hub_connections")
    return len(shares) == WORKERS and sum(shares.values()) == sockets and min(shares.values()) > 0


def test_all_serve_the_port_and_one_scrape_tells_of_all(start_hub: StartHub) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS))
    assert len(hub.workers()) == WORKERS
    assert hub.said().count("Smart AI Hub is at") == 1

    async def scenario() -> None:
        sockets = [await Client.open(hub.port) for _ in range(20)]
        await until(lambda: both_have_some(hub, len(sockets)))

    run(scenario())
    assert hub.stop() == 0
    assert not list((hub.data_dir / "nodes").iterdir())


async def readers_of(hub: RunningHub, credentials: list[str]) -> list[Reader]:
    """A page of each user, with an answer under way."""
    readers = [Reader(hub, token) for token in credentials]
    for reader in readers:
        await reader.connect()
    await asyncio.gather(*(reader.start() for reader in readers))
    return readers


@pytest.mark.timeout(120)
def test_a_killed_worker_is_replaced_and_nothing_is_lost(start_hub: StartHub, mongod_uri: str) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS), **FIVE_SECONDS)
    credentials = [hub.register() for _ in range(USERS)]
    victim, other = hub.workers()

    async def scenario() -> None:
        readers = await readers_of(hub, credentials)
        os.kill(victim, signal.SIGKILL)
        async with asyncio.timeout(HEAL_SECONDS_MAX):
            await asyncio.gather(*(reader.until_told() for reader in readers))
            await until(lambda: len(hub.workers()) == WORKERS and other in hub.workers(), HEAL_SECONDS_MAX)
        cut = [reader for reader in readers if reader.codes]
        assert 0 < len(cut) < len(readers), "both workers had some, and one died"
        for reader in readers:
            assert len(reader.ends()) == 1, "it is told once"
            assert reader.offsets == list(range(reader.offsets[0], reader.offsets[-1] + 1)), "no event is missing"
        assert {end for reader in cut for end in reader.ends()} == {"chat.failed"}
        await assert_settled(hub, mongod_uri)

    run(scenario())
    assert victim not in hub.workers()
    assert hub.stop() == 0, hub.said()
    assert hub.said().count("a worker ended") == 1


@pytest.mark.timeout(180)
def test_a_worker_that_hangs_is_replaced_and_does_not_hold_up_the_end(start_hub: StartHub) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS))
    victim, other = hub.workers()
    os.kill(victim, signal.SIGSTOP)

    async def scenario() -> None:
        seconds = 3 * limits.WORKER_SILENCE_SECONDS_MAX
        await until(lambda: victim not in hub.workers() and len(hub.workers()) == WORKERS, seconds)

    run(scenario())
    assert other in hub.workers(), "it has told all the time that it runs"
    os.kill(other, signal.SIGSTOP)
    began = time.monotonic()
    assert hub.stop() == 0, hub.said()
    assert time.monotonic() - began < limits.SHUTDOWN_SECONDS_MAX + 2
    assert "A worker said nothing for 15 s" in hub.said()


class Probe:
    """An open connection, on which its worker is asked once more: when one of the same worker's sockets is told to move."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._asked = False

    async def is_ready(self) -> bool:
        return (await answer_on(self._connection)).status == 200

    def ask_once_told(self, readers: Sequence[Reader], worker_of: dict[int, int]) -> None:
        worker = worker_of[port_of(self._connection.writer)]
        for reader in readers:
            if worker_of[port_of(reader.client.writer)] == worker:
                reader.when_told.append(self._ask)

    def _ask(self) -> None:
        if not self._asked:
            self._connection.writer.write(PROBE)
        self._asked = True

    async def assert_unready(self) -> None:
        response = await answer_on(self._connection)
        assert (response.status, response.headers["connection"]) == (503, "close")


async def caught_up(readers: Sequence[Reader]) -> None:
    """Return when each, being read, has taken what had come: then the next word is heard at once."""
    pings = [(reader.client, reader.client.send("ping")) for reader in readers]
    await until(lambda: all(any(frame.get("id") == ping for frame in client.frames) for client, ping in pings))


def port_of(writer: asyncio.StreamWriter) -> int:
    return int(writer.get_extra_info("sockname")[1])


@pytest.mark.faults
@pytest.mark.timeout(120)
def test_the_end_moves_every_socket_and_lets_every_answer_end(start_hub: StartHub, mongod_uri: str) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS), **FIVE_SECONDS)
    credentials = [hub.register() for _ in range(USERS)]
    began = 0.0

    async def scenario() -> None:
        nonlocal began
        idle = [Reader(hub, token) for token in credentials * ((SOCKETS - STREAMS) // USERS)]
        for reader in idle:
            await reader.connect()
        probes = [Probe(await send(hub.port, "GET", "/readyz")) for _ in range(8)]
        assert {await probe.is_ready() for probe in probes} == {True}
        readers = await readers_of(hub, credentials[:STREAMS] * max(1, STREAMS // USERS))
        assert not any(reader.ends() for reader in readers)
        worker_of = hub.worker_of_clients()
        for probe in probes:
            probe.ask_once_told((*readers, *idle), worker_of)
        reading = [asyncio.create_task(reader.until_closed()) for reader in (*readers, *idle)]
        await caught_up([*readers, *idle])
        began = time.monotonic()
        hub.tell(signal.SIGTERM)
        await asyncio.gather(*(probe.assert_unready() for probe in probes))
        assert not await listens(hub)
        await asyncio.gather(*reading)
        for reader in (*readers, *idle):
            assert reader.told_at is not None and reader.told_at - began < 3 * TOLD_SECONDS
            assert reader.codes == [close_codes.SHUTTING_DOWN]
        assert {reader.last_push() for reader in readers} == {"chat.completed"}

    run(scenario())
    assert hub.exit_status() == 0, hub.said()
    assert time.monotonic() - began < limits.SHUTDOWN_SECONDS_MAX + 2
    assert "Traceback" not in hub.said()
    asyncio.run(assert_settled(hub, mongod_uri))


@pytest.mark.timeout(120)
def test_a_second_signal_hurries_all(start_hub: StartHub, mongod_uri: str) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS), HUB_SANDBOX_TOKENS_PER_SECOND="2")
    credentials = [hub.register() for _ in range(4)]
    began = 0.0

    async def scenario() -> None:
        nonlocal began
        readers = await readers_of(hub, credentials)
        reading = [asyncio.create_task(reader.until_closed()) for reader in readers]
        began = time.monotonic()
        hub.tell(signal.SIGTERM)
        await until(lambda: all(reader.told_at is not None for reader in readers))
        hub.tell(signal.SIGINT)
        await asyncio.gather(*reading)
        assert {reader.last_push() for reader in readers} == {"chat.failed"}

    run(scenario())
    assert hub.exit_status() == 0, hub.said()
    assert time.monotonic() - began < limits.DRAIN_STREAMS_SECONDS / 2
    asyncio.run(assert_settled(hub, mongod_uri))


@pytest.mark.timeout(120)
def test_workers_that_lose_the_supervisor_end_in_order_and_leave_the_port(start_hub: StartHub) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS), **FIVE_SECONDS)
    credentials = [hub.register() for _ in range(4)]
    workers = hub.workers()

    async def scenario() -> None:
        readers = await readers_of(hub, credentials)
        hub.kill()
        await asyncio.gather(*(reader.until_closed() for reader in readers))
        assert {reader.last_push() for reader in readers} == {"chat.completed"}
        assert {code for reader in readers for code in reader.codes} == {close_codes.SHUTTING_DOWN}
        await until(lambda: not any(map(server_process.command_of, workers)))

    run(scenario())
    assert not list((hub.data_dir / "nodes").iterdir()), "they took their leave"
    hub.start()
    assert len(hub.workers()) == WORKERS


def test_one_that_starts_at_once_after_a_kill_gets_the_port(start_hub: StartHub) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS))
    before = hub.workers()
    hub.kill()
    hub.start()
    assert set(hub.workers()).isdisjoint(before)
    assert hub.stop() == 0, hub.said()


@pytest.mark.timeout(120)
def test_a_killed_redis_comes_back_and_workers_hear_each_other_again(start_hub: StartHub) -> None:
    hub = start_hub(HUB_PROCESSES=str(WORKERS), HUB_SANDBOX_TOKENS_PER_SECOND="2000")
    token = hub.register()
    redis = server_process.running(hub.data_dir / "redis" / "redis.pid")
    assert redis is not None
    os.kill(redis.pid, signal.SIGKILL)

    async def scenario() -> None:
        await until(lambda: _another_redis(hub, redis.pid))
        readers = [Reader(hub, token) for _ in range(10)]
        for reader in readers:
            await reader.connect()
        await until(lambda: both_have_some(hub, len(readers)))
        await readers[0].start()
        for reader in readers:
            reader.stream = readers[0].stream
        async with within(2.0):
            await asyncio.gather(*(reader.until_told() for reader in readers))
        assert not any(reader.codes for reader in readers)

    run(scenario())
    assert hub.stop() == 0, hub.said()
    assert server_process.running(hub.data_dir / "redis" / "redis.pid") is None


def _another_redis(hub: RunningHub, before: int) -> bool:
    now = server_process.running(hub.data_dir / "redis" / "redis.pid")
    return now is not None and now.pid != before


@pytest.fixture
def unused(tmp_path: Path, mongod_uri: str) -> Iterator[Callable[..., RunningHub]]:
    """Makes hubs that are not started yet, on a database that does not exist yet."""
    name = f"test_{secrets.token_hex(4)}"
    hubs: list[RunningHub] = []

    def make(**environ: str) -> RunningHub:
        hubs.append(RunningHub(tmp_path, **{"mongodb_uri": mongod_uri, "HUB_MONGODB_DATABASE": name, **environ}))
        return hubs[-1]

    yield make
    for hub in hubs:
        hub.stop()
    with MongoClient[dict[str, Any]](mongod_uri) as client:
        client.drop_database(name)


@pytest.mark.timeout(120)
def test_four_start_at_once_on_an_empty_database(unused: Callable[..., RunningHub], mongod_uri: str) -> None:
    hub = unused(HUB_PROCESSES="4", HUB_ADMIN_EMAIL="admin@example.org", HUB_ADMIN_PASSWORD=PASSWORD)
    hub.start()
    with MongoClient[dict[str, Any]](mongod_uri) as client:
        database = client[hub.database]
        assert database["nodes"].count_documents({}) == len(hub.workers()) == 4
        assert database["users"].count_documents({"role": "admin"}) == 1
        assert database["exchange_rates"].count_documents({}) == 1
    assert hub.stop() == 0
    assert "a worker ended" not in hub.said() and "Traceback" not in hub.said()


@pytest.mark.timeout(120)
def test_the_embedded_servers_end_after_the_workers(unused: Callable[..., RunningHub]) -> None:
    hub = unused(mongodb_uri=None, HUB_PROCESSES=str(WORKERS))
    hub.start()
    assert hub.register()
    assert hub.stop() == 0
    assert mongod_process.running(Files(hub.data_dir / "mongod")) is None
    assert server_process.running(hub.data_dir / "redis" / "redis.pid") is None
    assert not list((hub.data_dir / "nodes").iterdir()), "a worker took its leave while the database was there"
    assert "[error" not in hub.said() and "Traceback" not in hub.said()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"HUB_PROCESSES": "0"}, "HUB_PROCESSES: must be a whole number from 1 to 64"),
        ({"HUB_PROCESSES": "2", "mongodb_uri": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"}, "127.0.0.1:1"),
    ],
    ids=["of the supervisor", "of the workers"],
)
def test_a_hub_that_cannot_start_says_why_once(
    unused: Callable[..., RunningHub], environ: dict[str, str], said: str
) -> None:
    hub = unused(**environ)
    hub.launch()
    assert hub.ended_within(START_SECONDS_MAX)
    assert hub.exit_status() == 1
    assert hub.said().count("smart-ai-hub: ") == 1
    assert said in hub.said() and "Traceback" not in hub.said()


def test_a_port_of_somebody_else_is_not_shared(start_hub: StartHub, unused: Callable[..., RunningHub]) -> None:
    """Its listeners would let others in beside them."""
    first = start_hub(HUB_PROCESSES=str(WORKERS))
    second = unused(HUB_PROCESSES=str(WORKERS), HUB_PORT=str(first.port))
    second.launch()
    assert second.ended_within(START_SECONDS_MAX)
    assert second.exit_status() == 1
    assert f":{first.port} cannot be listened on" in second.said()


@pytest.mark.timeout(90)
def test_told_to_end_while_the_workers_start_it_leaves_nothing(unused: Callable[..., RunningHub]) -> None:
    hub = unused(HUB_PROCESSES=str(WORKERS))
    hub.launch()
    deadline = time.monotonic() + START_SECONDS_MAX
    while len(hub.workers()) < WORKERS:
        assert time.monotonic() < deadline and not hub.ended_within(0.02), hub.said()
    workers = hub.workers()
    hub.tell(signal.SIGTERM)
    assert hub.exit_status() == 0, hub.said()
    assert not any(map(server_process.command_of, workers))
    assert server_process.running(hub.data_dir / "redis" / "redis.pid") is None
    assert "Traceback" not in hub.said() and "is at http" not in hub.said()
