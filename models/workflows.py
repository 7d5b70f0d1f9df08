"""Workflows: what a user has the hub do by itself, and when.

`{_id: wf_..., number, user, project?, name, description, enabled, trigger_type, trigger_config, definition, version,
secret, secret_hash, notify_url?, spend_cap_micro, last_execution, execution_count, created_at, updated_at}`: `number` is the
id that one documented API shows, `project` a project's number. `definition` is JSON text: its keys are its author's, and no
names of database fields; so is `trigger_config`, the part of it that lists show. `version` grows with each change. `secret`
is sealed; its address is found by `secret_hash`.
"""

from datetime import datetime
from typing import Any, Final

from models.collection_shape import CollectionShape, Index
from models.database import NEWEST_FIRST, Database, Document, Transaction

WORKFLOWS: Final = "workflows"
NUMBERS: Final = "workflows"  # their counter
_LISTED: Final = {"definition": 0}
SHAPES = (
    CollectionShape(
        WORKFLOWS,
        indexes=(
            Index([("number", 1)], unique=True),
            Index([("secret_hash", 1)], unique=True),
            Index([("user", 1), ("created_at", -1), ("_id", -1)]),
        ),
        schema={
            "required": ["number", "user", "name", "enabled", "trigger_type", "definition", "secret", "created_at"],
            "properties": {"definition": {"bsonType": "string"}, "enabled": {"bsonType": "bool"}},
        },
    ),
)


def new_workflow(
    workflow_id: str, number: int, user: str, project: int | None, given: Document, moment: datetime
) -> Document:
    """`given` has what its owner says, its definition's parts and its secret's."""
    return {
        "_id": workflow_id,
        "number": number,
        "user": user,
        **given,
        "version": 1,
        "last_execution": None,
        "execution_count": 0,
        "created_at": moment,
        "updated_at": moment,
        **({} if project is None else {"project": project}),
    }


def _of(user: str, project: int | None) -> Document:
    return {"user": {"$eq": user}, **({} if project is None else {"project": {"$eq": project}})}


async def by_number(database: Database, user: str, number: int) -> Document | None:
    """None for somebody else's."""
    return await database[WORKFLOWS].find_one({"number": {"$eq": number}, "user": {"$eq": user}})


async def by_id(database: Database, workflow_id: str) -> Document | None:
    return await database[WORKFLOWS].find_one({"_id": {"$eq": workflow_id}})


async def by_secret(database: Database, secret_hash: str) -> Document | None:
    return await database[WORKFLOWS].find_one({"secret_hash": {"$eq": secret_hash}})


async def triggered_by(database: Database, user: str, trigger_type: str, limit: int) -> list[Document]:
    """A user's that are switched on and begin so, the oldest first."""
    query = {"user": {"$eq": user}, "trigger_type": trigger_type, "enabled": True}
    return await database[WORKFLOWS].find(query, limit=limit, sort=[("number", 1)])


async def within(transaction: Transaction, user: str, number: int) -> Document | None:
    """As an operation of the ledger finds it."""
    found = await transaction.find(WORKFLOWS, {"number": {"$eq": number}, "user": {"$eq": user}})
    return found[0] if found else None


async def by_id_within(transaction: Transaction, workflow_id: str) -> Document | None:
    found = await transaction.find(WORKFLOWS, {"_id": {"$eq": workflow_id}})
    return found[0] if found else None


async def count_within(transaction: Transaction, user: str) -> int:
    return len(await transaction.find(WORKFLOWS, {"user": {"$eq": user}}, {"_id": 1}))


async def page(
    database: Database, user: str, *, project: int | None = None, skip: int, limit: int
) -> tuple[list[Document], int]:
    """A user's, or those of a project, newest first and without their definitions, and how many there are in all."""
    return await database[WORKFLOWS].page(_of(user, project), skip=skip, limit=limit, projection=_LISTED)


async def in_projects(database: Database, user: str, limit: int) -> list[Document]:
    """A user's that belong to a project, without their definitions, the newest first."""
    query = {"user": {"$eq": user}, "project": {"$exists": True}}
    return await database[WORKFLOWS].find(query, limit=limit, sort=NEWEST_FIRST, projection=_LISTED)


async def totals(database: Database, user: str | None) -> tuple[int, int]:
    """How many a user has, or all users together, and how often these were executed."""
    which: Document = {} if user is None else {"user": {"$eq": user}}
    sums = {"_id": None, "count": {"$sum": 1}, "executions": {"$sum": "$execution_count"}}
    found = await database[WORKFLOWS].aggregate([{"$match": which}, {"$group": sums}])
    return (found[0]["count"], found[0]["executions"]) if found else (0, 0)


async def most_active(database: Database, user: str) -> Document | None:
    """`{number, name}` of the one of a user's that was executed most often; None where none was."""
    query: dict[str, Any] = {"user": {"$eq": user}, "execution_count": {"$gt": 0}}
    order = [("execution_count", -1), ("_id", 1)]
    return await database[WORKFLOWS].find_one(query, projection={"_id": 0, "number": 1, "name": 1}, sort=order)
