"""Projects: what a user's work is sorted by, with an AI model and a budget of its own.

`{_id: proj_..., number, user, name, description, settings, created_at, updated_at, deleted_at}`: `number` is the id that
one documented API shows, by which other documents name their `project`; `settings` is `{default_model, budget_micro}`, each
None where there is none. A deleted one has `deleted_at` and can be restored. What its answers cost is counted in its owner's
wallet, under its `_id`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

PROJECTS = "projects"
NUMBERS = "projects"  # their counter
SHAPES = (
    CollectionShape(
        PROJECTS,
        indexes=(Index([("number", 1)], unique=True), Index([("user", 1), ("created_at", -1), ("_id", -1)])),
        schema={"required": ["number", "user", "name", "description", "settings", "created_at", "deleted_at"]},
    ),
)


def new_project(
    project_id: str, number: int, user: str, name: str, description: str, settings: Mapping[str, Any], moment: datetime
) -> Document:
    return {
        "_id": project_id,
        "number": number,
        "user": user,
        "name": name,
        "description": description,
        "settings": {"default_model": None, "budget_micro": None, **settings},
        "created_at": moment,
        "updated_at": moment,
        "deleted_at": None,
    }


def _of(user: str, deleted: bool) -> Document:
    return {"user": {"$eq": user}, "deleted_at": {"$ne": None} if deleted else None}


async def by_number(database: Database, user: str, number: int) -> Document | None:
    """None for somebody else's, and for a deleted one."""
    return await database[PROJECTS].find_one({"number": {"$eq": number}, **_of(user, deleted=False)})


async def within(transaction: Transaction, user: str, number: int) -> Document | None:
    """As an operation of the ledger finds it, deleted or not."""
    found = await transaction.find(PROJECTS, {"number": {"$eq": number}, "user": {"$eq": user}})
    return found[0] if found else None


async def count_within(transaction: Transaction, user: str) -> int:
    return len(await transaction.find(PROJECTS, _of(user, deleted=False), {"_id": 1}))


async def deleted_within(transaction: Transaction, user: str) -> list[Document]:
    """A user's deleted ones, the latest first."""
    return await transaction.find(PROJECTS, _of(user, deleted=True), {"_id": 1}, sort=[("deleted_at", -1), ("_id", -1)])


async def page(database: Database, user: str, *, deleted: bool, skip: int, limit: int) -> tuple[list[Document], int]:
    """A user's, newest first, and how many there are in all; or those that are deleted."""
    return await database[PROJECTS].page(_of(user, deleted), skip=skip, limit=limit)


async def count(database: Database, user: str) -> int:
    """How many a user has, without those that are deleted."""
    return await database[PROJECTS].count(_of(user, deleted=False))


async def change(
    database: Database, user: str, number: int, fields: Mapping[str, Any], moment: datetime
) -> Document | None:
    """Set some of the fields, settings by their dotted names; None where there is no such project of this user's."""
    query = {"number": {"$eq": number}, **_of(user, deleted=False)}
    return await database[PROJECTS].find_one_and_update(query, {"$set": {**fields, "updated_at": moment}})
