"""What a process wrote last spares it reading; it never decides against what the database says."""

import pytest

from hub.errors import Code, HubError
from models.database import Database, Transaction
from tests.factories import grant, make_wallet
from tests.ledger_parts import another_database, debit, differences, place, result, running

pytestmark = pytest.mark.gen_test


async def test_a_wallet_written_last_is_not_read_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    find = Transaction.find

    async def counted(self: Transaction, collection: str, *args: object, **options: object) -> object:
        reads.append(collection)
        return await find(self, collection, *args, **options)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(Transaction, "find", counted)
    async with running(database) as process:
        user = await make_wallet(process.ledger, 100)
        async with process.ledger.hold(place(user, 50)) as hold:
            await hold.extend(10, [], 100)
            await hold.settle(20, "usage", {})
    assert "wallets" not in reads
    assert "holds" not in reads
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
