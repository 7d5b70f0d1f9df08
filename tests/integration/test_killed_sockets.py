"""SIGKILL under hundreds of sockets: started again, the hub gives each what was committed, once, and each answer its end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from config.catalogue import load_catalogue
from hub.prices import charge_micro, credits_number
from models import wallets
from models.conversations import MESSAGES, message_of_stream
from models.database import Database, Document
from models.events import EVENTS
from tests.conftest import StartHub
from tests.length import length
from tests.patience import until
from tests.running_hub import RunningHub
from tests.settled import nothing_held
from tests.ws_client import Client, Closed

SOCKETS = length(100, 500)
EACH = 20  # sockets of one user
STREAMS = 20
MODEL = "claude-3"
TOKENS_PER_SECOND = 25
TOKENS = 400  # sixteen seconds of them: none of these answers is at its end when the hub is killed
WITH_A_CHECKPOINT = 70  # deltas, of nearly three seconds
SHORT_TOKENS = 3
CHATTING = 5  # users who ask for short answers all the time; all of their sockets hear of each
SHORT_ENDED = 10  # short answers that are over, with their events and receipts, when the hub is killed
CREDITS_MICRO = 10_000_000
AT_ONCE = 40  # so few of one address come together that each may
BACK_SECONDS_MAX = 60.0
ENDS = ("chat.completed", "chat.failed")


class Reader:
    """One socket: it comes back with the position that it has, and with the cursor of its answer."""

    def __init__(self, hub: RunningHub, token: str) -> None:
        self._port, self._token = hub.port, token
        self.client: Client
        self.first: dict[str, Any] = {}
        self.position: dict[str, Any] = {}
        self.events: list[tuple[int, str, Any]] = []
        self.balances: list[dict[str, Any]] = []
        self.stream: dict[str, Any] = {}
        self.texts: list[str] = []
        self.offset = 0  # of its answer
        self.last: dict[str, Any] = {}  # what its answer ended with

    async def connect(self) -> None:
        self.client = await Client.open(self._port)
        recover = {"recover": self.position} if self.position else {}
        reply = await self.client.request("connect", token=self._token, **recover)
        assert reply.get("recovered") is bool(self.position), reply
        self.first = self.first or reply["position"]
        self.position = self.position or dict(reply["position"])
        self.balances.append(reply["balance"])
        self._take()

    async def start(self, max_tokens: int = TOKENS) -> None:
        self.stream = await self.client.request(
            "chat.start", model=MODEL, message="Tell me something", max_tokens=max_tokens
        )
        self._take()

    async def chatter(self) -> None:
        """One short answer after the other."""
        while True:
            await self.start(SHORT_TOKENS)
            while self.last.get("stream_id") != self.stream["stream_id"]:
                await self.more()

    async def resume(self) -> None:
        """As a page does: where its cursor is not known any more it gets the whole answer, and shows that instead."""
        cursor = {"stream_id": self.stream["stream_id"], "epoch": self.stream["epoch"], "after": self.offset}
        reply = await self.client.request("chat.resume", **cursor)
        assert (reply["offset"], reply["recovered"]) in ((self.offset, True), (0, False))
        if not reply["recovered"]:
            self.texts.clear()
            self.offset = 0
        self._take()
        while not self.last:
            await self.more()

    async def more(self) -> None:
        """The next frame. Raises `Closed`."""
        try:
            await self.client.receive()
        finally:
            self._take()

    def _take(self) -> None:
        pushes, self.client.pushes = self.client.pushes, []
        for frame in pushes:
            if frame["type"] == "event":
                self.events.append((frame["offset"], frame["event"]["type"], frame["event"]["data"]))
                self.position["offset"] = frame["offset"]
            elif frame["type"] == "balance":
                self.balances.append(frame)
            elif frame["type"] == "chat.delta":
                self.texts.append(frame["content"])
                self.offset = frame["offset"]
            elif frame["type"] in ENDS:
                self.last = frame

    async def until_cut(self) -> None:
        while True:
            try:
                await self.more()
            except Closed as closed:
                assert closed.code is None, "nobody was left to say why"
                return

    async def until_at(self, offset: int) -> None:
        while self.position["offset"] < offset:
            await self.more()
        await self.client.request("ping")  # and nothing is behind it
        self._take()


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_a_killed_hubs_sockets_miss_nothing_and_see_nothing_twice(start_hub: StartHub, mongod_uri: str) -> None:
    hub = start_hub(HUB_SANDBOX_TOKENS_PER_SECOND=str(TOKENS_PER_SECOND))
    asyncio.run(_scenario(hub, mongod_uri))
    audit = hub.command("audit")
    assert audit.returncode == 0, audit.stdout
    assert hub.stop() == 0
    assert "Traceback" not in hub.output.read_text()


async def _scenario(hub: RunningHub, mongod_uri: str) -> None:
    tokens = [await asyncio.to_thread(hub.register) for _ in range(SOCKETS // EACH)]
    groups = [[Reader(hub, token) for _ in range(EACH)] for token in tokens]
    everybody = [reader for group in groups for reader in group]
    streaming = [groups[number % len(groups)][number // len(groups)] for number in range(STREAMS)]
    chatting = [group[-1] for group in groups[:CHATTING]]
    database = Database(mongod_uri, hub.database)
    try:
        await _all(everybody, Reader.connect)
        await _until_killed(hub, everybody, streaming, chatting)
        committed = await database[EVENTS].count({})
        assert await wallets.holds_open(database) >= STREAMS
        await asyncio.to_thread(hub.start)
        async with asyncio.timeout(BACK_SECONDS_MAX):
            await _all(everybody, Reader.connect)
            await asyncio.gather(*(reader.resume() for reader in streaming))
        await until(lambda: nothing_held(database))
        assert await database[EVENTS].count({}) >= committed + STREAMS
        for group in groups:
            await _assert_whole(database, group)
        await _assert_true(database, streaming)
    finally:
        Client.abort_all()
        await database.close()


async def _all(readers: Sequence[Reader], act: Callable[[Reader], Awaitable[None]]) -> None:
    for at in range(0, len(readers), AT_ONCE):
        await asyncio.gather(*map(act, readers[at : at + AT_ONCE]))


async def _until_killed(
    hub: RunningHub, everybody: Sequence[Reader], streaming: Sequence[Reader], chatting: Sequence[Reader]
) -> None:
    """Half of the long answers have a checkpoint when it happens, short ones begin and end all the time."""
    early, late = streaming[: STREAMS // 2], streaming[STREAMS // 2 :]
    await asyncio.gather(*(reader.start() for reader in early))
    listening = [asyncio.create_task(reader.until_cut()) for reader in everybody if reader not in (*late, *chatting)]
    chats = [asyncio.create_task(reader.chatter()) for reader in chatting]
    await until(lambda: all(reader.offset >= WITH_A_CHECKPOINT for reader in early), BACK_SECONDS_MAX)
    await asyncio.gather(*(reader.start() for reader in late))
    listening += [asyncio.create_task(reader.until_cut()) for reader in late]
    await until(lambda: all(reader.offset for reader in late) and _ended(chatting) >= SHORT_ENDED)
    hub.kill()
    await asyncio.gather(*listening)
    ends = await asyncio.gather(*chats, return_exceptions=True)
    assert all(isinstance(end, (Closed, ConnectionError)) for end in ends), ends
    assert not any(reader.last for reader in streaming)


def _ended(readers: Sequence[Reader]) -> int:
    return sum(kind == "chat.completed" for reader in readers for _, kind, _ in reader.events)


async def _assert_whole(database: Database, group: Sequence[Reader]) -> None:
    """Each of a user's sockets saw what is stored, all of it and nothing else, and knows what the user has."""
    query = {"epoch": {"$eq": group[0].first["epoch"]}}
    stored = await database[EVENTS].find(query, sort=[("offset", 1)], limit=10_000)
    (user,) = {event["channel"].removeprefix("user:") for event in stored}
    assert [event["offset"] for event in stored] == list(range(1, len(stored) + 1))
    happened = [(event["offset"], event["type"], event["data"]) for event in stored]
    for reader in group:
        await reader.until_at(len(stored))
        assert reader.events == [event for event in happened if event[0] > reader.first["offset"]]
    answers = [message async for message in database[MESSAGES].scan({"user": user, "role": "assistant"})]
    ends = Counter(data["stream_id"] for _, kind, data in happened if kind in ENDS)
    assert ends == Counter(answer["stream"] for answer in answers), "each answer has one end"
    (wallet,) = [wallet async for wallet in wallets.scan_wallets(database) if wallet["_id"] == user]
    charged = sum(answer["receipt"]["charged"] for answer in answers)
    assert (wallet["credits"], wallet["credits_held"]) == (CREDITS_MICRO - charged, 0)
    for reader in group:
        newest = max(reader.balances, key=lambda balance: int(balance["version"]))
        assert (newest["credits"], newest["credits_held"]) == (credits_number(wallet["credits"]), 0)


async def _assert_true(database: Database, streaming: Sequence[Reader]) -> None:
    """What was told of each long answer is what is stored of it and what was paid for it."""
    costs = []
    for reader in streaming:
        answer = await message_of_stream(database, reader.stream["stream_id"])
        assert answer is not None
        assert (reader.last["type"], reader.last["error"]["temporary"]) == ("chat.failed", True)
        assert ("".join(reader.texts), answer["status"]) == (answer["content"], "interrupted")
        assert reader.last["offset"] == len(answer["lengths"])
        assert answer["receipt"]["charged"] == _cost(answer) == round(reader.last["receipt"]["charged"] * 1_000_000)
        costs.append(answer["receipt"]["charged"])
    assert all(costs[: STREAMS // 2]), "those that had a checkpoint are paid for as far as that"


def _cost(answer: Document) -> int:
    """Nothing, where nothing was stored."""
    usage = answer["usage"]
    if not usage["completion_tokens"]:
        return 0
    return charge_micro(load_catalogue()[MODEL], usage["prompt_tokens"], usage["completion_tokens"])
