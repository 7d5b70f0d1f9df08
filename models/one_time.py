"""One-time secrets: what a mailed link, an OAuth state or a sign-in code stands for, each good for one use.

`{_id: SHA-256 of the secret, kind: reset | verify | state | code | integration, user?, data, used, expires_at}`. The secret
itself is nowhere here: who reads the database can use none of them.
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

ONE_TIME = "one_time"
SHAPES = (
    CollectionShape(
        ONE_TIME, indexes=(Index([("expires_at", 1)], expire_after_seconds=0), Index([("user", 1), ("kind", 1)]))
    ),
)


async def add(database: Database, secret: Document) -> None:
    await database[ONE_TIME].insert_one(secret)


async def use(database: Database, digest: str, kind: str, moment: datetime) -> Document | None:
    """Use it up; None for one that is unknown, of another kind, expired, or used before."""
    query = _standing(digest, kind, moment)
    return await database[ONE_TIME].find_one_and_update(query, {"$set": {"used": moment}})


async def standing(database: Database, digest: str, kind: str, moment: datetime) -> Document | None:
    """One that could be used, left as it is."""
    return await database[ONE_TIME].find_one(_standing(digest, kind, moment))


async def standing_within(transaction: Transaction, digest: str, kind: str, moment: datetime) -> Document | None:
    """The same, for an operation that uses it up."""
    found = await transaction.find(ONE_TIME, _standing(digest, kind, moment))
    return found[0] if found else None


async def ids_of(transaction: Transaction, user: str, kind: str) -> list[str]:
    """All of a kind that a user has, for an operation that ends them."""
    found = await transaction.find(ONE_TIME, {"user": {"$eq": user}, "kind": {"$eq": kind}}, {"_id": 1})
    return [secret["_id"] for secret in found]


def _standing(digest: str, kind: str, moment: datetime) -> Document:
    return {"_id": {"$eq": digest}, "kind": {"$eq": kind}, "used": None, "expires_at": {"$gt": moment}}
