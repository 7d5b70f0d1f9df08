"""Payments: what a user pays money for, from before it is charged until it is credited.

`{_id: pay_..., user, status: pending | succeeded | failed, provider, payment?, unit, amount, cents, currency, method,
package, title, key, reason, reply, created_at, updated_at, due_at}`. `payment` is the company's own id, unique for ever:
it is written before anything is charged, so that whatever is charged can be found again. `unit` and `amount` are what is
bought (micro-credits or whole points), `key` names the idempotency record, `due_at` is when to look after a pending one.
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
            Index([("user", 1), ("_id", -1)]),
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
    """By the company's id."""
    return await database[PAYMENTS].find_one({"payment": {"$eq": payment}})


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
