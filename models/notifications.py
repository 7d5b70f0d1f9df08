"""Notifications: `{_id: notif_..., user, type, category, title, message, read, created_at}`."""

from collections.abc import Sequence
from datetime import datetime

from models.database import CollectionShape, Database, Document, Index

NOTIFICATIONS = "notifications"
SHAPES = (
    CollectionShape(
        NOTIFICATIONS, indexes=(Index([("user", 1), ("created_at", -1)]), Index([("user", 1), ("read", 1)]))
    ),
)


def new_notification(
    notification_id: str, user: str, kind: str, category: str, title: str, message: str, moment: datetime
) -> Document:
    return {
        "_id": notification_id,
        "user": user,
        "type": kind,
        "category": category,
        "title": title,
        "message": message,
        "read": False,
        "created_at": moment,
    }


async def latest(database: Database, user: str, *, limit: int, before: str | None = None) -> list[Document]:
    """Newest first; `before` is the id of the last one already seen (ids are in the order of time)."""
    query: Document = {"user": {"$eq": user}}
    if before is not None:
        query["_id"] = {"$lt": before}
    return await database[NOTIFICATIONS].find(query, sort=[("_id", -1)], limit=limit)


async def unread(database: Database, user: str) -> int:
    return await database[NOTIFICATIONS].count({"user": {"$eq": user}, "read": False})


async def unread_ids(database: Database, user: str, *, ids: Sequence[str] | None, limit: int) -> list[str]:
    """Which of these (or, with None, of all) are unread; at most `limit`."""
    query: Document = {"user": {"$eq": user}, "read": False}
    if ids is not None:
        query["_id"] = {"$in": list(ids)}
    found = await database[NOTIFICATIONS].find(query, projection={"_id": 1}, limit=limit)
    return [document["_id"] for document in found]
