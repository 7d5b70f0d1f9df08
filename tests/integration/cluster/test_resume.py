"""Lines that are cut again and again between two nodes, and what cannot be resumed: said, and shown to nobody else."""

import asyncio
import os
import random
import sys
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from config import limits
from hub.identity import LoginResult
from hub.operations import NewEvent, Operation
from hub.realtime import close_codes
from models.events import EVENTS
from models.ids import new_id
from tests.factories import grant
from tests.integration.cluster.parts import Cluster, Node, event
from tests.length import length
from tests.patience import until
from tests.ws_client import Client

USERS = length(4, 10)
EACH = length(4, 10)  # clients of one user
CUTS = length(5, 30)
EVENTS_EACH = length(40, 400)
THOUSAND = 1_000
EVENTS_PER_SECOND = 200.0
SEED = int(os.environ.get("HUB_SEED", "7"))


class _Resumer:
    """A client that is cut at random, comes back to the other node with the last offset that it saw, and dedupes nothing."""

    def __init__(self, cluster: Cluster, login: LoginResult, chance: random.Random) -> None:
        self._nodes = cluster.nodes
        self._login = login
        self._chance = chance
        self._position: dict[str, Any] = {}
        self.seen: list[int] = []
        self.cuts = 0
        self.replayed = 0  # events that had happened before it was back

    async def run(self, last: int) -> None:
        turn = self._chance.randrange(2)
        while not self.seen or self.seen[-1] < last:
            client = await self._connected(self._nodes[turn % 2])
            await self._listen(client, last)
            client.abort()
            turn += 1
            if self.seen[-1] < last and self._chance.random() < 0.5:
                await until(self._missed_something)

    def _missed_something(self) -> bool:
        states = [node.services.ledger.last_known(self._login.user["_id"]) for node in self._nodes]
        return max(state.offset for state in states if state is not None) > self.seen[-1]

    async def _connected(self, node: Node) -> Client:
        if not self._position:
            client, reply = await node.connect(self._login)
            self._position = reply["position"]
            self.seen.append(reply["position"]["offset"])
            return client
        client, reply = await node.connect(self._login, recover=self._position)
        assert reply["recovered"] is True
        self.replayed += reply["position"]["offset"] - self._position["offset"]
        return client

    async def _listen(self, client: Client, last: int) -> None:
        for _ in range(self._chance.randrange(1, 8) if self.cuts < CUTS else last):
            if self.seen[-1] >= last:
                return
            offset = (await client.push("event"))["offset"]
            self.seen.append(offset)
            self._position["offset"] = offset
        self.cuts += 1


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_lines_cut_between_two_nodes_lose_and_double_nothing(
    io_loop: IOLoop, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every event once and in order, although both nodes make them and each line comes back to the other one."""
    monkeypatch.setattr(limits, "CONNECTIONS_PENDING_PER_ADDRESS_MAX", USERS * EACH)
    sys.stdout.write(f"SEED={SEED}\n")

    async def happen(user: str, resumers: list[_Resumer]) -> None:
        for number in range(EVENTS_EACH):
            await event(cluster.nodes[number % 2], user)
            await asyncio.sleep(USERS / EVENTS_PER_SECOND)

    async def scenario() -> None:
        chance = random.Random(SEED)
        logins = [await cluster.user() for _ in range(USERS)]
        firsts = [(await cluster.one.services.ledger.wallet(login.user["_id"])).offset for login in logins]
        groups = [[_Resumer(cluster, login, chance) for _ in range(EACH)] for login in logins]
        async with asyncio.TaskGroup() as running:
            for group, first in zip(groups, firsts, strict=True):
                for resumer in group:
                    running.create_task(resumer.run(first + EVENTS_EACH))
            await until(lambda: all(resumer.seen for group in groups for resumer in group), 30)
            for login, group in zip(logins, groups, strict=True):
                running.create_task(happen(login.user["_id"], group))
        for group, first in zip(groups, firsts, strict=True):
            for resumer in group:
                assert resumer.seen == list(range(first, first + EVENTS_EACH + 1))
        everybody = [resumer for group in groups for resumer in group]
        assert min(resumer.cuts for resumer in everybody) >= CUTS
        assert sum(resumer.replayed for resumer in everybody) >= len(everybody)

    io_loop.run_sync(scenario, 380)


async def _gone(cluster: Cluster, user: str, position: dict[str, Any]) -> dict[str, Any]:
    """Too old: what lies between was removed."""
    await cluster.one.services.database[EVENTS].delete_many({"offset": position["offset"] + 1})
    return position


async def _too_many(cluster: Cluster, user: str, position: dict[str, Any]) -> dict[str, Any]:
    for _ in range(limits.EVENT_REPLAY_MAX):
        await event(cluster.one, user)
    return position


async def _another_epoch(cluster: Cluster, user: str, position: dict[str, Any]) -> dict[str, Any]:
    return position | {"epoch": "another"}


async def _ahead(cluster: Cluster, user: str, position: dict[str, Any]) -> dict[str, Any]:
    return position | {"offset": position["offset"] + 100}


@pytest.mark.parametrize("reason", [_gone, _too_many, _another_epoch, _ahead])
def test_what_cannot_be_resumed_is_said(
    io_loop: IOLoop, cluster: Cluster, reason: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply says so, has no events, and has the state as it is now; from there on nothing is missing."""
    monkeypatch.setattr(limits, "EVENT_REPLAY_MAX", 5)

    async def scenario() -> None:
        login = await cluster.user()
        user = login.user["_id"]
        client, reply = await cluster.one.connect(login)
        client.abort()
        for _ in range(3):
            await event(cluster.one, user)
        await grant(cluster.one.services.ledger, user, 1_000_000)
        stale = await reason(cluster, user, reply["position"])
        for node in cluster.nodes:
            back, said = await node.connect(login, recover=stale)
            present = await node.services.ledger.wallet(user)
            assert said["recovered"] is False
            assert said["position"] == {"epoch": present.epoch, "offset": present.offset}
            assert said["balance"]["credits"] == reply["balance"]["credits"] + 1
            fresh, _ = await event(node, user)
            assert (await back.push("event"))["offset"] == fresh == said["position"]["offset"] + 1
            page = await back.request("history", epoch=stale["epoch"], after=stale["offset"])
            assert page["events"] == [] and page["recovered"] is False
            back.abort()

    io_loop.run_sync(scenario, 30)


def test_a_thousand_events_are_recovered_on_the_other_node(io_loop: IOLoop, cluster: Cluster) -> None:
    async def scenario() -> None:
        login = await cluster.user()
        user = login.user["_id"]
        client, reply = await cluster.one.connect(login)
        client.abort()
        ledger = cluster.one.services.ledger
        await asyncio.gather(
            *(ledger.commit(Operation(new_id("op"), events=[NewEvent(user, "t", {"n": n})])) for n in range(THOUSAND))
        )
        back, said = await cluster.two.connect(login, recover=reply["position"])
        first = reply["position"]["offset"]
        assert (said["recovered"], said["position"]["offset"]) == (True, first + THOUSAND)
        offsets = [(await back.push("event"))["offset"] for _ in range(THOUSAND)]
        assert offsets == list(range(first + 1, first + THOUSAND + 1))
        back.abort()

    assert limits.EVENT_DAYS >= 1, "kept for a day at least"
    io_loop.run_sync(scenario, 30)


def test_a_gap_that_cannot_be_filled_ends_the_connection(
    io_loop: IOLoop, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While connected there is no reply that could say it: the close code does, and then the reply."""
    monkeypatch.setattr(limits, "EVENT_REPLAY_MAX", 5)

    async def scenario() -> None:
        login = await cluster.user()
        user = login.user["_id"]
        client, reply = await cluster.two.connect(login)
        with monkeypatch.context() as lossy:
            lossy.setattr(type(cluster.one.broker), "publish", lambda *_: None)
            for _ in range(limits.EVENT_REPLAY_MAX + 1):
                await event(cluster.one, user)
        cluster.two.broker.resync_all()
        assert await client.close_code() == close_codes.STATE_LOST
        _, said = await cluster.one.connect(login, recover=reply["position"])
        assert said["recovered"] is False

    io_loop.run_sync(scenario, 30)


WRONG_OFFSETS: list[Any] = [-1, 2**63, 2**64, "5", 1.5, None, True, {"$gt": 0}]


async def _refusal(client: Client, command: str, wrong: Any, **fields: Any) -> str:
    """Numbers that are too long for the database make a frame none, which is answered without its id."""
    too_long = type(wrong) is int and wrong >= 2**63
    sent = client.send_unchecked(command, **fields)
    return str((await (client.orphan() if too_long else client.reply(sent)))["error"]["code"])


def test_nobody_resumes_what_is_another_users(io_loop: IOLoop, cluster: Cluster) -> None:
    async def scenario() -> None:
        owner, thief = await cluster.user(), await cluster.user()
        theirs, reply = await cluster.one.connect(owner)
        started = await theirs.request("chat.start", model="gpt-4", message="hello")
        await theirs.push("chat.delta")
        await event(cluster.one, owner.user["_id"])
        position = reply["position"]
        for node in cluster.nodes:
            client, said = await node.connect(thief, recover=position)
            assert said["recovered"] is False and said["position"]["epoch"] != position["epoch"]
            page = await client.request("history", epoch=position["epoch"], after=0)
            assert page["events"] == [] and page["recovered"] is False
            stolen = await client.request(
                "chat.resume", stream_id=started["stream_id"], epoch=started["epoch"], after=0
            )
            assert stolen["error"]["code"] == "RESOURCE_NOT_FOUND"
            for wrong in WRONG_OFFSETS:
                for name, fields in (
                    ("history", {"after": wrong}),
                    ("chat.resume", {"stream_id": started["stream_id"], "epoch": started["epoch"], "after": wrong}),
                ):
                    assert await _refusal(client, name, wrong, **fields) == "VALIDATION_ERROR", (name, wrong)
                again = await Client.open(node.port)
                fields = {"token": thief.access_token, "recover": position | {"offset": wrong}}
                assert await _refusal(again, "connect", wrong, **fields) == "VALIDATION_ERROR", wrong
                again.abort()
            assert not [frame for frame in client.frames if frame.get("type") in ("event", "chat.delta")]
            client.abort()
        await theirs.request("chat.stop", stream_id=started["stream_id"])
        await until(lambda: not len(cluster.one.services.streams))

    io_loop.run_sync(scenario, 30)
