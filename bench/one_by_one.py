"""What the ledger's group commit is compared with: one transaction for each operation, with the same writes.

It applies operations by the ledger's own `hub/batch.py` and writes what that says, so both leave the same documents. Only
for wallets, entries, events and inserts: the kinds that the benchmark's operations have.
"""

import asyncio

from hub.batch import Batch, Outcome, Snapshot
from hub.operations import Applied, Operation
from models import wallets
from models.clock import now
from models.database import Database, Transaction

TRANSACTIONS_AT_ONCE = 48  # below the driver's pool, where a transaction too many would wait for a connection and fail


class OneByOne:
    """Commits operations each by itself, as many at once as the pool has connections for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._room = asyncio.Semaphore(TRANSACTIONS_AT_ONCE)

    async def commit(self, operation: Operation) -> Applied:
        async def body(transaction: Transaction) -> Outcome:
            return await _apply(transaction, operation)

        async with self._room, self._database.new_session() as session:
            outcome = await self._database.transaction(body, session=session)
        assert outcome.applied is not None, outcome.error
        return outcome.applied


async def _apply(transaction: Transaction, operation: Operation) -> Outcome:
    users = sorted({leg.wallet for leg in operation.legs} | {event.user for event in operation.events})
    found = await transaction.find(wallets.WALLETS, {"_id": {"$in": users}})
    batch = Batch(Snapshot({row["_id"]: row for row in found}, {}, set()), now())
    outcome = batch.apply(operation)
    writes = batch.writes()
    assert not (writes.updates or writes.deletes or writes.guarded_deletes), "a kind that is not written here"
    for collection, documents in writes.inserts.items():
        await transaction.insert(collection, documents)
    for collection, updates in writes.guarded_updates.items():
        await transaction.update(collection, updates, all_match=True)
    return outcome
