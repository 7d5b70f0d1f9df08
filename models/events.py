"""Events: what happened to a user, in order. Append-only; written by the ledger's transactions, read for recovery.

`{channel, epoch, offset, type, data, created_at}`; offsets of a channel have no gap within an epoch. The same rows are
the outbox for webhooks, mail and browser push. Kept 7 days.
"""

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
        ),
    ),
)


async def after(database: Database, channel: str, epoch: str, offset: int, limit: int) -> list[Document]:
    """At most `limit` events of a channel beyond `offset`, oldest first."""
    query = {"channel": {"$eq": channel}, "epoch": {"$eq": epoch}, "offset": {"$gt": offset}}
    return await database[EVENTS].find(query, sort=[("offset", 1)], limit=limit)
