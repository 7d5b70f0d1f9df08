"""Idempotency records: `{_id: user:key, hash, status: running | done, stream?, payment?, reply?, created_at}`, kept 7 days.

Written in the transaction of what they guard, so that a record and its effect exist together or not at all.
"""

from config import limits
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

IDEMPOTENCY = "idempotency"

SHAPES = (
    CollectionShape(
        IDEMPOTENCY,
        indexes=(Index([("created_at", 1)], expire_after_seconds=limits.IDEMPOTENCY_DAYS * 86_400),),
    ),
)


async def record(database: Database, record_id: str) -> Document | None:
    return await database[IDEMPOTENCY].find_one({"_id": {"$eq": record_id}})
