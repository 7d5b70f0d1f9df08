"""The ledger against the real database: no overspending, holds, twins, two processes on one wallet, events in order."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from tornado.ioloop import IOLoop

from config import limits
from hub.errors import Code, HubError
from hub.ledger import Ledger, Undo
from hub.operations import Delete, Insert, Leg, Operation, SettleHold
from models import events, wallets
from models.database import Database, Document, Transaction
from tests.factories import grant, make_wallet
from tests.ledger_parts import Process, another_database, debit, differences, entries, place, result, results, running
from tests.patience import until

pytestmark = pytest.mark.gen_test


@pytest.fixture
def process(io_loop: IOLoop, database: Database) -> Iterator[Process]:
    context = running(database)
    process = io_loop.run_sync(context.__aenter__)
    yield process
    assert io_loop.run_sync(lambda: differences(database)) == []
    io_loop.run_sync(lambda: context.__aexit__(None, None, None))


@pytest.fixture
def ledger(process: Process) -> Ledger:
    return process.ledger


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries each run of a transaction's body inserted."""
    runs: list[int] = []
    insert = Transaction.insert

    async def counted(self: Transaction, collection: str, documents: Sequence[Document]) -> None:
        if collection == wallets.ENTRIES:
            runs.append(len(documents))
        await insert(self, collection, documents)

    monkeypatch.setattr(Transaction, "insert", counted)
    return runs


async def test_of_64_debits_of_7_exactly_14_find_their_money(ledger: Ledger, database: Database) -> None:
    user = await make_wallet(ledger, 100)
    ended = Counter(await results(ledger, [debit(user, 7) for _ in range(64)]))
    assert ended == {"ok": 14, Code.INSUFFICIENT_CREDITS: 50}
    assert (await ledger.wallet(user)).credits == 2
    assert [entry["balance_after"] for entry in await entries(database, user)] == [100 - 7 * n for n in range(15)]


async def test_a_hold_is_placed_extended_and_settled(ledger: Ledger, database: Database) -> None:
    user = await make_wallet(ledger, 100)
    async with ledger.hold(place(user, 40)) as hold:
        assert hold.amount == 40 and (await ledger.wallet(user)).available == 60
        assert await hold.extend(500, [], 100) == 100
        receipt = await hold.settle(75, "usage", {})
    assert (receipt.hold, receipt.charged, receipt.released, receipt.balance_after) == (100, 75, 25, 25)
    state = await ledger.wallet(user)
    assert (state.credits, state.credits_held) == (25, 0)
    assert await wallets.holds_open(database) == 0


async def test_a_charge_above_the_hold_takes_what_else_there_is(ledger: Ledger) -> None:
    user = await make_wallet(ledger, 100)
    async with ledger.hold(place(user, 40)) as hold:
        assert (await hold.settle(90, "usage", {})).charged == 90
    async with ledger.hold(place(user, 1)) as hold:
        assert (await hold.settle(90, "usage", {})).charged == 10


@pytest.mark.parametrize("failure", [RuntimeError, asyncio.CancelledError])
async def test_a_hold_left_without_settlement_is_released(ledger: Ledger, failure: type[BaseException]) -> None:
    user = await make_wallet(ledger, 100)
    with pytest.raises(failure):
        async with ledger.hold(place(user, 40)):
            raise failure
    state = await ledger.wallet(user)
    assert (state.credits, state.credits_held, state.seq) == (100, 0, 1)


async def test_a_hold_that_settles_twice_makes_one_entry(ledger: Ledger, database: Database) -> None:
    user = await make_wallet(ledger, 100)
    async with ledger.hold(place(user, 40)) as hold:
        receipts = await asyncio.gather(*(hold.settle(30, "usage", {}) for _ in range(5)))
    assert {(receipt.charged, receipt.balance_after) for receipt in receipts} == {(30, 70)}
    assert (await hold.settle(30, "usage", {})).charged == 30
    assert len(await entries(database, user)) == 2


async def test_twins_in_one_batch(process: Process) -> None:
    user = await make_wallet(process.ledger, 100)
    ended = await results(process.ledger, [debit(user, 1, "payment", once=True) for _ in range(20)])
    assert Counter(ended) == {"ok": 1, Code.CONFLICT: 19}
    assert process.batches[-1] == 20


async def test_twins_in_two_processes(process: Process, database: Database, mongod_uri: str) -> None:
    user = await make_wallet(process.ledger, 1_000)
    async with another_database(mongod_uri, database.name) as other, running(other) as second:
        for number in range(20):
            twins = [debit(user, 1, f"payment:{number}", once=True) for _ in range(10)]
            ended = await asyncio.gather(results(process.ledger, twins[:5]), results(second.ledger, twins[5:]))
            assert Counter(ended[0] + ended[1]) == {"ok": 1, Code.CONFLICT: 9}
    assert (await process.ledger.wallet(user)).credits == 980


async def test_two_processes_on_one_hot_wallet(process: Process, database: Database, mongod_uri: str) -> None:
    user = await make_wallet(process.ledger, 100_000)
    async with another_database(mongod_uri, database.name) as other, running(other) as second:

        async def work(ledger: Ledger) -> list[Code | str]:
            return [code for _ in range(10) for code in await results(ledger, [debit(user, 1) for _ in range(10)])]

        ended = await asyncio.gather(work(process.ledger), work(process.ledger), work(second.ledger))
    assert Counter(code for codes in ended for code in codes) == {"ok": 300}
    assert (await process.ledger.wallet(user)).credits == 99_700


async def test_a_duplicate_that_no_one_looked_for_ends(ledger: Ledger, database: Database, bodies: list[int]) -> None:
    """The key is not named as unique, so only the index finds the twin: it must fail alone, after few tries."""
    user = await make_wallet(ledger, 100)
    await database["usage"].insert_one({"_id": "there"})
    doomed = debit(user, 1)
    doomed.inserts = [Insert("usage", {"_id": "there"})]
    bodies.clear()
    ended = await results(ledger, [*[debit(user, 1) for _ in range(7)], doomed])
    assert ended == ["ok"] * 7 + [Code.CONFLICT]
    assert Counter(bodies) == {8: 5, 4: 6, 2: 6, 1: 6}  # five tries of what fails, one of what does not
    assert (await ledger.wallet(user)).credits == 93


@pytest.mark.parametrize(
    "bad",
    [
        Insert("holds", {"_id": "hold_x", "amount": 0}),  # its validator says no
        Insert("usage", {"_id": "x", "text": "\ud800"}),  # cannot be encoded
        Insert("usage", {"_id": "x", "number": 2**63}),
        Insert("usage", lambda receipt: {"charged": receipt.charged if receipt else 1 // 0}),  # a defect of ours
    ],
    ids=["validator", "surrogate", "integer", "defect"],
)
async def test_what_cannot_be_written_fails_alone(ledger: Ledger, bad: Insert) -> None:
    user = await make_wallet(ledger, 100)
    doomed = debit(user, 1)
    doomed.inserts = [bad]
    ended = await results(ledger, [debit(user, 1), debit(user, 1), doomed, debit(user, 1), debit(user, 1)])
    assert ended == ["ok", "ok", Code.INTERNAL, "ok", "ok"]
    assert (await ledger.wallet(user)).credits == 96


async def test_a_commit_that_cannot_be_announced_stands(database: Database) -> None:
    def fail(size: int) -> None:
        raise RuntimeError(size)

    async with running(database, fail) as process:
        user = await make_wallet(process.ledger, 100)
        assert await result(process.ledger, debit(user, 1)) == "ok"
        assert (await process.ledger.wallet(user)).credits == 99


async def test_a_cancelled_caller_leaves_a_whole_operation(ledger: Ledger, database: Database) -> None:
    user = await make_wallet(ledger, 100)
    operations = [debit(user, 1, f"op{number}") for number in range(30)]
    callers = [asyncio.ensure_future(result(ledger, operation)) for operation in operations]
    for steps in range(15):
        await asyncio.sleep(0)
        callers[steps * 2].cancel()
    ended = await asyncio.gather(*callers, return_exceptions=True)
    done = {entry["operation"] for entry in await entries(database, user)}
    assert {operation.id for operation, end in zip(operations, ended, strict=True) if end == "ok"} <= done
    assert (await ledger.wallet(user)).credits == 100 - len(done & {operation.id for operation in operations})


async def test_a_hold_whose_placing_was_cut_off_is_taken_back(process: Process, database: Database) -> None:
    user = await make_wallet(process.ledger, 100)
    undo = Undo(deletes=[Delete("idempotency", {"_id": "ada:once"})])
    record = Insert("idempotency", {"_id": "ada:once", "status": "running"})

    async def hold() -> None:
        async with process.ledger.hold(place(user, 60), [record], undo=undo):
            pass

    placing = asyncio.ensure_future(hold())
    await asyncio.sleep(0)
    placing.cancel()
    await asyncio.wait([placing])
    assert placing.cancelled()
    await until(lambda: len(process.tasks) <= 1)  # the committer goes on
    assert (await process.ledger.wallet(user)).credits_held == 0
    assert await wallets.holds_open(database) == 0
    assert await database["idempotency"].count({}) == 0


async def test_the_end_of_the_committer_leaves_no_one_waiting(database: Database) -> None:
    async with running(database) as process:
        user = await make_wallet(process.ledger, 100)
        waiting = asyncio.gather(*(result(process.ledger, debit(user, 1)) for _ in range(5)))
        await asyncio.sleep(0.001)
        late = asyncio.gather(result(process.ledger, debit(user, 1)))
        await asyncio.sleep(0)
        await process.tasks.close(1)
        assert set(await waiting) <= {Code.OUTCOME_UNKNOWN, "ok"}
        assert set(await late) <= {Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN}
        assert await result(process.ledger, debit(user, 1)) is Code.UNAVAILABLE


async def test_the_queue_is_bounded(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await make_wallet(ledger, 100)
    monkeypatch.setattr(limits, "LEDGER_QUEUE_MAX", 20)
    ended = Counter(await results(ledger, [debit(user, 1) for _ in range(50)]))
    assert ended == {"ok": 20, Code.UNAVAILABLE: 30}


async def test_a_batch_is_bounded(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await make_wallet(process.ledger, 100)
    monkeypatch.setattr(limits, "BATCH_OPERATIONS_MAX", 8)
    process.batches.clear()
    assert Counter(await results(process.ledger, [debit(user, 1) for _ in range(20)])) == {"ok": 20}
    assert process.batches == [8, 8, 4]


async def test_events_have_no_gap_and_equal_what_was_published(process: Process, database: Database) -> None:
    user, other = await make_wallet(process.ledger, 30), await make_wallet(process.ledger, 1_000)
    heard = process.follow(user)
    for _ in range(6):
        await results(process.ledger, [debit(name, 2) for name in (user, other, user, other, user)])
    epoch = (await process.ledger.wallet(user)).epoch
    stored = await events.after(database, f"user:{user}", epoch, 0, 100)
    published = [publication for publication in heard if publication.kind == "event"]
    assert [row["offset"] for row in stored] == list(range(1, 16))
    assert [(row["offset"], row["epoch"], row["data"]) for row in stored] == [
        (publication.offset, publication.epoch, publication.data) for publication in published
    ]


async def test_balances_are_pushed_in_the_order_of_versions(process: Process) -> None:
    user = await make_wallet(process.ledger, 20)
    heard = process.follow(user)
    for _ in range(5):
        await results(process.ledger, [debit(user, 1) for _ in range(10)])
    pushes = [publication.data for publication in heard if publication.type == "balance"]
    assert [push["version"] for push in pushes] == [1, 2]  # the refused ones changed nothing
    assert pushes[-1]["credits"] == 0


async def test_credits_and_points_move_together_or_not_at_all(ledger: Ledger) -> None:
    user = await make_wallet(ledger, 100, points=50)

    def exchange(points: int) -> Operation:
        legs = [Leg(user, "credit", "exchange", 1, "x"), Leg(user, "point", "exchange", -points, "x")]
        return Operation(f"exchange:{points}", legs=legs)

    assert await results(ledger, [exchange(51), exchange(50)]) == [Code.INSUFFICIENT_CREDITS, "ok"]
    state = await ledger.wallet(user)
    assert (state.credits, state.points) == (101, 0)


async def test_refusals_say_what_to_do(ledger: Ledger) -> None:
    user = await make_wallet(ledger, 1)
    with pytest.raises(HubError) as refused:
        await grant(ledger, user, -2)
    assert refused.value.code is Code.INSUFFICIENT_CREDITS and not refused.value.temporary
    assert await result(ledger, Operation("h", holds=[SettleHold("hold_none", user, 1, "")])) == "gone"
