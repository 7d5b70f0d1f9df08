"""Announcements: what administrators tell everybody.

`{_id: ann_..., title, message, level, author, created_at, expires_at, ended_at}`: `level` is info, warning or critical;
`expires_at` and `ended_at` are None where there is no such moment. An announcement is shown while it has not ended.
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import NEWEST_FIRST, Database, Document, Transaction

ANNOUNCEMENTS = "announcements"
LEVELS = ("info", "warning", "critical")
SHAPES = (CollectionShape(ANNOUNCEMENTS, indexes=(Index([("ended_at", 1), ("created_at", -1)]),)),)


def new_announcement(
    announcement_id: str,
    title: str,
    message: str,
    level: str,
    author: str,
    moment: datetime,
    expires_at: datetime | None,
) -> Document:
    return {
        "_id": announcement_id,
        "title": title,
        "message": message,
        "level": level,
        "author": author,
        "created_at": moment,
        "expires_at": expires_at,
        "ended_at": None,
    }


async def active(database: Database, moment: datetime, limit: int) -> list[Document]:
    """Those that are shown, the newest first."""
    query: Document = {"ended_at": None, "$or": [{"expires_at": None}, {"expires_at": {"$gt": moment}}]}
    return await database[ANNOUNCEMENTS].find(query, sort=NEWEST_FIRST, limit=limit)


async def page(database: Database, *, skip: int, limit: int) -> tuple[list[Document], int]:
    """All there ever were, the newest first."""
    return await database[ANNOUNCEMENTS].page({}, skip=skip, limit=limit, sort=[("_id", -1)])


async def within(transaction: Transaction, announcement_id: str) -> Document | None:
    found = await transaction.find(ANNOUNCEMENTS, {"_id": {"$eq": announcement_id}})
    return found[0] if found else None
