"""Events: what happened to a user, in order. Append-only; written by the ledger's transactions, read for recovery.

`{channel, epoch, offset, type, data, created_at, hops?, pending?}`; offsets of a channel have no gap within an epoch.
`hops` is how many workflows led to it, one after the other, where any did. The same rows are the outbox of webhooks: one of
which somebody may want to hear is `pending` until its deliveries stand, which are written in the transaction that
takes the mark away. Kept 7 days.
"""

from collections.abc import Sequence, Set
from datetime import datetime

from config import limits
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

EVENTS = "events"

SHAPES = (
    CollectionShape(
        EVENTS,
        indexes=(
            Index([("channel", 1), ("epoch", 1), ("offset", 1)], unique=True),
            Index([("created_at", 1)], expire_after_seconds=limits.EVENT_DAYS * 86_400),
            Index([("channel", 1), ("created_at", 1)]),
            Index([("channel", 1), ("offset", 1)], only_where={"pending": True}),
        ),
    ),
)


async def after(database: Database, channel: str, epoch: str, offset: int, limit: int) -> list[Document]:
    """At most `limit` events of a channel beyond `offset`, oldest first."""
    query = {"channel": {"$eq": channel}, "epoch": {"$eq": epoch}, "offset": {"$gt": offset}}
    return await database[EVENTS].find(query, sort=[("offset", 1)], limit=limit)


async def pending(database: Database, after: str, limit: int) -> list[Document]:
    """At most `limit` events that wait for their deliveries, from the channel behind `after` on; of each channel the first
    ones, in its order.
    """
    query = {"pending": True, "channel": {"$gt": after}}
    return await database[EVENTS].find(query, sort=[("channel", 1), ("offset", 1)], limit=limit)


def dispatched(events: Sequence[Document]) -> list[tuple[Document, Document]]:
    """The updates that take the marks away; each must find its event still marked."""
    return [({"_id": event["_id"], "pending": True}, {"$unset": {"pending": True}}) for event in events]


async def between(
    database: Database, channel: str | None, types: Set[str], first: datetime, last: datetime, limit: int
) -> list[Document]:
    """At most `limit` events of a channel (None: of all), of these types, with `first <= created_at < last`, by time."""
    query: Document = {"created_at": {"$gte": first, "$lt": last}, "type": {"$in": sorted(types)}}
    if channel is not None:
        query["channel"] = {"$eq": channel}
    return await database[EVENTS].find(query, sort=[("created_at", 1)], limit=limit)
