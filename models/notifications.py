"""Notifications: `{_id: notif_..., user, type, category, title, message, read, media, untold?, created_at}`.

`media` are those by which its user wants to be told. `untold` are those of them that leave the hub and have not told it
yet (`hub/notices/jobs.py`); the field goes with the last one. Where `inApp` is not among the media the row is
`hidden: true`, stands in no list, and goes at `expires_at`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from config import limits
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

NOTIFICATIONS = "notifications"
SHAPES = (
    CollectionShape(
        NOTIFICATIONS,
        indexes=(
            Index([("user", 1), ("_id", -1)]),
            Index([("user", 1), ("read", 1), ("_id", -1)]),
            Index([("user", 1), ("untold", 1), ("_id", 1)], only_where={"untold": {"$exists": True}}),
            Index([("expires_at", 1)], expire_after_seconds=0),
        ),
    ),
)
_SHOWN = {"hidden": {"$ne": True}}


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


def addressed(document: Document, media: Sequence[str]) -> Document:
    """A new notification with the media by which its user wants to be told."""
    if "inApp" in media:
        return {**document, "media": list(media)}
    expires_at = document["created_at"] + timedelta(days=limits.EVENT_DAYS)
    return {**document, "media": list(media), "hidden": True, "expires_at": expires_at}


def _of_user(user: str, only_unread: bool) -> Document:
    query: Document = {"user": {"$eq": user}, **_SHOWN}
    return {**query, "read": False} if only_unread else query


async def latest(database: Database, user: str, *, limit: int, before: str | None = None) -> list[Document]:
    """Newest first; `before` is the id of the last one already seen (ids are in the order of time)."""
    query = _of_user(user, only_unread=False)
    if before is not None:
        query["_id"] = {"$lt": before}
    return await database[NOTIFICATIONS].find(query, sort=[("_id", -1)], limit=limit)


async def page(
    database: Database, user: str, *, skip: int, limit: int, only_unread: bool
) -> tuple[list[Document], int]:
    """Newest first, and how many there are in all."""
    query = _of_user(user, only_unread)
    return await database[NOTIFICATIONS].page(query, skip=skip, limit=limit, sort=[("_id", -1)])


async def of_user(database: Database, user: str, notification_id: str) -> Document | None:
    return await database[NOTIFICATIONS].find_one(
        {**_of_user(user, only_unread=False), "_id": {"$eq": notification_id}}
    )


async def unread(database: Database, user: str) -> int:
    return await database[NOTIFICATIONS].count(_of_user(user, only_unread=True))


async def unread_ids(database: Database, user: str, *, ids: Sequence[str] | None, limit: int) -> list[str]:
    """Which of these (or, with None, of all) are unread; at most `limit`."""
    query = _of_user(user, only_unread=True)
    if ids is not None:
        query["_id"] = {"$in": list(ids)}
    found = await database[NOTIFICATIONS].find(query, projection={"_id": 1}, limit=limit)
    return [document["_id"] for document in found]


async def untold(database: Database, user: str, medium: str, *, limit: int) -> list[Document]:
    """Those of which a user is still to be told by a medium, oldest first."""
    query = {"user": {"$eq": user}, "untold": {"$eq": medium}}
    return await database[NOTIFICATIONS].find(query, sort=[("_id", 1)], limit=limit)


async def told(database: Database, ids: Sequence[str], medium: str) -> None:
    """Of these nothing is to be told by the medium any more."""
    left = {"$setDifference": ["$untold", [medium]]}
    change = [{"$set": {"untold": {"$cond": [{"$eq": [left, []]}, "$$REMOVE", left]}}}]
    query = {"_id": {"$in": list(ids)}, "untold": {"$eq": medium}}
    await database[NOTIFICATIONS].update_many(query, change)
