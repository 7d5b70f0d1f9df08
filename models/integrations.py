"""Integrations: a user's accounts at other companies, one of a type.

`{_id: integ_..., number, user, type, name, status: connected | error, sealed, renewed_at, connected_at, last_used,
error?, project?, chat_id?, hook?}`: `project` is the number of the project that it belongs to, `number` is the id that
one documented API shows; `name` is what the account is called there. `sealed` are its credentials, which who reads the
database cannot use; `renewed_at` changes with them, and is what a change of them is conditional on. `error` says why one
that does not work any more has to be connected anew. A Telegram bot has the `chat_id` that it writes to, None for none,
and `hook`, by which the address that Telegram sends its updates to is known.
"""

from datetime import datetime
from typing import Final

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, DuplicateKey, Transaction

INTEGRATIONS: Final = "integrations"
NUMBERS: Final = "integrations"  # their counter
TYPES: Final = ("google", "telegram")
SHAPES = (
    CollectionShape(
        INTEGRATIONS,
        indexes=(
            Index([("user", 1), ("type", 1)], unique=True),
            Index([("number", 1)], unique=True),
            Index([("hook", 1)], unique=True, only_where={"hook": {"$exists": True}}),
        ),
        schema={"required": ["number", "user", "type", "name", "status", "sealed", "connected_at"]},
    ),
)


def _of(user: str, kind: str) -> Document:
    return {"user": {"$eq": user}, "type": {"$eq": kind}}


async def of_user(database: Database, user: str) -> list[Document]:
    """The one that was connected first comes first."""
    return await database[INTEGRATIONS].find({"user": {"$eq": user}}, limit=len(TYPES), sort=[("number", 1)])


async def of_type(database: Database, user: str, kind: str) -> Document | None:
    return await database[INTEGRATIONS].find_one(_of(user, kind))


async def by_hook(database: Database, hook: str) -> Document | None:
    """The bot whose updates come to this address."""
    return await database[INTEGRATIONS].find_one({"hook": {"$eq": hook}})


async def within(transaction: Transaction, user: str, kind: str) -> Document | None:
    """As an operation of the ledger finds it."""
    found = await transaction.find(INTEGRATIONS, _of(user, kind))
    return found[0] if found else None


async def put(database: Database, made: Document) -> Document:
    """In the place of the user's one of this type, whose id and number stay, or as a new one."""
    try:
        return await _put(database, made)
    except DuplicateKey:  # two tabs at once: the second one changes what the first one made
        return await _put(database, made)


async def _put(database: Database, made: Document) -> Document:
    first = {name: made[name] for name in ("_id", "number")}
    fields = {name: value for name, value in made.items() if name not in ("_id", "number", "user", "type")}
    change = {"$set": fields, "$setOnInsert": first, "$unset": {"error": True}}
    put = await database[INTEGRATIONS].find_one_and_update(_of(made["user"], made["type"]), change, upsert=True)
    assert put is not None, "an upsert gives a document"
    return put


async def renew(database: Database, known: Document, sealed: str, moment: datetime) -> None:
    """Keep other credentials, unless somebody else was faster."""
    query = {"_id": {"$eq": known["_id"]}, "renewed_at": {"$eq": known["renewed_at"]}}
    await database[INTEGRATIONS].update_one(query, {"$set": {"sealed": sealed, "renewed_at": moment}})


async def used(database: Database, integration_id: str, moment: datetime) -> None:
    await database[INTEGRATIONS].update_one({"_id": {"$eq": integration_id}}, {"$set": {"last_used": moment}})


async def works(database: Database, known: Document, moment: datetime) -> None:
    """It was tried just now, and does what it is for: whatever it was marked as before. Not so where it was connected anew
    meanwhile, which that says nothing about.
    """
    query = {"_id": {"$eq": known["_id"]}, "connected_at": {"$eq": known["connected_at"]}}
    change = {"$set": {"status": "connected", "last_used": moment}, "$unset": {"error": True}}
    await database[INTEGRATIONS].update_one(query, change)


async def remove(database: Database, user: str, kind: str) -> Document | None:
    """What was there; None for nothing."""
    found = await of_type(database, user, kind)
    if found is None or not await database[INTEGRATIONS].delete_one({"_id": {"$eq": found["_id"]}}):
        return None
    return found
