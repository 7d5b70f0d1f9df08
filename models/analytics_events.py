"""Analytics events: what a user's own programs say that happened, for that user to look up again. Nothing follows from one.

`{_id: evt_..., user, type, name, properties, created_at}`, kept 90 days; `properties` is an object of the sender's shape.
"""

from datetime import datetime

from config import limits
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

ANALYTICS_EVENTS = "analytics_events"
SHAPES = (
    CollectionShape(
        ANALYTICS_EVENTS,
        indexes=(
            Index([("user", 1), ("created_at", -1)]),
            Index([("user", 1), ("name", 1), ("created_at", -1)]),
            Index([("user", 1), ("type", 1), ("created_at", -1)]),
            Index([("created_at", 1)], expire_after_seconds=limits.ANALYTICS_EVENT_DAYS * 86_400),
        ),
    ),
)


async def add(database: Database, event: Document) -> None:
    await database[ANALYTICS_EVENTS].insert_one(event)


async def count_since(database: Database, user: str, moment: datetime, at_most: int) -> int:
    """How many of a user's there are from a moment on, counted as far as `at_most`."""
    query: Document = {"user": {"$eq": user}, "created_at": {"$gte": moment}}
    return await database[ANALYTICS_EVENTS].count(query, at_most=at_most)


async def page(
    database: Database, user: str, filters: Document, *, skip: int, limit: int
) -> tuple[list[Document], int]:
    """A user's own, newest first, and how many match in all."""
    query = {**filters, "user": {"$eq": user}}
    return await database[ANALYTICS_EVENTS].page(query, skip=skip, limit=limit)
