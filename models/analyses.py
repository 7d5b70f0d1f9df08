"""Document analyses: jobs that any process may claim for a while, and what came of them.

`{_id: analysis_..., user, status: processing | completed | failed, format, source: {type: url | file, url?, name?},
attempts, claim, due_at?, source_parts, created_at, completed_at?, results_parts?, results_bytes?, error?: {message, field?},
removed?, expires_at}`.
A claim is the fencing token of one attempt, renewed while it lasts; with the last one `due_at` goes. `removed` is one
that its user has removed while an attempt was under way: nobody finds it, but it counts as running until that attempt has
ended.

`analysis_parts`: `{_id: <whose>:<number>, number, data, loose?, created_at, expires_at}`, the packed bytes of a document or
of results. `whose` is the analysis for its document, and the claim for the results of an attempt: two attempts at once do
not write over each other. Parts are written before the operation that names them, and are `loose` until then; those that
stay so are swept.
"""

from datetime import datetime
from typing import Any, Final

from config import assistant
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

ANALYSES: Final = "analyses"
ANALYSIS_PARTS: Final = "analysis_parts"
SHAPES = (
    CollectionShape(
        ANALYSES,
        indexes=(
            Index([("user", 1), ("created_at", -1), ("_id", -1)]),
            Index([("due_at", 1)], only_where={"status": "processing"}),
            Index([("expires_at", 1)], expire_after_seconds=0),
        ),
    ),
    CollectionShape(
        ANALYSIS_PARTS,
        indexes=(
            Index([("created_at", 1)], only_where={"loose": True}),
            Index([("expires_at", 1)], expire_after_seconds=0),
        ),
    ),
)
_LISTED: Final = {"claim": 0, "due_at": 0}
_THERE: Final = {"removed": None}


def new_analysis(
    analysis_id: str,
    user: str,
    document_format: str,
    source: Document,
    source_parts: int,
    moment: datetime,
    expires_at: datetime,
) -> Document:
    return {
        "_id": analysis_id,
        "user": user,
        "status": "processing",
        "format": document_format,
        "source": source,
        "source_parts": source_parts,
        "attempts": 0,
        "claim": None,
        "due_at": moment,
        "created_at": moment,
        "expires_at": expires_at,
    }


def _of(user: str, analysis_id: str) -> Document:
    return {"_id": {"$eq": analysis_id}, "user": {"$eq": user}, **_THERE}


# --- what a user has ------------------------------------------------------------------------------------------------


async def of_user(database: Database, user: str, analysis_id: str) -> Document | None:
    """None for somebody else's."""
    return await database[ANALYSES].find_one(_of(user, analysis_id))


async def page(database: Database, user: str, *, skip: int, limit: int) -> tuple[list[Document], int]:
    """Newest first, and how many there are in all."""
    return await database[ANALYSES].page({"user": {"$eq": user}, **_THERE}, skip=skip, limit=limit, projection=_LISTED)


async def statuses_within(transaction: Transaction, user: str) -> list[str]:
    """One for each that a user has."""
    found = await transaction.find(ANALYSES, {"user": {"$eq": user}}, {"status": 1})
    return [analysis["status"] for analysis in found]


async def within(transaction: Transaction, user: str, analysis_id: str) -> Document | None:
    """As an operation of the ledger finds it; None for somebody else's."""
    found = await transaction.find(ANALYSES, _of(user, analysis_id))
    return found[0] if found else None


# --- jobs -----------------------------------------------------------------------------------------------------------


async def claim(database: Database, claim_id: str, moment: datetime, until: datetime) -> Document | None:
    """One that is due, for this claim alone until then; None where none is."""
    query: Any = {"status": "processing", "due_at": {"$lte": moment}}
    change = {"$set": {"claim": claim_id, "due_at": until}, "$inc": {"attempts": 1}}
    return await database[ANALYSES].find_one_and_update(query, change)


async def renew(database: Database, analysis_id: str, claim_id: str, until: datetime) -> bool:
    """Keep a claim, or with a moment that has come give it back; False where it is lost, or the analysis removed."""
    return await database[ANALYSES].update_one(_claimed(analysis_id, claim_id), {"$set": {"due_at": until}})


async def claimed_within(transaction: Transaction, analysis_id: str, claim_id: str) -> Document | None:
    """As an operation of the ledger finds it; None where it is gone, or another's by now."""
    found = await transaction.find(ANALYSES, _claimed(analysis_id, claim_id))
    return found[0] if found else None


async def removed_within(transaction: Transaction, analysis_id: str) -> Document | None:
    """One that its user has removed, as an operation of the ledger finds it."""
    found = await transaction.find(ANALYSES, {"_id": {"$eq": analysis_id}, "removed": True})
    return found[0] if found else None


def _claimed(analysis_id: str, claim_id: str) -> Document:
    return {"_id": {"$eq": analysis_id}, "claim": {"$eq": claim_id}, "status": "processing", **_THERE}


# --- parts ----------------------------------------------------------------------------------------------------------


async def add_parts(database: Database, whose: str, packed: bytes, moment: datetime, expires_at: datetime) -> int:
    """Keep bytes, loose as yet; how many parts they make."""
    size, dated = assistant.ANALYSIS_PART_BYTES, {"created_at": moment, "expires_at": expires_at}
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    for number, part_id in enumerate(part_ids(whose, len(pieces))):
        part = {"_id": part_id, "number": number, "data": pieces[number], "loose": True, **dated}
        await database[ANALYSIS_PARTS].insert_one(part)
    return len(pieces)


async def parts(database: Database, whose: str, count: int) -> bytes | None:
    """The bytes; None where a part of them is gone."""
    query = {"_id": {"$in": part_ids(whose, count)}}
    found = await database[ANALYSIS_PARTS].find(query, limit=assistant.ANALYSIS_PARTS_MAX)
    if len(found) != count:
        return None
    return b"".join(part["data"] for part in sorted(found, key=lambda part: int(part["number"])))


async def all_parts_within(transaction: Transaction, whose: str, count: int) -> bool:
    """Whether each part is still there, as an operation of the ledger finds them that is to name them."""
    return len(await transaction.find(ANALYSIS_PARTS, {"_id": {"$in": part_ids(whose, count)}}, {"_id": 1})) == count


def part_ids(whose: str, count: int) -> list[str]:
    return [f"{whose}:{number}" for number in range(count)]


async def sweep(database: Database, older_than: datetime) -> int:
    """Remove parts made before then that nothing has come to name; how many those were."""
    return await database[ANALYSIS_PARTS].delete_many({"loose": True, "created_at": {"$lt": older_than}})


async def remove_parts(database: Database, whose: str, count: int) -> None:
    await database[ANALYSIS_PARTS].delete_many({"_id": {"$in": part_ids(whose, count)}})
