"""Logins: authenticated browser visits and refresh families.

`{_id: login_..., user, refresh_hash, used_refresh, cookie_hash, created_at, last_used_at, expires_at}`. Only SHA-256 of
the secrets is kept. `used_refresh` holds the hashes of the last refresh tokens that were exchanged, so that a stolen one
is recognised when it comes again. A login that ended is deleted, in the transaction that writes its revocation.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from config import limits
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction
from models.revocations import REVOCATIONS

LOGINS = "logins"
SHAPES = (CollectionShape(LOGINS, indexes=(Index([("user", 1)]), Index([("expires_at", 1)], expire_after_seconds=0))),)


def new_login(
    login_id: str, user: str, refresh_hash: str, cookie_hash: str, moment: datetime, expires_at: datetime
) -> Document:
    return {
        "_id": login_id,
        "user": user,
        "refresh_hash": refresh_hash,
        "used_refresh": [],
        "cookie_hash": cookie_hash,
        "created_at": moment,
        "last_used_at": moment,
        "expires_at": expires_at,
    }


async def add(database: Database, login: Document) -> None:
    await database[LOGINS].insert_one(login)


async def by_id(database: Database, login_id: str) -> Document | None:
    return await database.by_id(LOGINS, login_id)


async def standing(database: Database, ids: Sequence[str], moment: datetime) -> set[str]:
    """Those of these logins that have not ended."""
    which: Any = {"_id": {"$in": list(ids)}, "expires_at": {"$gt": moment}}
    return {login["_id"] for login in await database[LOGINS].find(which, limit=len(ids), projection={"_id": 1})}


async def count(database: Database, user: str) -> int:
    return await database[LOGINS].count({"user": {"$eq": user}})


async def rotate(
    database: Database, login_id: str, old_hash: str, new_hash: str, moment: datetime, expires_at: datetime
) -> Document | None:
    """Exchange one refresh token for another, once: None for whoever comes second, too late, or with a wrong one."""
    query: Any = {"_id": {"$eq": login_id}, "refresh_hash": {"$eq": old_hash}, "expires_at": {"$gt": moment}}
    remembered = {"$each": [old_hash], "$slice": -limits.REFRESHES_REMEMBERED}
    changes = {"refresh_hash": new_hash, "last_used_at": moment, "expires_at": expires_at}
    return await database[LOGINS].find_one_and_update(query, {"$set": changes, "$push": {"used_refresh": remembered}})


async def slide(database: Database, login_id: str, moment: datetime, expires_at: datetime) -> None:
    """Note a use and put the end off."""
    changes = {"last_used_at": moment, "expires_at": expires_at}
    await database[LOGINS].update_one({"_id": {"$eq": login_id}}, {"$set": changes})


async def ids_of(transaction: Transaction, user: str) -> list[str]:
    """All logins of a user, for an operation that ends them."""
    return [login["_id"] for login in await transaction.find(LOGINS, {"user": {"$eq": user}}, {"_id": 1})]


async def end(database: Database, revocation: Document) -> None:
    """Delete the login that a revocation names, if it is its user's, and write it: both or neither.

    Both in one transaction, because a node that hears of the revocation before the login is gone would trust it again.
    """
    which = {"user": {"$eq": revocation["user"]}, "_id": {"$eq": revocation["login"]}}

    async def body(transaction: Transaction) -> None:
        await transaction.delete(LOGINS, [which])
        await transaction.insert(REVOCATIONS, [revocation])

    async with database.new_session() as mongo_session:
        await database.transaction(body, session=mongo_session)
