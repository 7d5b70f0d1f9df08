"""SIGKILL in the middle of twenty answers: what was checkpointed is charged, everything else released, nobody is lied to."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from config.catalogue import load_catalogue
from hub.prices import charge_micro, credits_number
from models import wallets
from models.conversations import MESSAGES, message_of_stream
from models.database import Database, Document
from tests.conftest import StartHub
from tests.http_streams import Response, abort_all, ask
from tests.running_hub import RunningHub
from tests.ws_client import Client

V1, PROJECTS = "/v1/chat/completions", "/api/projects"
MODEL = "claude-3"
STREAMS = 20
FINISHED = 3
FIRST_HALF_SECONDS = 2.6  # longer than a checkpoint's interval, so that these have one
CREDITS_MICRO = 10_000_000


@dataclass
class Running:
    """One answer under way, as its client sees it."""

    number: int
    id: str = ""
    epoch: str = ""
    texts: list[str] = field(default_factory=list)
    offset: int = 0

    @property
    def body(self) -> dict[str, Any]:
        return {"model": MODEL, "messages": [{"role": "user", "content": f"Question {self.number}"}]}

    @property
    def text(self) -> str:
        return "".join(self.texts)


class Clients:
    """Those who ask by SSE and, in a project, by WebSocket, half each, until the hub is gone."""

    def __init__(self, hub: RunningHub, token: str, project: int) -> None:
        self.hub, self.token, self.project = hub, token, project
        self.running: list[Running] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, count: int) -> None:
        for number in range(len(self.running), len(self.running) + count):
            running = Running(number)
            self.running.append(running)
            begin = self._by_socket if number % 2 else self._by_sse
            self._tasks.append(asyncio.create_task(begin(running)))
        async with asyncio.timeout(10):
            while not all(running.offset for running in self.running):
                await asyncio.sleep(0.02)

    async def gone(self) -> None:
        """Wait until every client has noticed."""
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(isinstance(end, Exception) for end in ended), ended
        await abort_all()

    async def _by_sse(self, running: Running) -> None:
        body, head = {**running.body, "stream": True}, {"Idempotency-Key": f"key {running.number}"}
        response = await ask(self.hub.port, "POST", V1, token=self.token, body=body, headers=head)
        running.id, running.epoch = response.headers["x-hub-stream-id"], response.headers["x-hub-stream-epoch"]
        while (event := await response.event()) is not None:
            if event.content:
                running.texts.append(event.content)
                running.offset += 1

    async def _by_socket(self, running: Running) -> None:
        socket = await Client.open(self.hub.port)
        await socket.request("connect", token=self.token)
        started = await socket.request("chat.start", **running.body, project_id=self.project)
        running.id, running.epoch = started["stream_id"], started["epoch"]
        while True:
            delta = await socket.push("chat.delta", stream_id=running.id)
            running.texts.append(delta["content"])
            running.offset = delta["offset"]


async def finish_some(hub: RunningHub, token: str) -> dict[str, str]:
    """Some short answers to their end; their texts by stream id."""
    texts = {}
    for number in range(FINISHED):
        body = {**Running(100 + number).body, "stream": True, "max_tokens": 8}
        response = await ask(hub.port, "POST", V1, token=token, body=body)
        events = await response.events()
        texts[response.headers["x-hub-stream-id"]] = "".join(event.content for event in events)
    return texts


async def stored(database: Database, running: list[Running]) -> dict[str, Document]:
    found = {stream.id: await message_of_stream(database, stream.id) for stream in running}
    return {stream: message for stream, message in found.items() if message is not None}


def charge_of(checkpoint: Document) -> int:
    """What a checkpoint is worth: nothing, where nothing was counted."""
    usage = checkpoint["usage"]
    if not usage["completion_tokens"]:
        return 0
    return charge_micro(load_catalogue()[MODEL], usage["prompt_tokens"], usage["completion_tokens"])


@pytest.mark.timeout(120)
def test_a_killed_hub_owes_and_is_owed_nothing(start_hub: StartHub, mongod_uri: str) -> None:
    hub: RunningHub = start_hub(HUB_SANDBOX_TOKENS_PER_SECOND="50")
    asyncio.run(_crash(hub, mongod_uri))
    hub.kill()  # the last answer still runs: the end in order is another test's


async def _crash(hub: RunningHub, mongod_uri: str) -> None:
    token = await asyncio.to_thread(hub.register)
    finished = await finish_some(hub, token)
    made = await ask(hub.port, "POST", PROJECTS, token=token, body={"name": "A project"})
    clients = Clients(hub, token, (await made.json())["id"])
    await clients.start(STREAMS // 2)
    await asyncio.sleep(FIRST_HALF_SECONDS)
    await clients.start(STREAMS - STREAMS // 2)
    hub.kill()
    await clients.gone()
    database = Database(mongod_uri, hub.database)
    try:
        checkpoints = await stored(database, clients.running)
        assert {message["status"] for message in checkpoints.values()} == {"streaming"}
        assert {charge_of(message) > 0 for message in checkpoints.values()} == {True, False}
        assert await wallets.holds_open(database) == STREAMS
        await asyncio.to_thread(hub.start)
        await _assert_settled(hub, database, checkpoints)
        await _assert_counted(hub, token, clients, checkpoints)
        await _assert_told(hub, token, clients.running, checkpoints)
        await _assert_retries(hub, token, clients.running, checkpoints)
        await _assert_kept(hub, token, finished)
        audit = await asyncio.to_thread(hub.command, "audit")
        assert audit.returncode == 0, audit.stdout
    finally:
        await database.close()
        await abort_all()


async def _assert_settled(hub: RunningHub, database: Database, checkpoints: dict[str, Document]) -> None:
    """As soon as the hub is ready: no hold, and each message charged exactly by its checkpoint."""
    assert await wallets.holds_open(database) == 0
    for stream, checkpoint in checkpoints.items():
        message = await message_of_stream(database, stream)
        assert message is not None
        assert (message["status"], message["content"]) == ("interrupted", checkpoint["content"])
        assert message["lengths"] == checkpoint["lengths"]
        assert message["receipt"]["charged"] == charge_of(checkpoint)
    receipts = [message["receipt"]["charged"] async for message in database[MESSAGES].scan({"role": "assistant"})]
    (wallet,) = [wallet async for wallet in wallets.scan_wallets(database)]
    assert wallet["credits"] == CREDITS_MICRO - sum(receipts)
    assert wallet["credits_held"] == 0


async def _assert_counted(hub: RunningHub, token: str, clients: Clients, checkpoints: dict[str, Document]) -> None:
    """The project has spent what its own answers are charged, and holds nothing."""
    charged = [charge_of(checkpoints[stream.id]) for stream in clients.running if stream.number % 2]
    shown = await (await ask(hub.port, "GET", f"{PROJECTS}/{clients.project}", token=token)).json()
    assert (shown["stats"]["credits_used"], shown["stats"]["credits_held"]) == (credits_number(sum(charged)), 0)
    assert sum(charged) > 0


async def _assert_told(hub: RunningHub, token: str, running: list[Running], checkpoints: dict[str, Document]) -> None:
    """Whoever resumes, by whichever transport, gets what was stored and then the failure."""
    socket = await Client.open(hub.port)
    await socket.request("connect", token=token)
    for stream in running:
        kept = checkpoints[stream.id]
        assert stream.text.startswith(kept["content"]) or kept["content"].startswith(stream.text)
        for after in (0, stream.offset):
            beyond = after > len(kept["lengths"])
            rest = kept["content"] if beyond else "".join(kept["content"])[sum(kept["lengths"][:after]) :]
            resumed = await socket.request("chat.resume", stream_id=stream.id, epoch=stream.epoch, after=after)
            assert (resumed["recovered"], resumed["offset"]) == (not beyond, 0 if beyond else after)
            text, last, _ = await socket.answer_of(stream.id)
            assert (text, last["type"], last["error"]["temporary"]) == (rest, "chat.failed", True)
            await _assert_told_by_http(hub, token, stream, after, rest)


async def _assert_told_by_http(hub: RunningHub, token: str, stream: Running, after: int, rest: str) -> None:
    path = f"/api/streams/{stream.id}"
    answer = await (await ask(hub.port, "GET", f"{path}?after={after}&epoch={stream.epoch}", token=token)).json()
    assert (answer["data"]["content"], answer["data"]["status"]) == (rest, "failed")
    head = {"Last-Event-ID": f"{stream.epoch}:{after}"}
    events = await (await ask(hub.port, "GET", f"{path}/events", token=token, headers=head)).events()
    assert "".join(event.data.get("content", "") for event in events) == rest
    assert events[-1].data["type"] == "chat.failed"


async def _assert_retries(
    hub: RunningHub, token: str, running: list[Running], checkpoints: dict[str, Document]
) -> None:
    """A key whose answer was partly paid for gives that part; one that cost nothing may be used anew."""
    by_sse = [stream for stream in running if stream.number % 2 == 0]
    for stream in (by_sse[0], by_sse[-1]):
        head = {"Idempotency-Key": f"key {stream.number}"}
        body = {**stream.body, "stream": True}
        response: Response = await ask(hub.port, "POST", V1, token=token, body=body, headers=head)
        charged = charge_of(checkpoints[stream.id]) > 0
        assert (response.headers.get("idempotency-hit") == "true") == charged
        if charged:
            *parts, failure, _ = await response.events()
            assert "".join(event.content for event in parts) == checkpoints[stream.id]["content"]
            assert failure.data["error"]["code"] == "SERVICE_UNAVAILABLE"
        else:
            assert response.headers["x-hub-stream-id"] != stream.id
            response.reset()


async def _assert_kept(hub: RunningHub, token: str, finished: dict[str, str]) -> None:
    """What had ended before replays from the database."""
    for stream, text in finished.items():
        answer = await (await ask(hub.port, "GET", f"/api/streams/{stream}", token=token)).json()
        assert (answer["data"]["content"], answer["data"]["status"]) == (text, "completed")
        events = await (await ask(hub.port, "GET", f"/api/streams/{stream}/events", token=token)).events()
        assert "".join(event.data.get("content", "") for event in events) == text
