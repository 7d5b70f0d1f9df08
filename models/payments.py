"""Payments: what a user pays money for, from before it is charged until it is credited.

`{_id: pay_..., user, status: pending | succeeded | failed, provider, payment?, unit, amount, cents, currency, method,
package, title, away, key, reason, reply, created_at, updated_at, due_at, checkout?, intent?, attempt?}`. `payment` is the
company's own id, unique for ever: it is written before anything is charged, so that whatever is charged can be found
again. `unit` and `amount` are what is bought (micro-credits or whole points), `key` names the idempotency record,
`due_at` is when to look after a pending one. `away` are those that are charged without their user's being there, and
`attempt` is whose purchase such a one is: unique for ever, and gone again only where nothing was tried.

A row with `checkout` (`{page, url, return_url, looks}`) is paid on a page: what our own page of it is found by, the
address where it is paid, where its payer wants to go on, and how often our page had the company asked. Its `payment` is
the session's id; `intent` is the payment that came of it.
The row is only ever moved on by an operation of the ledger, together with the money.
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

PAYMENTS = "payments"

SHAPES = (
    CollectionShape(
        PAYMENTS,
        indexes=(
            Index([("payment", 1)], unique=True, only_where={"payment": {"$exists": True}}),
            Index([("checkout.page", 1)], unique=True, only_where={"checkout.page": {"$exists": True}}),
            Index([("intent", 1)], unique=True, only_where={"intent": {"$exists": True}}),
            Index([("attempt", 1)], unique=True, only_where={"attempt": {"$exists": True}}),
            Index([("user", 1), ("_id", -1)]),
            Index([("user", 1), ("status", 1)]),
            Index([("due_at", 1)], only_where={"status": "pending"}),
        ),
        schema={
            "required": ["user", "status", "provider", "unit", "amount", "cents"],
            "properties": {
                "status": {"enum": ["pending", "succeeded", "failed"]},
                "amount": {"bsonType": ["long", "int"], "minimum": 1},
                "cents": {"bsonType": ["long", "int"], "minimum": 1},
            },
        },
    ),
)


async def by_id(database: Database, payment_id: str) -> Document | None:
    return await database[PAYMENTS].find_one({"_id": {"$eq": payment_id}})


async def by_payment(database: Database, payment: str) -> Document | None:
    """By the company's id, or by that of the intent which came of a checkout."""
    found = await database[PAYMENTS].find_one({"payment": {"$eq": payment}})
    return found or await database[PAYMENTS].find_one({"intent": {"$eq": payment}})


async def by_page(database: Database, page: str) -> Document | None:
    """A checkout, by what our own page of it is found."""
    return await database[PAYMENTS].find_one({"checkout.page": {"$eq": page}})


async def by_attempt(database: Database, attempt: str) -> Document | None:
    """What an attempt of auto-recharge tried, or is about to."""
    return await database[PAYMENTS].find_one({"attempt": {"$eq": attempt}})


async def open_checkouts(database: Database, user: str, limit: int) -> list[Document]:
    """The checkouts of a user that may be paid still, the oldest first."""
    return await database[PAYMENTS].find(_open_checkouts(user), sort=[("_id", 1)], limit=limit)


async def open_checkouts_within(transaction: Transaction, user: str, at_most: int) -> int:
    """How many there are; it stops counting at `at_most`."""
    return len(await transaction.find(PAYMENTS, _open_checkouts(user), {"_id": 1}, limit=at_most))


def _open_checkouts(user: str) -> Document:
    return {"user": {"$eq": user}, "status": "pending", "checkout": {"$exists": True}}


async def has_bought_within(transaction: Transaction, user: str) -> bool:
    """Whether a user has ever paid for anything."""
    query = {"user": {"$eq": user}, "status": "succeeded"}
    return bool(await transaction.find(PAYMENTS, query, {"_id": 1}, limit=1))


async def look(database: Database, payment_id: str, at_most: int) -> bool:
    """Count one more question for a pending checkout's page; whether it may be asked."""
    query = {"_id": {"$eq": payment_id}, "status": "pending", "checkout.looks": {"$lt": at_most}}
    return await database[PAYMENTS].update_one(query, {"$inc": {"checkout.looks": 1}})


async def within(transaction: Transaction, payment_id: str) -> Document | None:
    """As an operation of the ledger finds it."""
    found = await transaction.find(PAYMENTS, {"_id": {"$eq": payment_id}})
    return found[0] if found else None


async def note(database: Database, row: Document, payment: str) -> bool:
    """Write the company's id, while nobody else has taken the row over. Raises `DuplicateKey` for one that is known."""
    query = {"_id": {"$eq": row["_id"]}, "status": "pending", "due_at": {"$eq": row["due_at"]}}
    return await database[PAYMENTS].update_one(query, {"$set": {"payment": payment}})


async def due(database: Database, moment: datetime, limit: int) -> list[Document]:
    """Pending payments that nobody has looked after for too long."""
    query = {"status": "pending", "due_at": {"$lte": moment}}
    return await database[PAYMENTS].find(query, sort=[("due_at", 1)], limit=limit)


async def take(database: Database, row: Document, due_at: datetime) -> Document | None:
    """Put off when others will look at it; the row as it is then, or None for all but the first who asks."""
    query = {"_id": {"$eq": row["_id"]}, "status": "pending", "due_at": {"$eq": row["due_at"]}}
    return await database[PAYMENTS].find_one_and_update(query, {"$set": {"due_at": due_at}})
