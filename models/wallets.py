"""Wallets, their entries and holds: shapes, indexes and reads. Only `hub/committer.py` writes them.

A wallet is `{_id: user, credits, credits_held, points, seq, head, version, epoch, offset, updated_at, budgets?, quota?,
webhooks?, recharge_below?}`:
credits in micro-credits, points whole; `seq` and `head` number and chain its entries, `version` guards each write,
`epoch` and `offset` are the position of the user's channel. `budgets` counts what API keys with a limit of their own
and projects hold and spend: `{key: {held, spent: {period, of, amount}, closed?}}`, as `hub/budgets.py` explains;
`quota` counts the user's requests, `{daily: {of, ends_at, used, told}, weekly, monthly}`, as `hub/quotas.py` does.
`webhooks` is how many of the user's endpoints are switched on: it decides, in the transaction that writes an event,
whether the event waits to be delivered. `recharge_below` is below how many micro-credits the user's rule has
more bought (`models/auto_recharges.py`), so that each commit tells.

An entry is append-only: `{_id: txn_..., wallet, seq, unit, kind, amount, balance_after, operation, leg, description,
metadata, created_at, previous_hash, hash}`. A hold is `{_id: hold_..., wallet, amount, node, stream, message,
model, prompt_tokens, created_at, expires_at, budgets?, quota?, idempotency?}` and exists exactly while it holds
something; `budgets` are the `{key, limit, period, project?}` that it counts against (a hold of an earlier version of the
hub has a single `budget`), `quota` the first day of each period that its request was counted in, `idempotency` the key's
record that ends with it where no message does.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from models.clock import milliseconds
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

WALLETS = "wallets"
ENTRIES = "entries"
HOLDS = "holds"

GENESIS = "0" * 64  # the `head` of a wallet without entries
_EXACT_BELOW = 2**53  # whole numbers that every JSON parser reads as they are
_NOT_NEGATIVE = {"bsonType": ["long", "int"], "minimum": 0}
_SPENT = {"bsonType": "object", "required": ["period", "of", "amount"], "properties": {"amount": _NOT_NEGATIVE}}
_COUNTERS = {
    "bsonType": "object",
    "required": ["held", "spent"],
    "properties": {"held": _NOT_NEGATIVE, "spent": _SPENT, "closed": {"bsonType": "bool"}},
}
_REQUESTS = {
    "bsonType": "object",
    "required": ["of", "ends_at", "used", "told"],
    "properties": {
        "of": {"bsonType": "string"},
        "ends_at": {"bsonType": "date"},
        "used": _NOT_NEGATIVE,
        "told": {"bsonType": "object", "additionalProperties": _NOT_NEGATIVE},
    },
}

SHAPES = (
    CollectionShape(
        WALLETS,
        indexes=(Index([("updated_at", 1)]),),
        schema={
            "required": ["credits", "credits_held", "points", "seq", "head", "version", "epoch", "offset"],
            "properties": {
                **dict.fromkeys(("credits", "credits_held", "points", "seq", "version", "offset"), _NOT_NEGATIVE),
                "budgets": {"bsonType": "object", "additionalProperties": _COUNTERS},
                "quota": {"bsonType": "object", "additionalProperties": _REQUESTS},
                "webhooks": _NOT_NEGATIVE,
                "recharge_below": _NOT_NEGATIVE,
            },
        },
    ),
    CollectionShape(
        ENTRIES,
        indexes=(
            Index([("wallet", 1), ("seq", 1)], unique=True),
            Index([("operation", 1), ("leg", 1)], unique=True),
            # histories of credits go by (wallet, seq); points are few among them and have an index of their own
            Index([("unit", 1), ("wallet", 1), ("seq", -1)], only_where={"unit": "point"}),
        ),
        schema={"properties": {"balance_after": _NOT_NEGATIVE, "seq": {"bsonType": ["long", "int"], "minimum": 1}}},
    ),
    CollectionShape(
        HOLDS,
        indexes=(Index([("wallet", 1)]), Index([("node", 1)]), Index([("expires_at", 1)])),
        schema={"properties": {"amount": {"bsonType": ["long", "int"], "minimum": 1}}},
    ),
)


def new_wallet(user: str, epoch: str, moment: datetime) -> Document:
    return {
        "_id": user,
        "credits": 0,
        "credits_held": 0,
        "points": 0,
        "seq": 0,
        "head": GENESIS,
        "version": 0,
        "epoch": epoch,
        "offset": 0,
        "updated_at": moment,
    }


def hashed_form(entry: Document) -> Document:
    """What `hash` is of: the entry without it, `previous_hash` included, its time in milliseconds.

    Its `metadata` may be of a service's own making, with numbers that not everybody writes alike: those stand as text.
    """
    plain = {key: value for key, value in entry.items() if key != "hash"}
    plain["created_at"] = milliseconds(entry["created_at"])
    plain["metadata"] = _unambiguous(entry["metadata"])
    return plain


def _unambiguous(value: Any) -> Any:
    """0.00003 is `3e-05` in Python and `0.00003` in JavaScript, which also has no whole numbers above 2^53."""
    if isinstance(value, dict):
        return {name: _unambiguous(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_unambiguous(inner) for inner in value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) >= _EXACT_BELOW):
        return repr(value)
    return value


def entry_hash(entry: Document) -> str:
    """SHA-256 over the hashed form as JSON with sorted keys and no spaces.

    The owner of a wallet can compute it from the entries alone; `docs/architecture.md` gives the recipe.
    """
    return hashlib.sha256(orjson.dumps(hashed_form(entry), option=orjson.OPT_SORT_KEYS)).hexdigest()


async def wallet(database: Database, user: str) -> Document | None:
    return await database.by_id(WALLETS, user)


async def wallet_within(transaction: Transaction, user: str) -> Document | None:
    """A wallet as an operation finds it, to work out what it shall do."""
    found = await transaction.find(WALLETS, {"_id": {"$eq": user}})
    return found[0] if found else None


async def many(database: Database, users: list[str]) -> list[Document]:
    """The wallets of these users."""
    return await database[WALLETS].find({"_id": {"$in": users}}, limit=max(1, len(users)))


async def credits_of(database: Database, users: list[str]) -> dict[str, int]:
    """The micro-credits of a page of users."""
    found = await database[WALLETS].find({"_id": {"$in": users}}, projection={"credits": 1}, limit=max(1, len(users)))
    return {wallet["_id"]: wallet["credits"] for wallet in found}


async def entry_totals(database: Database, after: str, before: str | None, limit: int) -> list[Document]:
    """The first `limit` entries of all wallets with `after < id < before`, summed by unit and kind.

    `topups` counts those that a wallet's own rule made, `cents` is what was paid for them in US cents, `last` the last
    id.
    """
    ids: Document = {"$gt": after} if before is None else {"$gt": after, "$lt": before}
    positive = {"$gt": ["$amount", 0]}
    group = {
        "_id": {"unit": "$unit", "kind": "$kind"},
        "plus": {"$sum": {"$cond": [positive, "$amount", 0]}},
        "minus": {"$sum": {"$cond": [positive, 0, "$amount"]}},
        "count": {"$sum": 1},
        "topups": {"$sum": {"$cond": [{"$eq": ["$metadata.auto_topup", True]}, 1, 0]}},
        "cents": {"$sum": "$metadata.cents"},
        "last": {"$max": "$_id"},
    }
    return await database[ENTRIES].aggregate(
        [{"$match": {"_id": ids}}, {"$sort": {"_id": 1}}, {"$limit": limit}, {"$group": group}]
    )


async def with_points(database: Database) -> int:
    """How many wallets have points."""
    return await database[WALLETS].count({"points": {"$gt": 0}})


def scan_wallets(database: Database) -> AsyncIterator[Document]:
    scanned: AsyncIterator[Document] = database[WALLETS].scan({}, sort=[("_id", 1)])
    return scanned


def scan_entries(database: Database, user: str) -> AsyncIterator[Document]:
    scanned: AsyncIterator[Document] = database[ENTRIES].scan({"wallet": {"$eq": user}}, sort=[("seq", 1)])
    return scanned


async def entry_by_operation(database: Database, operation: str) -> Document | None:
    return await database[ENTRIES].find_one({"operation": {"$eq": operation}, "leg": 0})


async def entries_by_operation(database: Database, operations: Sequence[str]) -> list[Document]:
    """The first entry of each of these operations that has any."""
    query = {"operation": {"$in": list(operations)}, "leg": 0}
    return await database[ENTRIES].find(query, limit=len(operations))


async def entries_within(transaction: Transaction, operations: Sequence[str]) -> list[Document]:
    """The same as an operation of the ledger finds them."""
    return await transaction.find(ENTRIES, {"operation": {"$in": list(operations)}, "leg": 0})


async def entries(
    database: Database, user: str, unit: str, *, skip: int, limit: int, filters: Document | None = None
) -> tuple[list[Document], int]:
    """One page of a wallet's entries of one unit, newest first, and how many there are in all."""
    query = {"wallet": {"$eq": user}, "unit": {"$eq": unit}, **(filters or {})}
    return await database[ENTRIES].page(query, sort=[("seq", -1)], skip=skip, limit=limit)


async def hold_sums(database: Database) -> dict[str, int]:
    """What the open holds of each wallet add up to."""
    rows = await database[HOLDS].aggregate([{"$group": {"_id": "$wallet", "sum": {"$sum": "$amount"}}}])
    return {row["_id"]: row["sum"] for row in rows}


async def budget_sums(database: Database) -> dict[str, dict[str, int]]:
    """What the open holds of each wallet add up to by the API key or project whose budget they count against."""
    found: dict[str, dict[str, int]] = {}
    single = {"$cond": [{"$ifNull": ["$budget", False]}, ["$budget"], []]}  # of an earlier version of the hub
    each = {"wallet": 1, "amount": 1, "budget": {"$ifNull": ["$budgets", single]}}
    group = {"_id": {"wallet": "$wallet", "key": "$budget.key"}, "sum": {"$sum": "$amount"}}
    for row in await database[HOLDS].aggregate([{"$project": each}, {"$unwind": "$budget"}, {"$group": group}]):
        found.setdefault(row["_id"]["wallet"], {})[row["_id"]["key"]] = row["sum"]
    return found


async def holds_open(database: Database) -> int:
    return await database[HOLDS].count({})


async def abandoned_holds(
    database: Database, dead_nodes: list[str], unsettled: list[str], moment: datetime, limit: int
) -> list[Document]:
    """Holds whose owner is dead or could not settle them, and those that ran out of time, whoever owns them."""
    of_whom = ({"node": {"$in": dead_nodes}}, {"_id": {"$in": unsettled}})
    query: Any = {"$or": [*of_whom, {"expires_at": {"$lt": moment}}]}
    return await database[HOLDS].find(query, limit=limit)


async def amounts_held(database: Database, holds: Sequence[str]) -> dict[str, int]:
    """Micro-credits by the ids of those of these holds that stand."""
    query = {"_id": {"$in": list(holds)}}
    found = await database[HOLDS].find(query, projection={"amount": 1}, limit=max(1, len(holds)))
    return {hold["_id"]: hold["amount"] for hold in found}


async def holding_nodes(database: Database) -> list[str]:
    """The nodes that own open holds."""
    rows = await database[HOLDS].aggregate([{"$group": {"_id": "$node"}}])
    return [row["_id"] for row in rows]


def scan_changed(database: Database, since: datetime) -> AsyncIterator[Document]:
    """Wallets changed after `since`."""
    scanned: AsyncIterator[Document] = database[WALLETS].scan({"updated_at": {"$gt": since}})
    return scanned


async def entry_sums(database: Database, user: str, *, after: int, until: int) -> tuple[int, dict[str, int]]:
    """How many entries a wallet has with `after < seq <= until`, and their sums by unit."""
    rows = await database[ENTRIES].aggregate(
        [
            {"$match": {"wallet": user, "seq": {"$gt": after, "$lte": until}}},
            {"$group": {"_id": "$unit", "sum": {"$sum": "$amount"}, "count": {"$sum": 1}}},
        ]
    )
    return sum(row["count"] for row in rows), {row["_id"]: row["sum"] for row in rows}


# --- what is followed while the broker is away ---

_CHANGED = "updateDescription.updatedFields"


@dataclass(frozen=True, slots=True)
class Change:
    """Of a user's wallet, with the `version` and `offset` that it has now where they are other ones; or, without a
    user, of a document of another collection.
    """

    user: str | None = None
    version: int | None = None
    offset: int | None = None


@asynccontextmanager
async def watch(database: Database, *others: str) -> AsyncIterator[AsyncIterator[Change | None]]:
    """Changes of wallets, and of other collections, from the moment the block is entered, by whichever node; None when
    there was none for a second. Raises `DatabaseError`, also within the block.

    Whatever happens to a user is written together with the user's wallet, so that wallets tell of everything; the
    events alone would not tell of a balance that changes without one.
    """
    match = {"ns.coll": {"$in": [WALLETS, *others]}, "operationType": {"$in": ["insert", "update"]}}
    fields = {"ns": 1, "documentKey": 1, f"{_CHANGED}.version": 1, f"{_CHANGED}.offset": 1}
    async with database.watch([{"$match": match}, {"$project": fields}]) as stream:
        yield _changes(stream)


async def _changes(stream: Any) -> AsyncIterator[Change | None]:
    while stream.alive:
        document = await stream.try_next()
        yield None if document is None else _change(document)


def _change(document: Document) -> Change:
    if document["ns"]["coll"] != WALLETS:
        return Change()
    changed = document.get("updateDescription", {}).get("updatedFields", {})
    return Change(document["documentKey"]["_id"], changed.get("version"), changed.get("offset"))
