"""What a process wrote last spares it reading; it never decides against what the database says."""

import asyncio

import pytest

from config import limits
from hub.errors import Code, HubError
from models.database import Database, Document, Query, Transaction
from tests.factories import grant, make_wallet
from tests.ledger_parts import another_database, debit, differences, place, result, running
from tests.patience import until

pytestmark = pytest.mark.gen_test


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What transactions read: the collection, and the ids where it is by these."""
    reads: list[tuple[str, list[str]]] = []
    find = Transaction.find

    async def counted(
        self: Transaction, collection: str, query: Query, projection: Query | None = None
    ) -> list[Document]:
        reads.append((collection, list(query.get("_id", {}).get("$in", ()))))
        return await find(self, collection, query, projection)

    monkeypatch.setattr(Transaction, "find", counted)
    return reads


async def test_a_wallet_written_last_is_not_read_again(database: Database, reads: list[tuple[str, list[str]]]) -> None:
    async with running(database) as process:
        user = await make_wallet(process.ledger, 100)
        async with process.ledger.hold(place(user, 50)) as hold:
            await hold.extend(10, [], 100)
            await hold.settle(20, "usage", {})
    assert not [collection for collection, _ in reads if collection in ("wallets", "holds")]
    assert await differences(database) == []


async def test_a_wallet_that_others_write_too_is_read_each_time_until_they_leave_it_alone(
    database: Database, mongod_uri: str, reads: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one busy account does not make the groups of a process fail again and again, with all others in them."""
    monkeypatch.setattr(limits, "WALLET_SHARED_SECONDS", 0.5)
    async with running(database) as process, another_database(mongod_uri, database.name) as other:
        shared, calm = [await make_wallet(process.ledger, 100) for _ in range(2)]

        async def both() -> None:
            await asyncio.gather(process.ledger.commit(debit(shared, 1)), process.ledger.commit(debit(calm, 1)))

        async with running(other) as elsewhere:
            for _ in range(2):
                await elsewhere.ledger.commit(debit(shared, 1))
                await both()
            reads.clear()
            for _ in range(3):
                await elsewhere.ledger.commit(debit(shared, 1))
                await both()
        ours = [ids for _, ids in reads if calm in ids]
        assert ours == [], "who is ours alone is still known"
        assert len(reads) == 6, "each process read the shared wallet once for each of its groups: none was repeated"

        async def is_ours_again() -> bool:
            reads.clear()
            await process.ledger.commit(debit(shared, 1))
            return not reads

        await until(is_ours_again)
    assert await differences(database) == []


async def test_a_refusal_is_asked_of_the_database_first(database: Database, mongod_uri: str) -> None:
    async with running(database) as process, another_database(mongod_uri, database.name) as other:
        user = await make_wallet(process.ledger, 10)
        async with running(other) as elsewhere:
            await grant(elsewhere.ledger, user, 90)
        assert await result(process.ledger, debit(user, 60)) == "ok"
        assert await result(process.ledger, debit(user, 60)) is Code.INSUFFICIENT_CREDITS
        assert (await process.ledger.wallet(user)).credits == 40
    assert await differences(database) == []


async def test_what_another_process_spent_is_not_spent_again(database: Database, mongod_uri: str) -> None:
    async with running(database) as process, another_database(mongod_uri, database.name) as other:
        user = await make_wallet(process.ledger, 100)
        async with running(other) as elsewhere:
            await result(elsewhere.ledger, debit(user, 80))
        assert await result(process.ledger, debit(user, 80)) is Code.INSUFFICIENT_CREDITS
        with pytest.raises(HubError):
            async with process.ledger.hold(place(user, 80, at_least=80)):
                pass
        assert await result(process.ledger, debit(user, 20)) == "ok"
        assert (await process.ledger.wallet(user)).credits == 0
    assert await differences(database) == []
