"""Auto-recharge: each user's rule, and the one job that it may have.

`{_id: user, enabled, threshold, package, method, customer, revision, failures, reason, day, count, updated_at, due_at?,
claim?, attempt?}`. Below `threshold` micro-credits the `package` is bought by the kept `method` (`customer` is who
the payments company keeps it with). `revision` grows with each change of the rule; `failures` counts declines in a row since
then, and `reason` says what the last one was. `count` recharges were paid on `day`, by UTC.

A job is wanted or waits where there is `due_at`, and whoever sets `claim` works on it until then. `attempt`
(`{id, package, method, customer, revision, tries?}`) is what it has begun to buy: it stays until what became of that is
known, through crashes and changes of the rule; `tries` counts how often that was not to be found out. That there is one
document of each user makes it one job.
"""

from datetime import datetime
from typing import Any

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

AUTO_RECHARGES = "auto_recharges"
SHAPES = (
    CollectionShape(
        AUTO_RECHARGES,
        indexes=(
            Index([("due_at", 1)], only_where={"due_at": {"$exists": True}}),
            Index([("enabled", 1), ("_id", 1)], only_where={"enabled": True}),
        ),
        schema={
            "required": ["enabled", "threshold", "package", "method", "revision", "failures", "count"],
            "properties": {
                "enabled": {"bsonType": "bool"},
                "threshold": {"bsonType": ["long", "int"], "minimum": 1},
                "count": {"bsonType": ["long", "int"], "minimum": 0},
            },
        },
    ),
)


async def of_user(database: Database, user: str) -> Document | None:
    return await database.by_id(AUTO_RECHARGES, user)


async def within(transaction: Transaction, user: str) -> Document | None:
    """As an operation of the ledger finds it."""
    found = await transaction.find(AUTO_RECHARGES, {"_id": {"$eq": user}})
    return found[0] if found else None


async def want(database: Database, user: str, moment: datetime) -> bool:
    """Have the rule looked at, unless its job is wanted, waits or is under way already."""
    query: Any = {"_id": {"$eq": user}, "enabled": True, "due_at": {"$exists": False}}
    return await database[AUTO_RECHARGES].update_one(query, {"$set": {"due_at": moment}})


async def claim(database: Database, claim_id: str, moment: datetime, until: datetime) -> Document | None:
    """A job that is due, for this claim alone until then; None where none is."""
    query: Any = {"due_at": {"$lte": moment}}
    return await database[AUTO_RECHARGES].find_one_and_update(query, {"$set": {"claim": claim_id, "due_at": until}})


async def begin(database: Database, rule: Document, attempt: Document) -> bool:
    """Write down what is about to be bought, where the job is still this claim's and the rule what it was."""
    query = {**_mine(rule), "revision": rule["revision"], "enabled": True}
    return await database[AUTO_RECHARGES].update_one(query, {"$set": {"attempt": attempt}})


async def again(database: Database, rule: Document, due_at: datetime, **changes: object) -> None:
    """Have the same job looked at once more."""
    change = {"$set": {"due_at": due_at, **changes}, "$unset": {"claim": ""}}
    await database[AUTO_RECHARGES].update_one(_mine(rule), change)


async def end(database: Database, rule: Document, changes: Document) -> bool:
    """The job is over; whether it was still this claim's."""
    gone = {"due_at": "", "claim": "", "attempt": ""}
    change: Document = {"$unset": gone, **({"$set": changes} if changes else {})}
    return await database[AUTO_RECHARGES].update_one(_mine(rule), change)


def _mine(rule: Document) -> Document:
    return {"_id": {"$eq": rule["_id"]}, "claim": {"$eq": rule["claim"]}}


async def idle(database: Database, after: str, limit: int) -> list[str]:
    """The first users after an id whose rule is on and has no job."""
    query: Any = {"_id": {"$gt": after}, "enabled": True, "due_at": {"$exists": False}}
    found = await database[AUTO_RECHARGES].find(query, projection={"_id": 1}, sort=[("_id", 1)], limit=limit)
    return [rule["_id"] for rule in found]
