"""SIGTERM and SIGINT: while the hub starts, while it answers, and twice."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import limits
from hub.realtime import close_codes
from models import mongod_process
from models.mongod_process import Files
from tests.conftest import StartHub
from tests.http_streams import DONE, Connection, Response, ask, run, send
from tests.patience import PATIENCE_SECONDS
from tests.running_hub import START_SECONDS_MAX, RunningHub
from tests.settled import assert_settled
from tests.ws_client import Client

V1 = "/v1/chat/completions"
BODY = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}], "stream": True}
PROBE = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[RunningHub]:
    """A hub with a database of its own, not yet started; nothing of it is left behind."""
    hub = RunningHub(tmp_path)
    yield hub
    hub.kill()
    left = mongod_process.running(Files(tmp_path / "mongod"))
    if left is not None:
        os.kill(left.pid, signal.SIGKILL)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_hub_told_to_end_while_it_starts_leaves_no_database(embedded: RunningHub, number: signal.Signals) -> None:
    files = Files(embedded.data_dir / "mongod")
    embedded.launch()
    deadline = time.monotonic() + START_SECONDS_MAX
    while mongod_process.running(files) is None:
        assert time.monotonic() < deadline and not embedded.ended_within(0.02), embedded.said()
    embedded.tell(number)
    assert embedded.exit_status() == 0, embedded.said()
    assert mongod_process.running(files) is None
    assert "Traceback" not in embedded.said() and "is at http" not in embedded.said()


class Clients:
    """What is open while the hub ends: a probe's connection, a socket, and an answer."""

    probe: Connection
    socket: Client
    answer: Response

    async def open(self, hub: RunningHub, token: str, max_tokens: int) -> None:
        self.probe = await send(hub.port, "GET", "/readyz")
        assert await self.ready() == 200
        self.socket = await Client.open(hub.port)
        await self.socket.request("connect", token=token)
        self.answer = await ask(hub.port, "POST", V1, token=token, body={**BODY, "max_tokens": max_tokens})
        await self.answer.event()

    async def ready(self) -> int:
        return (await answer_on(self.probe)).status

    async def unready(self) -> None:
        await until_unready(self.probe)


async def answer_on(connection: Connection) -> Response:
    """The answer that comes next; its body is read, so that another may follow."""
    response = await connection.response()
    await connection.reader.readexactly(int(response.headers["content-length"]))
    return response


async def assert_unready(probe: Connection) -> None:
    """Ask once, on a connection that is open; it is not to be used for more."""
    probe.writer.write(PROBE)
    response = await answer_on(probe)
    assert (response.status, response.headers["connection"]) == (503, "close")


async def until_unready(probe: Connection) -> None:
    """Ask on a connection that is open until the signal has arrived; the connection is not to be used for more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        response = None
        while response is None or response.status == 200:
            probe.writer.write(PROBE)
            response = await answer_on(probe)
    assert (response.status, response.headers["connection"]) == (503, "close")


@pytest.mark.timeout(60)
def test_the_end_is_told_first_and_running_answers_are_waited_for(start_hub: StartHub) -> None:
    hub = start_hub(HUB_SANDBOX_TOKENS_PER_SECOND="50")
    token = hub.register()

    async def scenario() -> None:
        clients = Clients()
        await clients.open(hub, token, 100)
        hub.tell(signal.SIGTERM)
        assert (await clients.socket.push("moving"))["reconnect_ms"] <= limits.MOVE_RECONNECT_MS_MAX
        await assert_unready(clients.probe)
        assert not await listens(hub)
        events = await clients.answer.events()
        assert events[-1].data == "[DONE]"
        assert await clients.socket.close_code() == close_codes.SHUTTING_DOWN

    run(scenario())
    assert hub.exit_status() == 0, hub.said()
    assert "Traceback" not in hub.said()


async def listens(hub: RunningHub) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", hub.port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True


@pytest.mark.timeout(60)
@pytest.mark.parametrize("told_twice", [True, False])
def test_the_end_comes_in_time_and_at_once_when_told_twice(
    start_hub: StartHub, mongod_uri: str, told_twice: bool
) -> None:
    hub = start_hub(HUB_SANDBOX_TOKENS_PER_SECOND="2")
    token = hub.register()
    began = 0.0

    async def scenario() -> None:
        nonlocal began
        clients = Clients()
        await clients.open(hub, token, 300)
        began = time.monotonic()
        hub.tell(signal.SIGTERM)
        await clients.unready()
        if told_twice:
            hub.tell(signal.SIGINT)
        *chunks, failure, done = await clients.answer.events()
        assert {chunk.data["choices"][0]["finish_reason"] for chunk in chunks} <= {None}
        assert (failure.data["error"]["code"], done.data) == ("SERVICE_UNAVAILABLE", DONE)
        assert await clients.socket.close_code() == close_codes.SHUTTING_DOWN

    run(scenario())
    assert hub.exit_status() == 0, hub.said()
    seconds = time.monotonic() - began
    assert seconds < (limits.DRAIN_STREAMS_SECONDS / 2 if told_twice else limits.SHUTDOWN_SECONDS_MAX + 2)
    assert "Traceback" not in hub.said()
    asyncio.run(assert_settled(hub, mongod_uri))
