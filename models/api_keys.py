"""API keys: credentials of programs, with what each may do and what it may spend.

`{_id: key_..., user, digest, prefix, name, permissions, limits, created_at, updated_at, expires_at, last_used_at,
usage_count}`: only the SHA-256 of a key is kept, and its first characters, by which its owner tells one from another.
`permissions` is a list, or None for everything but account administration. `limits` is `{credit_micro, period, models,
requests_per_minute, tokens_per_minute}`, each None where there is none. A key that was withdrawn is deleted, in the
operation that writes its revocation; one that has expired stays until then, so that its owner sees why it fails.
"""

from collections.abc import Mapping
from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction, by_age

API_KEYS = "api_keys"
NO_LIMITS: Mapping[str, None] = dict.fromkeys(
    ("credit_micro", "period", "models", "requests_per_minute", "tokens_per_minute")
)
SHAPES = (
    CollectionShape(
        API_KEYS,
        indexes=(Index([("digest", 1)], unique=True), Index([("user", 1), ("created_at", -1)])),
        schema={"required": ["user", "digest", "prefix", "name", "limits", "usage_count"]},
    ),
)


def new_key(
    key_id: str,
    user: str,
    digest: str,
    prefix: str,
    name: str,
    permissions: list[str] | None,
    limits: Document,
    expires_at: datetime | None,
    moment: datetime,
) -> Document:
    return {
        "_id": key_id,
        "user": user,
        "digest": digest,
        "prefix": prefix,
        "name": name,
        "permissions": permissions,
        "limits": {**NO_LIMITS, **limits},
        "created_at": moment,
        "updated_at": moment,
        "expires_at": expires_at,
        "last_used_at": None,
        "usage_count": 0,
    }


def _of(user: str, key_id: str) -> Document:
    return {"_id": {"$eq": key_id}, "user": {"$eq": user}}


async def by_digest(database: Database, digest: str) -> Document | None:
    return await database[API_KEYS].find_one({"digest": {"$eq": digest}})


async def by_id(database: Database, user: str, key_id: str) -> Document | None:
    """None for somebody else's."""
    return await database[API_KEYS].find_one(_of(user, key_id))


async def within(transaction: Transaction, user: str, key_id: str) -> Document | None:
    """As an operation of the ledger finds it."""
    found = await transaction.find(API_KEYS, _of(user, key_id))
    return found[0] if found else None


async def count_within(transaction: Transaction, user: str) -> int:
    return len(await transaction.find(API_KEYS, {"user": {"$eq": user}}, {"_id": 1}))


async def page(
    database: Database, user: str, *, newest_first: bool, skip: int, limit: int
) -> tuple[list[Document], int]:
    """A user's in the order in which they were made, and how many there are in all."""
    return await database[API_KEYS].page({"user": {"$eq": user}}, skip=skip, limit=limit, sort=by_age(newest_first))


async def used(database: Database, key_id: str, times: int, moment: datetime) -> None:
    """Note uses of a key, if it is still there."""
    change = {"$inc": {"usage_count": times}, "$max": {"last_used_at": moment}}
    await database[API_KEYS].update_one({"_id": {"$eq": key_id}}, change)
