"""Users: shape, indexes and queries. A user is made by the ledger's sign-up operation, together with the wallet.

`{_id: user_..., email, email_key, username, username_key, first_name, last_name, password, role, status, tier,
email_verified, phone, timezone, language, auto_topup?, google_subject?, two_factor?, number, created_at,
updated_at, last_active_at}`.
The `_key`s are what addresses and names are compared by (NFKC, case-folded); `username` and `username_key` are absent where
there is none; `password` is a bcrypt hash, or None for who signs in elsewhere. `auto_topup` is `{enabled, credits_micro}`:
whether points are bought by themselves, and for how many micro-credits at a time. `two_factor` is true while a sign-in
asks for a second factor (`models/two_factor.py`).
"""

from datetime import datetime
from typing import Final

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

USERS = "users"
NUMBERS = "users"  # the counter of `number`

TIERS: Final = ("free", "basic", "pro", "business", "enterprise")
SHAPES = (
    CollectionShape(
        USERS,
        indexes=(
            Index([("email_key", 1)], unique=True),
            Index([("username_key", 1)], unique=True, only_where={"username_key": {"$exists": True}}),
            Index([("number", 1)], unique=True),
            Index([("google_subject", 1)], unique=True, only_where={"google_subject": {"$exists": True}}),
            Index([("created_at", -1)]),
            Index([("last_active_at", -1)]),
            Index([("role", 1), ("status", 1), ("created_at", -1)]),
        ),
        schema={
            "required": ["email", "email_key", "role", "status", "tier", "number"],
            "properties": {
                "role": {"enum": ["user", "admin"]},
                "status": {"enum": ["active", "suspended"]},
                "tier": {"enum": list(TIERS)},
            },
        },
    ),
)


def new_user(user_id: str, number: int, email: str, email_key: str, password: str | None, moment: datetime) -> Document:
    """A user with the defaults; the caller adds names and what else was asked for."""
    return {
        "_id": user_id,
        "email": email,
        "email_key": email_key,
        "first_name": "",
        "last_name": "",
        "password": password,
        "role": "user",
        "status": "active",
        "tier": "free",
        "email_verified": False,
        "phone": None,
        "timezone": "UTC",
        "language": "en",
        "number": number,
        "created_at": moment,
        "updated_at": moment,
        "last_active_at": moment,
    }


def without_password(user: Document) -> Document:
    """The document as the rest of the hub may see it."""
    return {key: value for key, value in user.items() if key != "password"}


async def by_id(database: Database, user_id: str) -> Document | None:
    return await database.by_id(USERS, user_id)


async def by_email(database: Database, email_key: str) -> Document | None:
    return await database[USERS].find_one({"email_key": {"$eq": email_key}})


async def by_google(database: Database, subject: str) -> Document | None:
    return await database[USERS].find_one({"google_subject": {"$eq": subject}})


async def seen(database: Database, user_id: str, moment: datetime) -> Document | None:
    """Note that the user was active; the document, or None where there is none."""
    change = {"$set": {"last_active_at": moment}}
    return await database[USERS].find_one_and_update({"_id": {"$eq": user_id}}, change)


async def change(database: Database, user_id: str, changes: Document, moment: datetime) -> Document | None:
    """Set the given fields; the document after it. Raises `DuplicateKey` where an address or name is taken."""
    update = {"$set": {**changes, "updated_at": moment}}
    return await database[USERS].find_one_and_update({"_id": {"$eq": user_id}}, update)


# --- for administrators -----------------------------------------------------------------------------------------


async def within(transaction: Transaction, user_id: str) -> Document | None:
    """A user as an operation of the ledger finds them."""
    found = await transaction.find(USERS, {"_id": {"$eq": user_id}})
    return found[0] if found else None


async def by_email_within(transaction: Transaction, email_key: str) -> Document | None:
    """Whoever has an address, as an operation of the ledger finds them."""
    found = await transaction.find(USERS, {"email_key": {"$eq": email_key}})
    return found[0] if found else None


async def administrators_within(transaction: Transaction, limit: int) -> list[str]:
    """The ids of at most `limit` administrators, the first ones."""
    query = {"role": "admin", "status": "active"}
    return [user["_id"] for user in await transaction.find(USERS, query, {"_id": 1}, sort=[("_id", 1)], limit=limit)]


async def many(database: Database, user_ids: list[str]) -> dict[str, Document]:
    """What the names and addresses of these users are, by id."""
    shown = {"email": 1, "first_name": 1, "last_name": 1}
    found = await database[USERS].find({"_id": {"$in": user_ids}}, projection=shown, limit=len(user_ids))
    return {user["_id"]: user for user in found}


async def has_within(transaction: Transaction, field: str, value: str, but: str) -> bool:
    """Whether another user than `but` has this address or name; `field` is one of the `_key`s."""
    return bool(await transaction.find(USERS, {field: {"$eq": value}, "_id": {"$ne": but}}, {"_id": 1}))


async def google_within(transaction: Transaction, subject: str) -> bool:
    """Whether a Google account signs in to somebody."""
    return bool(await transaction.find(USERS, {"google_subject": {"$eq": subject}}, {"_id": 1}))


async def other_administrators(transaction: Transaction, user_id: str) -> int:
    """How many may administrate the hub beside this one."""
    query = {"role": "admin", "status": "active", "_id": {"$ne": user_id}}
    return len(await transaction.find(USERS, query, {"_id": 1}))


async def page(
    database: Database, query: Document, sort: list[tuple[str, int]], *, skip: int, limit: int
) -> tuple[list[Document], int]:
    """One page of those who match, and how many there are in all."""
    shown = {"password": 0}
    return await database[USERS].page(query, projection=shown, sort=sort, skip=skip, limit=limit)


async def count(database: Database) -> int:
    return await database[USERS].count({})


async def counts(database: Database, month: datetime) -> dict[str, int]:
    """All users, those who may sign in, and those who came since `month`."""
    return {
        "total": await count(database),
        "active": await database[USERS].count({"status": "active"}),
        "new": await database[USERS].count({"created_at": {"$gte": month}}),
    }
