"""Revocations: who is no longer what a cache may say, kept for a day and followed by every node.

`{_id: revocation_..., user, login?, key?, kept?, stream?, reason, created_at}`: without `login` and `key` it concerns all
of the user's credentials; with `kept` all of their logins but that one, and no API key. The reason `changed` ends nothing:
it says that the user's document has to be read again. `stopped` ends no credential but one answer, `stream`, wherever it is
made.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from config import limits
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document
from models.ids import new_id

REVOCATIONS = "revocations"
CHANGED = "changed"
STOPPED = "stopped"
SHAPES = (
    CollectionShape(
        REVOCATIONS, indexes=(Index([("created_at", 1)], expire_after_seconds=limits.REVOCATION_DAYS * 86_400),)
    ),
)


def new_revocation(
    user: str, reason: str, moment: datetime, login: str | None, key: str | None, kept: str | None = None
) -> Document:
    document = {"_id": new_id("revocation"), "user": user, "reason": reason, "created_at": moment}
    if login is not None:
        document["login"] = login
    if key is not None:
        document["key"] = key
    if kept is not None:
        document["kept"] = kept
    return document


def new_stop(user: str, stream: str, moment: datetime) -> Document:
    return new_revocation(user, STOPPED, moment, None, None) | {"stream": stream}


async def add(database: Database, revocation: Document) -> None:
    await database[REVOCATIONS].insert_one(revocation)


async def since(database: Database, moment: datetime, limit: int) -> list[Document]:
    """At most `limit`, oldest first."""
    return await database[REVOCATIONS].find({"created_at": {"$gte": moment}}, sort=[("created_at", 1)], limit=limit)


@asynccontextmanager
async def watch(database: Database) -> AsyncIterator[AsyncIterator[Document]]:
    """Revocations as they are committed, from the moment the block is entered, by whichever node."""
    async with database[REVOCATIONS].watch([{"$match": {"operationType": "insert"}}]) as changes:
        yield (change["fullDocument"] async for change in changes)
