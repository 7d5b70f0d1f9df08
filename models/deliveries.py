"""Webhook deliveries: an event on its way to an endpoint, one document each; they stay as the endpoint's log.

`{_id: dlv_..., endpoint, seq, webhook_id, event, body, status, tries, scheduled, attempts, event_at, created_at,
ended_at?, hops?}`: `webhook_id` is the header of that name, the same for each attempt and replay of an event; `event` its
public name; `body` the exact text that is signed. `seq` numbers an endpoint's deliveries in the order in which they are
sent; a test has none. `attempts` are the last `outgoing.DELIVERY_ATTEMPTS_KEPT`, each `{at, status, duration_ms, answer,
error}`, `tries` counts all, `scheduled` those that were no wish of its owner's. `hops` is how many workflows led to the
event, where any did.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from config import outgoing
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction, by_age

DELIVERIES = "deliveries"
WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
DEAD: Final = "dead"
STATUSES: Final = (WAITING, DELIVERED, DEAD)
SHAPES = (
    CollectionShape(
        DELIVERIES,
        indexes=(
            Index([("endpoint", 1), ("seq", 1)], only_where={"status": WAITING}),
            Index([("endpoint", 1), ("created_at", -1), ("_id", -1)]),
            Index([("endpoint", 1), ("status", 1), ("created_at", -1), ("_id", -1)]),
            Index([("created_at", 1)], expire_after_seconds=outgoing.DELIVERY_DAYS * 86_400),
        ),
    ),
)


def new_delivery(
    delivery_id: str,
    endpoint: Document,
    seq: int | None,
    webhook_id: str,
    event: str,
    body: str,
    event_at: datetime,
    moment: datetime,
    hops: int = 0,
) -> Document:
    return {
        "_id": delivery_id,
        "endpoint": endpoint["_id"],
        "seq": seq,
        "webhook_id": webhook_id,
        "event": event,
        "body": body,
        "status": WAITING if seq is not None else DEAD,
        "tries": 0,
        "scheduled": 0,
        "attempts": [],
        "event_at": event_at,
        "created_at": moment,
        **({"hops": hops} if hops else {}),
    }


def attempted(delivery_id: str, status: str, attempt: Document, *, scheduled: bool = True) -> tuple[Document, Document]:
    """The query and the update that note an attempt, and what has become of the delivery by it.

    What is not `scheduled` leaves the retries as they are. What was delivered stays so, and what was given up waits no
    more: a turn that lost its claim may come late.
    """
    ended = {} if status == WAITING else {"ended_at": attempt["at"]}
    kept = {"$each": [attempt], "$slice": -outgoing.DELIVERY_ATTEMPTS_KEPT}
    counted = {"tries": 1, "scheduled": int(scheduled)}
    change = {"$set": {"status": status, **ended}, "$inc": counted, "$push": {"attempts": kept}}
    query: Document = {"_id": delivery_id}
    unless: dict[str, Document] = {WAITING: {"status": WAITING}, DEAD: {"status": {"$ne": DELIVERED}}}
    return query | unless.get(status, {}), change


async def record(database: Database, attempts: Sequence[tuple[Document, Document]]) -> None:
    """Write what `attempted` made."""
    await database[DELIVERIES].update_each(attempts)


async def add(database: Database, delivery: Document) -> None:
    await database[DELIVERIES].insert_one(delivery)


async def first_waiting(database: Database, endpoint: str, after: int, limit: int) -> list[Document]:
    """The next ones of an endpoint beyond number `after`, in the order in which they are to be sent."""
    query = {"endpoint": {"$eq": endpoint}, "status": WAITING, "seq": {"$gt": after}}
    return await database[DELIVERIES].find(query, sort=[("seq", 1)], limit=limit)


async def stored_within(transaction: Transaction, ids: Sequence[str]) -> set[str]:
    """Which of these there are."""
    return {found["_id"] for found in await transaction.find(DELIVERIES, {"_id": {"$in": list(ids)}}, {"_id": 1})}


async def page(
    database: Database, endpoint: str, status: str | None, *, newest_first: bool, skip: int, limit: int
) -> tuple[list[Document], int]:
    """An endpoint's log without the bodies, of one status or of all, and how many there are in all."""
    query: dict[str, Any] = {"endpoint": {"$eq": endpoint}} | ({} if status is None else {"status": {"$eq": status}})
    order = by_age(newest_first)
    return await database[DELIVERIES].page(query, skip=skip, limit=limit, sort=order, projection={"body": 0})


async def by_id(database: Database, endpoint: str, delivery_id: str) -> Document | None:
    """None for another endpoint's."""
    return await database[DELIVERIES].find_one({"_id": {"$eq": delivery_id}, "endpoint": {"$eq": endpoint}})


async def forget(database: Database, endpoint: str) -> None:
    """Remove what an endpoint had, which is there no more."""
    await database[DELIVERIES].delete_many({"endpoint": {"$eq": endpoint}})
