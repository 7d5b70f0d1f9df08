"""Second factors: what a user's authenticator shares with the hub, and what stands in for it when it is lost.

`{_id: the user's id, secret, enabled, last_step, recovery, created_at, expires_at?}`. `secret` is sealed, so that who reads
the database can make no code; `last_step` is the time step of the last code that was taken, so that each is good for one
use; `recovery` holds the digests of the recovery codes that are left. One that was only begun is not `enabled` and goes at
`expires_at`. The user's document says `two_factor: true` while it is on, written in the same transaction.
"""

from datetime import datetime
from typing import Any

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, DuplicateKey, Transaction

TWO_FACTOR = "two_factor"
SHAPES = (CollectionShape(TWO_FACTOR, indexes=(Index([("expires_at", 1)], expire_after_seconds=0),)),)


async def of_user(database: Database, user: str) -> Document | None:
    return await database[TWO_FACTOR].find_one({"_id": {"$eq": user}})


async def within(transaction: Transaction, user: str) -> Document | None:
    """The same, as an operation of the ledger finds it."""
    found = await transaction.find(TWO_FACTOR, {"_id": {"$eq": user}})
    return found[0] if found else None


async def begin(database: Database, user: str, secret: str, moment: datetime, expires_at: datetime) -> bool:
    """Keep the secret of a set-up that begins, in the place of an earlier one; False where it is on already."""
    begun = {"secret": secret, "last_step": 0, "recovery": [], "created_at": moment, "expires_at": expires_at}
    which: Any = {"_id": {"$eq": user}, "enabled": False}
    try:
        return await database[TWO_FACTOR].update_one(which, {"$set": begun}, upsert=True)
    except DuplicateKey:  # one that is on has this id
        return False


async def take_step(database: Database, user: str, step: int) -> bool:
    """Use up all codes up to that of a time step; False for who comes second, or too late."""
    which: Any = {"_id": {"$eq": user}, "enabled": True, "last_step": {"$lt": step}}
    return await database[TWO_FACTOR].update_one(which, {"$set": {"last_step": step}})
