"""Webhook queues: how far an endpoint's deliveries have come, and who sends them now.

`{_id: wh_..., owner, seq, done, dropped, full, due_at, head_at, claim, node, claimed_until, failing_since, last_delivery}`:
`seq` is the number of the newest delivery and `done` that of the last one that has ended, so that `seq - done` wait.
`due_at` is when the first of them is to be tried, None where nothing is, and `head_at` when its event happened, or one
shortly before it. A claim is the fencing token of one turn: who lost it changes nothing here. `dropped` counts events
that found the queue full; `full` says that its owner was told of that, since it was at rest.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from models.claims import FREE, NEVER, unclaimed, until
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

WEBHOOK_QUEUES = "webhook_queues"
SHAPES = (CollectionShape(WEBHOOK_QUEUES, indexes=(Index([("due_at", 1)]), Index([("node", 1)]))),)


def new_queue(endpoint: str, owner: str | None) -> Document:
    return {
        "_id": endpoint,
        "owner": owner,
        "seq": 0,
        "done": 0,
        "dropped": 0,
        "full": False,
        "due_at": None,
        "head_at": None,
        **FREE,
        "failing_since": None,
        "last_delivery": None,
    }


async def within(transaction: Transaction, endpoints: Sequence[str]) -> dict[str, Document]:
    found = await transaction.find(WEBHOOK_QUEUES, {"_id": {"$in": list(endpoints)}})
    return {queue["_id"]: queue for queue in found}


async def of_endpoints(database: Database, endpoints: Sequence[str]) -> dict[str, Document]:
    found = await database[WEBHOOK_QUEUES].find({"_id": {"$in": list(endpoints)}}, limit=max(1, len(endpoints)))
    return {queue["_id"]: queue for queue in found}


async def claim(
    database: Database, claim_id: str, node: str, moment: datetime, seconds: int, but: Sequence[str]
) -> Document | None:
    """One queue that is due, of other owners than these, for this claim alone for so long; None where none is."""
    query: dict[str, Any] = {"due_at": {"$lte": moment}, **unclaimed()}
    if but:
        query["owner"] = {"$nin": list(but)}
    change = {"claim": claim_id, "node": node, "claimed_until": until(seconds)}
    return await database[WEBHOOK_QUEUES].find_one_and_update(query, [{"$set": change}])


def _mine(queue: Document) -> Document:
    return {"_id": {"$eq": queue["_id"]}, "claim": {"$eq": queue["claim"]}}


async def release(database: Database, queue: Document, changes: Document, *, if_seq: int | None = None) -> bool:
    """End a claim with these changes; False where it was lost, or (with `if_seq`) something has been queued since."""
    query = _mine(queue) | ({} if if_seq is None else {"seq": if_seq})
    return await database[WEBHOOK_QUEUES].update_one(query, {"$set": {**changes, **FREE}})


async def renew(database: Database, queue: Document, changes: Document, seconds: int) -> Document | None:
    """The queue with these changes, claimed for so long again; None where the claim was lost."""
    literal = {name: {"$literal": value} for name, value in changes.items()}
    change = {**literal, "claimed_until": until(seconds)}
    return await database[WEBHOOK_QUEUES].find_one_and_update(_mine(queue), [{"$set": change}])


async def release_of(database: Database, nodes: Sequence[str]) -> None:
    """End the claims of dead nodes."""
    await database[WEBHOOK_QUEUES].update_many({"node": {"$in": list(nodes)}}, {"$set": FREE})


async def due(database: Database, endpoint: str, moment: datetime) -> None:
    """Have an endpoint's queue looked at."""
    await database[WEBHOOK_QUEUES].update_one({"_id": {"$eq": endpoint}}, {"$set": {"due_at": moment}})


def started_anew(moment: datetime) -> Document:
    """The change of the queue of an endpoint that is switched on again: what waits is due, what failed is forgotten."""
    return {"$set": {"due_at": moment, "failing_since": None, "dropped": 0, "full": False}}


async def remove(database: Database, endpoint: str) -> None:
    await database[WEBHOOK_QUEUES].delete_one({"_id": {"$eq": endpoint}})


async def waiting(database: Database) -> tuple[int, datetime | None]:
    """How many deliveries wait of all queues that are being sent, and when the oldest event of these happened."""
    sent = {"$match": {"due_at": {"$gt": NEVER}}}
    total = {"_id": None, "waiting": {"$sum": {"$subtract": ["$seq", "$done"]}}, "oldest": {"$min": "$head_at"}}
    found = await database[WEBHOOK_QUEUES].aggregate([sent, {"$group": total}])
    return (int(found[0]["waiting"]), found[0]["oldest"]) if found else (0, None)
