"""Mails to be sent: jobs that any process may claim for a while.

`{_id: mail_..., kind, user?, email_key?, to?, attempts, claim, due_at, created_at, expires_at}`. `to` is an address
that its user has no more. What a mail says is made when it is sent, so that no secret waits here. A claim is the fencing
token of one attempt: who lost it can no longer end the job.
"""

from datetime import datetime
from typing import Any

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

MAILS = "mails"
SHAPES = (CollectionShape(MAILS, indexes=(Index([("due_at", 1)]), Index([("expires_at", 1)], expire_after_seconds=0))),)


def new_mail(
    mail_id: str,
    kind: str,
    moment: datetime,
    expires_at: datetime,
    *,
    user: str | None = None,
    email_key: str = "",
    to: str | None = None,
) -> Document:
    """To a user, at `to` where that is not the user's address any more, or to whoever has an address, if anybody has."""
    whom = {"email_key": email_key} if user is None else {"user": user}
    whom |= {} if to is None else {"to": to}
    return {
        "_id": mail_id,
        "kind": kind,
        **whom,
        "attempts": 0,
        "claim": None,
        "due_at": moment,
        "created_at": moment,
        "expires_at": expires_at,
    }


async def add(database: Database, mail: Document) -> None:
    await database[MAILS].insert_one(mail)


async def claim(database: Database, claim_id: str, moment: datetime, until: datetime) -> Document | None:
    """One mail that is due, for this claim alone until then; None where none is."""
    change = {"$set": {"claim": claim_id, "due_at": until}, "$inc": {"attempts": 1}}
    query: Any = {"due_at": {"$lte": moment}, "expires_at": {"$gt": moment}}
    return await database[MAILS].find_one_and_update(query, change)


async def done(database: Database, mail_id: str, claim_id: str) -> None:
    await database[MAILS].delete_one({"_id": {"$eq": mail_id}, "claim": {"$eq": claim_id}})


async def again(database: Database, mail_id: str, claim_id: str, due_at: datetime) -> None:
    """Have it tried once more at `due_at`."""
    query = {"_id": {"$eq": mail_id}, "claim": {"$eq": claim_id}}
    await database[MAILS].update_one(query, {"$set": {"claim": None, "due_at": due_at}})
