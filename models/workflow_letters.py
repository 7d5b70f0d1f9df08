"""Letters of workflows: written in the transaction that ends their step, and sent by whichever process is free.

`{_id: letter_..., user, execution, to, subject, body, status: waiting | sent | given_up, attempts, claim, node,
claimed_until, due_at, created_at, expires_at}`. They are beside `mails`, so that no user's letters keep those waiting that
an account's safety needs. One that has gone stays for a while without its words: they are counted by the day. `_id` tells
its execution and step, and is its Message-ID, so that programs show once what a crash has sent twice.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from models.claims import FREE, unclaimed, until
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

WORKFLOW_LETTERS: Final = "workflow_letters"
_WAITING: Final = {"status": "waiting"}
SHAPES = (
    CollectionShape(
        WORKFLOW_LETTERS,
        indexes=(
            Index([("due_at", 1)], only_where=_WAITING),
            Index([("node", 1)], only_where=_WAITING),
            Index([("user", 1), ("created_at", 1)]),
            Index([("expires_at", 1)], expire_after_seconds=0),
        ),
    ),
)


def new_letter(
    letter_id: str, user: str, execution: str, to: str, subject: str, body: str, moment: datetime, expires_at: datetime
) -> Document:
    return {
        "_id": letter_id,
        "user": user,
        "execution": execution,
        "to": to,
        "subject": subject,
        "body": body,
        "status": "waiting",
        "attempts": 0,
        **FREE,
        "due_at": moment,
        "created_at": moment,
        "expires_at": expires_at,
    }


async def count_within(transaction: Transaction, user: str, since: datetime, at_most: int) -> int:
    """How many of a user's were written since then, counted no further than `at_most`."""
    query = {"user": {"$eq": user}, "created_at": {"$gte": since}}
    return len(await transaction.find(WORKFLOW_LETTERS, query, {"_id": 1}, limit=at_most))


async def claim(database: Database, claim_id: str, node: str, moment: datetime, seconds: int) -> Document | None:
    """One that is due, for this claim alone for so long; None where none is. How long is the server's own time."""
    query: dict[str, Any] = {"status": "waiting", "due_at": {"$lte": moment}, **unclaimed()}
    change = {"claim": claim_id, "node": node, "claimed_until": until(seconds), "attempts": {"$add": ["$attempts", 1]}}
    return await database[WORKFLOW_LETTERS].find_one_and_update(query, [{"$set": change}])


def _mine(letter: Document) -> Document:
    return {"_id": {"$eq": letter["_id"]}, "claim": {"$eq": letter["claim"]}}


async def went(database: Database, letters: Sequence[str]) -> None:
    """They are sent, whoever has claimed them."""
    query = {"_id": {"$in": list(letters)}, "status": "waiting"}
    await database[WORKFLOW_LETTERS].update_many(query, _ended("sent"))


async def ended(database: Database, letter: Document, status: str) -> None:
    """It is sent, or given up: what it said goes."""
    await database[WORKFLOW_LETTERS].update_one(_mine(letter), _ended(status))


def _ended(status: str) -> Document:
    return {"$set": {"status": status, **FREE}, "$unset": {"subject": True, "body": True}}


async def again(database: Database, letter: Document, due_at: datetime) -> None:
    await database[WORKFLOW_LETTERS].update_one(_mine(letter), {"$set": {"due_at": due_at, **FREE}})


async def release_of(database: Database, nodes: Sequence[str]) -> None:
    """End the claims of dead nodes."""
    query = {"node": {"$in": list(nodes)}, "status": "waiting"}
    await database[WORKFLOW_LETTERS].update_many(query, {"$set": FREE})
