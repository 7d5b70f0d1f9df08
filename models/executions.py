"""Executions of workflows: how far each has come, and who goes on with it now.

`{_id: exec_..., workflow, number, user, project?, version, definition, payload, trigger, twin?, test_mode, hops, status,
steps, approvals, logs, spent_micro, spend_cap_micro, error?, due_at, asked, cancel_asked, claim, node,
claimed_until, active_seconds, broken?, written?, started_at, completed_at?, expires_at?}`

`workflow` is a workflow's id and `number` its number; it may be gone or changed since: `definition` is as it was when
this began. `status` is `running` until it has ended as `completed`, `failed` or `cancelled`. `steps` has a record for each
step by its key (`hub/workflows/running/steps.py`). What users and strangers said, there and in `definition` and `payload`,
is JSON text, so that no key of theirs becomes a name of a field. `logs` are the last `{timestamp, level, message}`,
`approvals` by their steps' keys the `{message, to, due_at}` that somebody is asked. `twin` is what happened only once,
whoever tells of it twice.

`due_at` is when it is to be looked at next, None once it has ended. A claim is the fencing token of one turn at it: who lost
it changes nothing here. How long a claim lasts is the server's own time. `asked` counts what came from outside meanwhile, an
answer or the wish to cancel, so that no turn ends without having seen it. `active_seconds` are those in which it was at
work. `written` is the id of a turn's last write, by which whoever was not told finds whether it stands.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from config import workflows as limits
from models.claims import FREE, unclaimed, until
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

EXECUTIONS: Final = "executions"
STATUSES: Final = ("running", "completed", "failed", "cancelled")
_RUNNING: Final = {"status": "running"}
SHAPES = (
    CollectionShape(
        EXECUTIONS,
        indexes=(
            Index([("due_at", 1)], only_where=_RUNNING),
            Index([("node", 1)], only_where=_RUNNING),
            Index([("workflow", 1), ("started_at", -1), ("_id", -1)]),
            Index([("user", 1), ("status", 1)]),
            Index([("started_at", 1)]),
            Index([("user", 1), ("started_at", 1)]),
            Index([("twin", 1)], unique=True, only_where={"twin": {"$exists": True}}),
            Index([("expires_at", 1)], expire_after_seconds=0),
        ),
        schema={
            "required": ["workflow", "number", "user", "definition", "payload", "status", "steps", "started_at"],
            "properties": {
                "status": {"enum": list(STATUSES)},
                "spent_micro": {"bsonType": ["int", "long"], "minimum": 0},
            },
        },
    ),
)
_LISTED: Final = {"definition": 0, "payload": 0, "logs": 0, "steps": 0}
_ASKED: Final = {"asked": 1, "cancel_asked": 1}
_NEWEST_FIRST: Final = (("started_at", -1), ("_id", -1))


def new_execution(
    execution_id: str,
    workflow: Document,
    payload: str,
    trigger: str,
    moment: datetime,
    *,
    test_mode: bool = False,
    hops: int = 0,
    twin: str | None = None,
) -> Document:
    """Of a workflow as it is now, due at once. `payload` is JSON, `twin` unique within the workflow."""
    kept = ("number", "user", "version", "definition", "project", "spend_cap_micro")
    return {
        "_id": execution_id,
        "workflow": workflow["_id"],
        **{name: workflow[name] for name in kept if name in workflow},
        "payload": payload,
        "trigger": trigger,
        **({} if twin is None else {"twin": f"{workflow['_id']}:{twin}"}),
        "test_mode": test_mode,
        "hops": hops,
        "status": "running",
        "steps": {},
        "approvals": {},
        "logs": [],
        "spent_micro": 0,
        "due_at": moment,
        "asked": 0,
        "cancel_asked": False,
        **FREE,
        "active_seconds": 0.0,
        "started_at": moment,
    }


async def by_id(database: Database, execution_id: str) -> Document | None:
    return await database[EXECUTIONS].find_one({"_id": {"$eq": execution_id}})


async def of_workflow(database: Database, workflow: str, execution_id: str) -> Document | None:
    query = {"_id": {"$eq": execution_id}, "workflow": {"$eq": workflow}}
    return await database[EXECUTIONS].find_one(query)


async def page(
    database: Database, workflow: str, *, status: str | None, skip: int, limit: int
) -> tuple[list[Document], int]:
    """Newest first, without what they did, and how many there are in all."""
    query = {"workflow": {"$eq": workflow}, **({} if status is None else {"status": {"$eq": status}})}
    return await database[EXECUTIONS].page(query, skip=skip, limit=limit, sort=_NEWEST_FIRST, projection=_LISTED)


async def by_twin_within(transaction: Transaction, twin: str) -> Document | None:
    found = await transaction.find(EXECUTIONS, {"twin": {"$eq": twin}})
    return found[0] if found else None


async def running_within(transaction: Transaction, user: str, workflow: str | None = None) -> list[str]:
    """The ids of those of a user's, or of one workflow of theirs, that have not ended."""
    query: dict[str, Any] = {"user": {"$eq": user}, "status": "running"}
    if workflow is not None:
        query["workflow"] = {"$eq": workflow}
    return [found["_id"] for found in await transaction.find(EXECUTIONS, query, {"_id": 1})]


async def count_since(database: Database, since: datetime, user: str | None = None) -> int:
    """How many were begun since a moment, of a user's or of all."""
    query: Document = {} if user is None else {"user": {"$eq": user}}
    return await database[EXECUTIONS].count({**query, "started_at": {"$gte": since}})


# --- turns ----------------------------------------------------------------------------------------------------------


async def claim(
    database: Database, claim_id: str, node: str, moment: datetime, seconds: int, but: Sequence[str]
) -> Document | None:
    """One that is due, of other users than these, for this claim alone for so long; None where none is."""
    query: dict[str, Any] = {"status": "running", "due_at": {"$lte": moment}, **unclaimed()}
    if but:
        query["user"] = {"$nin": list(but)}
    change = {"claim": claim_id, "node": node, "claimed_until": until(seconds)}
    return await database[EXECUTIONS].find_one_and_update(query, [{"$set": change}])


def mine(execution: Document, if_asked: int | None = None) -> Document:
    """The query of whoever has this claim; with `if_asked`, only where nothing came from outside since it was so many."""
    query = {"_id": execution["_id"], "claim": execution["claim"], "status": "running"}
    return query if if_asked is None else {**query, "asked": if_asked}


async def renew(database: Database, execution: Document, active_seconds: float, seconds: int) -> Document | None:
    """Claimed for so long again, and what of it is asked from outside; None where the claim was lost."""
    change = {"claimed_until": until(seconds), "active_seconds": active_seconds}
    query = mine(execution)
    return await database[EXECUTIONS].find_one_and_update(query, [{"$set": change}], shown=_ASKED)


async def steps_of(database: Database, execution: Document) -> Document | None:
    """Its steps, and what of it is asked from outside, as both are at one moment; None where the claim was lost."""
    return await database[EXECUTIONS].find_one(mine(execution), projection={**_ASKED, "steps": 1})


async def write(
    database: Database, execution: Document, change: Mapping[str, Any], if_asked: int | None = None
) -> bool:
    """Whether this change was made: not where the claim was lost, or something came from outside."""
    return await database[EXECUTIONS].update_one(mine(execution, if_asked), change)


async def stands(database: Database, execution: Document, write_id: str, *, freed: bool = False) -> bool:
    """Whether this was the last write, and the claim is still ours; of one that `freed` it whether it was the last.

    Asked by a write: a read may not see yet what was written and is not told.
    """
    query = {"_id": execution["_id"]} if freed else mine(execution)
    return await database[EXECUTIONS].update_one({**query, "written": write_id}, {"$set": {"written": write_id}})


async def release(database: Database, execution: Document, change: Document, if_asked: int) -> bool:
    """End a turn with this change; False where the claim was lost, or something came from outside."""
    return await database[EXECUTIONS].update_one(mine(execution, if_asked), {"$set": {**change, **FREE}})


async def put_off(database: Database, execution: Document, due_at: datetime) -> None:
    """End a turn that broke off, if the claim is still its own: the next one finds all that was written."""
    await database[EXECUTIONS].update_one(mine(execution), {"$set": {"due_at": due_at, **FREE}})


async def broke(database: Database, execution: Document, due_at: datetime) -> None:
    """The same for one that broke off as it never should: that is counted."""
    change = {"$set": {"due_at": due_at, **FREE}, "$inc": {"broken": 1}}
    await database[EXECUTIONS].update_one(mine(execution), change)


async def claimed_within(transaction: Transaction, execution: Document, if_asked: int | None) -> bool:
    """Whether an operation of the ledger finds the claim to be still ours, and what came from outside to be as known."""
    return bool(await transaction.find(EXECUTIONS, mine(execution, if_asked), {"_id": 1}))


async def release_of(database: Database, nodes: Sequence[str]) -> None:
    """End the claims of dead nodes."""
    await database[EXECUTIONS].update_many({"node": {"$in": list(nodes)}, "status": "running"}, {"$set": FREE})


# --- what comes from outside ----------------------------------------------------------------------------------------


def cancelled(moment: datetime) -> Document:
    """The change by which one is asked to end."""
    return {"$set": {"cancel_asked": True, "due_at": moment}, "$inc": {"asked": 1}}


async def ask_to_cancel(database: Database, execution_id: str, moment: datetime) -> bool:
    """False where it has ended."""
    query = {"_id": {"$eq": execution_id}, "status": "running"}
    return await database[EXECUTIONS].update_one(query, cancelled(moment))


def logged(lines: Sequence[Document]) -> Document:
    """The change that adds lines to the logs; beyond their bound the first ones go."""
    return {"$push": {"logs": {"$each": list(lines), "$slice": -limits.LOGS_MAX}}} if lines else {}


async def answer(
    database: Database, execution_id: str, key: str, record: Document, line: Document, moment: datetime
) -> bool:
    """End a step that waits for somebody, with a line of the logs; False where it does not wait, or not any more."""
    step = f"steps.{key}"
    query = {"_id": {"$eq": execution_id}, "status": "running", "cancel_asked": False}
    query |= {f"{step}.status": "waiting", f"{step}.due_at": {"$gt": moment}}
    change = {"$set": {step: record, "due_at": moment}, "$inc": {"asked": 1}, **logged([line])}
    return await database[EXECUTIONS].update_one(query, change)
