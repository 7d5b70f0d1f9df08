"""Followers: which streams are followed on another node than their own, `{_id: stream_..., at}`, kept for an hour.

Apart from the messages, which the owner's transactions write: a write beside them would only make these collide. Times
are the database's: the clocks of two nodes may differ by more than they mean.
"""

from collections.abc import Sequence
from typing import Any, Final

from models.collection_shape import CollectionShape, Index
from models.database import Database

FOLLOWERS = "followers"
_LIFE_SECONDS = 3_600
_NOW: Final[Sequence[Any]] = [{"$set": {"at": "$$NOW"}}]

SHAPES = (CollectionShape(FOLLOWERS, indexes=(Index([("at", 1)], expire_after_seconds=_LIFE_SECONDS),)),)


async def mark(database: Database, stream: str) -> None:
    """It is followed at this moment."""
    await database[FOLLOWERS].update_one({"_id": {"$eq": stream}}, _NOW, upsert=True)


async def mark_again(database: Database, streams: Sequence[str]) -> None:
    """These, which were marked before, are followed still."""
    await database[FOLLOWERS].update_many({"_id": {"$in": list(streams)}}, _NOW)


async def is_followed(database: Database, stream: str, seconds: float) -> bool:
    """Whether another node has followed it within so many seconds."""
    since = {"$subtract": ["$$NOW", int(seconds * 1_000)]}
    found = await database[FOLLOWERS].find_one({"_id": {"$eq": stream}, "$expr": {"$gte": ["$at", since]}})
    return found is not None
