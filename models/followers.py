"""Followers: which streams are followed on another node than their own, `{_id: stream_..., at}`, kept for an hour.

Apart from the messages, which the owner's transactions write: a write beside them would only make these collide.
"""

from collections.abc import Sequence
from datetime import datetime

from models.database import CollectionShape, Database, Index

FOLLOWERS = "followers"
_LIFE_SECONDS = 3_600

SHAPES = (CollectionShape(FOLLOWERS, indexes=(Index([("at", 1)], expire_after_seconds=_LIFE_SECONDS),)),)


async def mark(database: Database, streams: Sequence[str], moment: datetime) -> None:
    """These are followed at this moment."""
    for stream in streams:
        await database[FOLLOWERS].update_one({"_id": {"$eq": stream}}, {"$set": {"at": moment}}, upsert=True)


async def followed_since(database: Database, stream: str, moment: datetime) -> bool:
    """Whether another node has followed it at or after this moment."""
    return await database[FOLLOWERS].find_one({"_id": {"$eq": stream}, "at": {"$gte": moment}}) is not None
