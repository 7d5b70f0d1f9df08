"""The ledger while its database is away, cut off, silent, or only another member of the set answers."""

import asyncio
import time
from collections import Counter

import pytest
from pymongo.hello import Hello
from pymongo.monitoring import ServerHeartbeatFailedEvent, ServerHeartbeatSucceededEvent

from config import limits
from hub.errors import Code, HubError
from models.database import Database
from models.heartbeat import Heartbeat
from tests.factories import make_wallet
from tests.ledger_parts import Process, debit, differences, entries, proxied, result, results, running

pytestmark = pytest.mark.gen_test

PATIENCE_SECONDS = 1
WAIT_SECONDS_MAX = 3 * (PATIENCE_SECONDS + 2)  # a server that is silent is noticed after two


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DATABASE_DOWN_WAIT_SECONDS", PATIENCE_SECONDS)


async def _until(database: Database, *, up: bool) -> None:
    async with asyncio.timeout(10):
        while database.up is not up:
            await asyncio.sleep(0.02)


async def _keep_paying(process: Process, user: str, ended: list[Code | str], longest: list[float]) -> None:
    """Pay one after the other, and note how each payment ended and the longest wait for an answer."""
    while True:
        started = time.monotonic()
        ended.append(await result(process.ledger, debit(user, 1)))
        longest[0] = max(longest[0], time.monotonic() - started)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", ["cut", "frozen"])
async def test_an_outage_is_answered_soon_and_recovered_from(database: Database, mongod_uri: str, fault: str) -> None:
    async with proxied(mongod_uri, database.name) as (proxy, far), running(far) as process:
        user = await make_wallet(process.ledger, 10_000)
        ended: list[Code | str] = []
        longest = [0.0]
        payers = [process.tasks.start(_keep_paying(process, user, ended, longest), "payer") for _ in range(8)]
        await asyncio.sleep(0.2)
        if fault == "frozen":
            proxy.freeze()
        else:
            await proxy.cut()
        await _until(far, up=False)
        with pytest.raises(HubError) as refused:
            await process.ledger.commit(debit(user, 1))
        assert refused.value.code is Code.UNAVAILABLE and refused.value.retry_after_seconds
        await asyncio.sleep(PATIENCE_SECONDS)
        await proxy.cut()
        await proxy.open()
        proxy.thaw()
        await _until(far, up=True)
        ended.append("up again")
        await asyncio.sleep(1)
        for payer in payers:
            payer.cancel()
        await asyncio.wait(payers)
    counted = Counter(ended)
    paid = len(await entries(database, user)) - 1
    assert counted["ok"] <= paid <= counted["ok"] + counted[Code.OUTCOME_UNKNOWN] + len(payers)
    assert counted.keys() <= {"ok", "up again", Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN}
    assert "ok" in ended[ended.index("up again") :]
    assert longest[0] < WAIT_SECONDS_MAX
    assert await differences(database) == []


async def test_those_behind_a_sent_commit_do_not_wait_for_it(database: Database, mongod_uri: str) -> None:
    """The queue is told after three seconds, though the batch before it may take ten."""
    async with proxied(mongod_uri, database.name) as (proxy, far), running(far) as process:
        user = await make_wallet(process.ledger, 100)
        before = process.tasks.start(results(process.ledger, [debit(user, 1)]), "before")
        await asyncio.sleep(0)
        proxy.freeze()
        behind = process.tasks.start(results(process.ledger, [debit(user, 1) for _ in range(5)]), "behind")
        await _until(far, up=False)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            assert await behind == [Code.UNAVAILABLE] * 5
        proxy.thaw()
        assert (await before)[0] in ("ok", Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN)


def test_a_secondary_does_not_speak_for_its_set() -> None:
    heartbeat, falls = Heartbeat(), Counter[bool]()
    heartbeat.on_down.append(lambda: falls.update([heartbeat.up]))
    first, second = ("a", 1), ("b", 2)
    _answers(heartbeat, first, primary=True)
    _answers(heartbeat, second, primary=False)
    assert falls == {}
    heartbeat.failed(ServerHeartbeatFailedEvent(0.1, ConnectionError(), first))
    assert falls == {False: 1}
    _answers(heartbeat, second, primary=True)
    assert heartbeat.up


def test_a_server_that_left_the_set_counts_no_more() -> None:
    heartbeat = Heartbeat()
    _answers(heartbeat, ("alias", 1), primary=True)
    _answers(heartbeat, ("a", 1), primary=False)
    assert not heartbeat.up


def _answers(heartbeat: Heartbeat, server: tuple[str, int], *, primary: bool) -> None:
    members = ["a:1", "b:2"]
    reply = Hello({"ok": 1, "setName": "rs0", "hosts": members, "isWritablePrimary": primary, "secondary": not primary})
    heartbeat.succeeded(ServerHeartbeatSucceededEvent(0.1, reply, server))
