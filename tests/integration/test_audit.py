"""The auditor names exactly what was tampered with, and blames nobody who only works at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from config import limits
from hub.audit import DriftMonitor
from hub.ledger import Ledger
from hub.operations import Operation, PlaceHold
from models.clock import now
from models.database import Database
from tests.factories import make_wallet
from tests.ledger_parts import debit, differences, place, results, running
from tests.patience import until
from tests.site import Site

pytestmark = pytest.mark.gen_test

Tamper = Callable[[Database, str], Awaitable[object]]


def _change(collection: str, query: dict[str, object], change: dict[str, object]) -> Tamper:
    """Change one document of a user's, behind the ledger's back."""
    field = "_id" if collection == "wallets" else "wallet"
    return lambda database, user: database[collection].update_one({field: user, **query}, change)


_COUNTERS = {"held": 1, "spent": {"period": "total", "of": "total", "amount": 0}}
TAMPERED: dict[str, Tamper] = {
    "a balance": _change("wallets", {}, {"$inc": {"credits": 1}}),
    "points": _change("wallets", {}, {"$inc": {"points": 1}}),
    "what is held": _change("wallets", {}, {"$inc": {"credits_held": 1}}),
    "the head": _change("wallets", {}, {"$set": {"head": "0" * 64}}),
    "the last number": _change("wallets", {}, {"$inc": {"seq": 1}}),
    "a hash": _change("entries", {"seq": 2}, {"$set": {"hash": "f" * 64}}),
    "an amount": _change("entries", {"seq": 2}, {"$inc": {"amount": 1}}),
    "a description": _change("entries", {"seq": 2}, {"$set": {"description": "something else"}}),
    "a time": _change("entries", {"seq": 2}, {"$set": {"created_at": now()}}),
    "what a budget holds": _change("wallets", {}, {"$set": {"budgets": {"key_1": _COUNTERS}}}),
    "a hold": _change("holds", {}, {"$inc": {"amount": 1}}),
    "the first entry gone": lambda database, user: database["entries"].delete_one({"wallet": user, "seq": 1}),
    "a middle entry gone": lambda database, user: database["entries"].delete_one({"wallet": user, "seq": 2}),
    "the last entry gone": lambda database, user: database["entries"].delete_one({"wallet": user, "seq": 4}),
    "a hold gone": lambda database, user: database["holds"].delete_one({"wallet": user}),
}


async def _used_wallet(ledger: Ledger) -> str:
    """A wallet with four entries and an open hold."""
    user = await make_wallet(ledger, 1_000)
    for _ in range(3):
        await ledger.commit(debit(user, 7))
    hold = place(user, 100)
    await ledger.commit(_placing(hold))
    return user


def _placing(hold: PlaceHold) -> Operation:
    return Operation(f"place:{hold.hold}", holds=[hold])


async def test_each_tampered_wallet_is_named_and_no_other(database: Database) -> None:
    async with running(database) as process:
        users = {what: await _used_wallet(process.ledger) for what in TAMPERED}
        for _ in range(3):
            await _used_wallet(process.ledger)
    assert await differences(database) == []
    for what, tamper in TAMPERED.items():
        await tamper(database, users[what])
    named = {difference.wallet for difference in await differences(database)}
    assert {what for what, user in users.items() if user in named} == TAMPERED.keys()
    assert named == set(users.values())


async def _work(ledger: Ledger, users: list[str], random: Random) -> None:
    """Pay, hold and settle, for ever."""
    while True:
        user = random.choice(users)
        async with ledger.hold(place(user, 20)) as hold:
            await results(ledger, [debit(user, 1), debit(random.choice(users), 1)])
            await hold.settle(random.randrange(20), "usage", {})


async def test_work_under_way_is_no_difference(database: Database) -> None:
    async with running(database) as process:
        users = [await make_wallet(process.ledger, 10**9) for _ in range(5)]
        monitor = DriftMonitor(database)
        workers = [process.tasks.start(_work(process.ledger, users, Random(n)), "worker") for n in range(20)]
        for _ in range(10):
            assert await differences(database) == []
            assert await monitor.check() == 0
        assert not any(worker.done() for worker in workers)
        for worker in workers:
            worker.cancel()
        await asyncio.wait(workers)
    assert await differences(database) == []


async def test_a_busy_wallets_false_balance_is_found(database: Database) -> None:
    async with running(database) as process:
        user = await make_wallet(process.ledger, 10**9)
        await database["wallets"].update_one({"_id": user}, {"$inc": {"credits": 1, "version": 1}})
        worker = process.tasks.start(_work(process.ledger, [user], Random(1)), "worker")
        for _ in range(5):
            assert {difference.wallet for difference in await differences(database)} == {user}
        worker.cancel()
        await asyncio.wait([worker])


async def test_the_monitor_finds_a_false_balance_at_the_next_pass_or_the_full_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(database) as process:
        monitor = DriftMonitor(database)
        loud, quiet, _ = [await make_wallet(process.ledger, 100) for _ in range(3)]
        assert await monitor.check() == 0
        await database["wallets"].update_one({"_id": loud}, {"$inc": {"credits": 1}, "$set": {"updated_at": now()}})
        assert await monitor.check() == 1 and monitor.drifting == {loud}
        longer_ago = {"$inc": {"credits": 1}, "$set": {"updated_at": now().replace(year=2020)}}
        await database["wallets"].update_one({"_id": quiet}, longer_ago)
        assert await monitor.check() == 1
        monkeypatch.setattr(limits, "DRIFT_FULL_SECONDS", -1)
        assert await monitor.check() == 2 and monitor.drifting == {loud, quiet}
        for user in (loud, quiet):
            await database["wallets"].update_one({"_id": user}, {"$inc": {"credits": -1}})
        assert await monitor.check() == 0


@pytest.fixture
def watchful_site(serve: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A served hub that looks for drift all the time."""
    monkeypatch.setattr(limits, "DRIFT_SECONDS", 0.05)
    return serve(HUB_RATE_LIMITS="off")


async def test_the_metrics_count_the_wallets_that_drift(watchful_site: Site) -> None:
    user = (await watchful_site.register())["data"]["user"]["id"]
    books = watchful_site.services.database["wallets"]

    async def shown(wallets: int) -> bool:
        """Whether `/metrics` says so many."""
        answer = await watchful_site.client().raw("GET", "/metrics")
        return f"\nhub_ledger_drift_wallets {wallets}.0\n".encode() in answer.body

    await until(lambda: shown(0))
    await books.update_one({"_id": user}, {"$inc": {"credits": 1}, "$set": {"updated_at": now()}})
    await until(lambda: shown(1))
    assert watchful_site.services.metrics.drifting == 1
    await books.update_one({"_id": user}, {"$inc": {"credits": -1}, "$set": {"updated_at": now()}})
    await until(lambda: shown(0))


async def test_an_operation_that_waited_long_is_summed_all_the_same(database: Database) -> None:
    """A settlement may repeat itself for minutes; the wallet's `updated_at` is that of the write."""
    async with running(database) as process:
        user = await make_wallet(process.ledger, 100)
        late = debit(user, 1)
        late.created_at = now().replace(year=2020)
        started = now()
        await process.ledger.commit(late)
        wallet = await database["wallets"].find_one({"_id": user})
        assert wallet is not None and wallet["updated_at"] >= started
        assert await differences(database) == []
