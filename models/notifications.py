"""Notifications: `{_id: notif_..., user, type, category, title, message, read, created_at}`."""

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


async def mark_read(database: Database, user: str, ids: list[str] | None) -> int:
    """Mark these (or, with None, all) as read; how many changed."""
    query: Document = {"user": {"$eq": user}, "read": False}
    if ids is not None:
        query["_id"] = {"$in": ids}
    return await database[NOTIFICATIONS].update_many(query, {"$set": {"read": True}})
