"""Exchange rates: `{_id: rate_..., from, to, rate, active, created_at, updated_at}`, at most one active for a pair.

`from` and `to` are `credits` or `points`; `rate` is what one unit of `from` is worth in `to`, in millionths.
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import NEWEST_FIRST, Database, Document, DuplicateKey, Transaction

EXCHANGE_RATES = "exchange_rates"
TYPES = ("credits", "points")

SHAPES = (
    CollectionShape(
        EXCHANGE_RATES,
        indexes=(
            Index([("from", 1), ("to", 1)], unique=True, only_where={"active": True}),
            Index([("created_at", -1)]),
        ),
        schema={
            "required": ["from", "to", "rate", "active"],
            "properties": {
                "from": {"enum": list(TYPES)},
                "to": {"enum": list(TYPES)},
                "rate": {"bsonType": ["long", "int"], "minimum": 1},
                "active": {"bsonType": "bool"},
            },
        },
    ),
)


def new_rate(rate_id: str, from_type: str, to_type: str, rate: int, active: bool, moment: datetime) -> Document:
    return {
        "_id": rate_id,
        "from": from_type,
        "to": to_type,
        "rate": rate,
        "active": active,
        "created_at": moment,
        "updated_at": moment,
    }


async def list_all(database: Database, limit: int) -> list[Document]:
    """Newest first."""
    return await database[EXCHANGE_RATES].find({}, sort=NEWEST_FIRST, limit=limit)


async def by_id(database: Database, rate_id: str) -> Document | None:
    return await database[EXCHANGE_RATES].find_one({"_id": {"$eq": rate_id}})


async def active(database: Database, from_type: str, to_type: str) -> Document | None:
    """The rate of a pair now: for showing. What money moves by is read in the transaction that moves it."""
    return await database[EXCHANGE_RATES].find_one(_active(from_type, to_type))


async def within(transaction: Transaction, rate_id: str) -> Document | None:
    """A rate as an operation of the ledger finds it."""
    found = await transaction.find(EXCHANGE_RATES, {"_id": {"$eq": rate_id}})
    return found[0] if found else None


async def active_within(transaction: Transaction, from_type: str, to_type: str) -> Document | None:
    """The active rate of a pair as an operation of the ledger finds it."""
    found = await transaction.find(EXCHANGE_RATES, _active(from_type, to_type))
    return found[0] if found else None


async def ensure(database: Database, rate: Document) -> None:
    """Have this rate where its pair has none at all; an administrator's rates are left alone."""
    pair = {"from": {"$eq": rate["from"]}, "to": {"$eq": rate["to"]}}
    if await database[EXCHANGE_RATES].find_one(pair) is not None:
        return
    try:
        await database[EXCHANGE_RATES].insert_one(rate)
    except DuplicateKey:
        pass  # another process was faster, and one is enough


def _active(from_type: str, to_type: str) -> Document:
    return {"from": {"$eq": from_type}, "to": {"$eq": to_type}, "active": True}
