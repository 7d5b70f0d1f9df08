"""What dead processes leave is settled at exactly their last checkpoint, once, and locks nobody out."""

import asyncio
import fcntl
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from bson.binary import UUID_SUBTYPE, Binary

from config.catalogue import load_catalogue
from config.plans import load_plans
from hub.budgets import Budget, OpenBudget
from hub.chat_records import Job, checkpoint, opening
from hub.errors import Code
from hub.idempotency import IdempotencyKey
from hub.ledger import Ledger
from hub.node import Node
from hub.operations import ExtendHold, Operation
from hub.prices import charge_micro
from hub.providers.base import Delta
from hub.quotas import PERIODS, Quota, quota_of
from hub.streams import Stream
from hub.sweeper import Sweeper
from models import conversations, idempotency, nodes, wallets
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id
from models.usage import USAGE, USAGE_DAYS
from tests.factories import make_wallet
from tests.ledger_parts import Process, another_database, debit, differences, entries, place, result, running
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.gen_test

CATALOGUE = load_catalogue()
MODEL = CATALOGUE["gpt-4"]
HELD = 500_000


@dataclass
class Left:
    """A generation that a process left behind when it died."""

    user: str
    hold: str
    stream: str
    key: str


@dataclass
class Survivor:
    """A process that looks after what others leave."""

    process: Process
    node: Node
    sweeper: Sweeper


async def _survivor(process: Process, folder: Path) -> Survivor:
    node = Node(process.database, folder)
    await node.open(process.ledger.session_id)
    return Survivor(process, node, Sweeper(process.database, process.ledger, node, CATALOGUE, folder))


async def _dead_node(database: Database, folder: Path, session: Any = None) -> str:
    """The document of a process whose lock is free."""
    node = new_id("node")
    lock = folder / "nodes" / f"{node}.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    await nodes.register(database, nodes.new_node(node, socket.gethostname(), str(lock), session or _session(), now()))
    return node


def _session() -> Document:
    return {"id": Binary(os.urandom(16), UUID_SUBTYPE)}


async def _abandon(
    ledger: Ledger,
    node: str,
    *,
    delivered: int,
    micro: int = 10**9,
    budgets: Sequence[Budget] = (),
    quota: Quota | None = None,
    model: str = MODEL.id,
) -> Left:
    """Begin a generation and come as far as a checkpoint of so many completion tokens, as `hub/generation.py` does."""
    user = await make_wallet(ledger, micro)
    stream = Stream(new_id("chat"), user, MODEL.id, None, new_id("msg"))
    key = IdempotencyKey.of(user, "key", "POST", "/api/chat/completions", {})
    job = Job(stream, MODEL, [], 10, 100, {}, True, "smart_ai_hub", "/ws", [], False, key)
    start = opening(job)
    owned = {"node": node, "stream": stream.id, "message": stream.message}
    hold = replace(place(user, HELD, **owned, budgets=budgets, quota=quota), model=model)
    counted = [OpenBudget(user, budget.key, budget.period) for budget in budgets]
    await ledger.commit(Operation(new_id("key"), budgets=counted))
    await ledger.commit(Operation(f"place:{hold.hold}", holds=[hold], inserts=start.inserts, updates=start.updates))
    if delivered:
        stream.deltas += [Delta("Hello "), Delta("there")]
        extension = ExtendHold(hold.hold, user, 0)
        await ledger.commit(Operation(new_id("extend"), holds=[extension], updates=[checkpoint(job, delivered)[0]]))
    return Left(user, hold.hold, stream.id, key.id)


async def _message(database: Database, left: Left) -> Document:
    message = await conversations.message_of_stream(database, left.stream)
    assert message is not None
    return message


async def _failures(database: Database, left: Left) -> list[Document]:
    return await database["events"].find({"channel": f"user:{left.user}", "type": "chat.failed"}, limit=10)


@pytest.mark.parametrize("model", [MODEL.id, "gone from the catalogue"])
@pytest.mark.parametrize(("delivered", "counted"), [(7, 1), (0, 0)])
async def test_what_a_dead_node_did_not_deliver_does_not_count(
    database: Database, tmp_path: Path, model: str, delivered: int, counted: int
) -> None:
    quota = quota_of(load_plans(), "free", "UTC")
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        node = await _dead_node(database, tmp_path)
        left = await _abandon(process.ledger, node, delivered=delivered, quota=quota, model=model)
        assert await survivor.sweeper.sweep() == 1
        await survivor.node.close()
    wallet = await wallets.wallet(database, left.user)
    assert wallet is not None
    assert [wallet["quota"][period]["used"] for period in PERIODS] == [counted] * 3


async def test_a_dead_nodes_hold_is_settled_at_its_checkpoint(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        node = await _dead_node(database, tmp_path)
        left = await _abandon(process.ledger, node, delivered=7)
        assert await survivor.sweeper.sweep() == 1
        await survivor.node.close()
    charge = charge_micro(MODEL, 10, 7)
    entry = (await entries(database, left.user))[-1]
    assert (entry["amount"], entry["operation"], entry["metadata"]["interrupted"]) == (-charge, left.hold, True)
    assert [entry["metadata"][name] for name in ("model", "provider", "tokens")] == [MODEL.id, MODEL.provider, 17]
    (day,) = await database[USAGE_DAYS].find({}, limit=10)
    assert (day["user"], day["model"], day["requests"], day["tokens"], day["charged"]) == (
        *(left.user, MODEL.id, 1, 17, charge),
    )
    assert day["broken"] == 1 and "timed" not in day, "how long the process was dead says nothing of the model"
    (row,) = await database[USAGE].find({}, limit=10)
    assert (row["endpoint"], row["status"]) == ("/ws", "interrupted")
    message = await _message(database, left)
    assert (message["status"], message["content"], message["lengths"]) == ("interrupted", "Hello there", [6, 5])
    assert message["receipt"]["charged"] == charge and message["receipt"]["released"] == HELD - charge
    (event,) = await _failures(database, left)
    assert event["data"]["error"]["code"] == Code.UNAVAILABLE and event["data"]["stream_id"] == left.stream
    record = await idempotency.record(database, left.key)
    assert record is not None and record["status"] == "done"
    assert await wallets.holds_open(database) == 0
    assert await nodes.others(database, "", 10) == [] and not list((tmp_path / "nodes").iterdir())
    assert await differences(database) == []


async def test_what_a_dead_node_held_of_budgets_is_spent_or_free(database: Database, tmp_path: Path) -> None:
    budgets = (Budget("key_1", HELD, "total"), Budget("proj_1", None, "total", project=3))
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        node = await _dead_node(database, tmp_path)
        left = await _abandon(process.ledger, node, delivered=7, budgets=budgets)
        before = await wallets.wallet(database, left.user)
        assert before is not None and [counters["held"] for counters in before["budgets"].values()] == [HELD, HELD]
        assert await differences(database) == []
        assert await survivor.sweeper.sweep() == 1
        await survivor.node.close()
    wallet = await wallets.wallet(database, left.user)
    assert wallet is not None
    counted = [(counters["held"], counters["spent"]["amount"]) for counters in wallet["budgets"].values()]
    assert counted == [(0, charge_micro(MODEL, 10, 7))] * 2
    told = (await entries(database, left.user))[-1]["metadata"]
    assert (told["key"], told["project"]) == ("key_1", 3)
    (row,) = await database[USAGE].find({"user": left.user}, limit=2)
    assert (row["project"], row["charged"]) == (3, charge_micro(MODEL, 10, 7))
    assert await differences(database) == []


async def test_a_hold_of_an_earlier_version_counts_against_its_only_budget(database: Database, tmp_path: Path) -> None:
    kept = {"key": "key_1", "limit": HELD, "period": "total"}
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        node = await _dead_node(database, tmp_path)
        left = await _abandon(process.ledger, node, delivered=7, budgets=[Budget("key_1", HELD, "total")])
        older = {"$set": {"budget": kept}, "$unset": {"budgets": 1}}
        assert await database["holds"].update_one({"_id": left.hold}, older)
        assert await differences(database) == []
        assert await survivor.sweeper.sweep() == 1
        await survivor.node.close()
    wallet = await wallets.wallet(database, left.user)
    assert wallet is not None
    counters = wallet["budgets"]["key_1"]
    assert (counters["held"], counters["spent"]["amount"]) == (0, charge_micro(MODEL, 10, 7))
    assert await differences(database) == []


async def test_a_hold_without_delivery_is_released(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        left = await _abandon(process.ledger, await _dead_node(database, tmp_path), delivered=0)
        assert await survivor.sweeper.sweep() == 1
        await survivor.node.close()
    assert len(await entries(database, left.user)) == 1
    assert (await _message(database, left))["status"] == "interrupted"
    assert len(await _failures(database, left)) == 1
    assert await idempotency.record(database, left.key) is None  # the same key may try again
    (day,) = await database[USAGE_DAYS].find({}, limit=10)
    assert (day["user"], day["model"], day["fruitless"], "requests" in day) == (left.user, MODEL.id, 1, False)
    assert await differences(database) == []


async def test_a_checkpoint_beyond_the_hold_charges_the_hold(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        left = await _abandon(process.ledger, await _dead_node(database, tmp_path), delivered=7, micro=50)
        await survivor.sweeper.sweep()
        await survivor.node.close()
        assert (await process.ledger.wallet(left.user)).credits == 0


async def test_the_living_keep_their_holds(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor, other = await _survivor(process, tmp_path), await _survivor(process, tmp_path)
        await _abandon(process.ledger, other.node.id, delivered=7)
        await _abandon(process.ledger, survivor.node.id, delivered=7)
        assert await survivor.sweeper.sweep() == 0
        await other.node.close()
        assert await survivor.sweeper.sweep() == 1  # an owner without a document
        await survivor.node.close()
    assert await wallets.holds_open(database) == 1


async def test_a_lock_that_cannot_be_seen_proves_nothing(database: Database, tmp_path: Path) -> None:
    """Containers may have one name and a folder each: then only the heartbeat tells."""
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        node = await _dead_node(database, tmp_path)
        (tmp_path / "nodes" / f"{node}.lock").unlink()
        assert await survivor.node.dead_others() == []
        await nodes.beat(database, node, now().replace(year=2020))
        assert [document["_id"] for document in await survivor.node.dead_others()] == [node]
        await survivor.node.close()


async def test_a_held_lock_proves_life_whatever_the_heartbeat(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        node = await _dead_node(database, tmp_path)
        await nodes.beat(database, node, now().replace(year=2020))
        with (tmp_path / "nodes" / f"{node}.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert await survivor.node.dead_others() == []
        assert len(await survivor.node.dead_others()) == 1
        await survivor.node.close()


async def test_an_expired_hold_is_settled_whoever_owns_it(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        await _abandon(process.ledger, survivor.node.id, delivered=7)
        assert await survivor.sweeper.sweep() == 0
        await database["holds"].update_many({}, {"$set": {"expires_at": now().replace(year=2020)}})
        assert await survivor.sweeper.sweep() == 1
        await survivor.node.close()


async def test_two_sweepers_meet_at_one_hold(database: Database, mongod_uri: str, tmp_path: Path) -> None:
    async with running(database) as process, another_database(mongod_uri, database.name) as far, running(far) as second:
        survivors = [await _survivor(process, tmp_path), await _survivor(second, tmp_path)]
        node = await _dead_node(database, tmp_path)
        left = [await _abandon(process.ledger, node, delivered=7) for _ in range(8)]
        await asyncio.gather(*(survivor.sweeper.sweep() for survivor in survivors))
        for survivor in survivors:
            await survivor.node.close()
    for each in left:
        assert [entry["amount"] for entry in await entries(database, each.user)][1:] == [-charge_micro(MODEL, 10, 7)]
        assert len(await _failures(database, each)) == 1
    assert await wallets.holds_open(database) == 0 and await differences(database) == []


async def test_a_hold_that_cannot_be_settled_stops_no_other(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        node = await _dead_node(database, tmp_path)
        stuck, left = [await _abandon(process.ledger, node, delivered=7) for _ in range(2)]
        wallet = await database["wallets"].find_one({"_id": stuck.user})
        await database["wallets"].delete_one({"_id": stuck.user})
        assert await survivor.sweeper.sweep() == 1
        assert (await _message(database, left))["status"] == "interrupted"
        assert wallet is not None
        await database["wallets"].insert_one(wallet)
        assert await survivor.sweeper.sweep() == 1
        assert [row["_id"] for row in await nodes.others(database, "", 10)] == [survivor.node.id]
        await survivor.node.close()


async def test_a_dead_processs_open_transaction_is_ended(database: Database, mongod_uri: str, tmp_path: Path) -> None:
    async with another_database(mongod_uri, database.name) as far, running(database) as process:
        survivor = await _survivor(process, tmp_path)
        user = await make_wallet(process.ledger, 100)
        session = far.new_session()
        touched, over = asyncio.Event(), asyncio.Event()

        async def hang(transaction: Transaction) -> None:
            await transaction.update("wallets", [({"_id": user}, {"$set": {"points": 5}})])
            touched.set()
            await over.wait()

        hanging = asyncio.gather(far.transaction(hang, session=session), return_exceptions=True)
        await touched.wait()
        await _dead_node(database, tmp_path, session.session_id)
        paying = asyncio.gather(result(process.ledger, debit(user, 1)))
        await asyncio.wait([paying], timeout=0.5)
        assert not paying.done()
        assert len(await survivor.sweeper.unlock()) == 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert list(await paying) == ["ok"]
        hanging.cancel()
        await asyncio.wait([hanging])
        await session.end_session()
        await survivor.node.close()
        state = await process.ledger.wallet(user)
        assert (state.credits, state.points) == (99, 0)


async def test_a_node_that_was_declared_dead_registers_again(database: Database, tmp_path: Path) -> None:
    async with running(database) as process:
        survivor = await _survivor(process, tmp_path)
        await nodes.remove(database, survivor.node.id)
        await survivor.node.beat()
        assert await nodes.existing(database, [survivor.node.id])
        await survivor.node.close()
    assert not await nodes.others(database, "", 10)
