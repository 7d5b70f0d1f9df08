"""Notice jobs: users who are still to be told of notifications, one job for each user and medium.

`{_id: email:usr_..., medium, user, count, attempts, claim, due_at, created_at, expires_at}`. `count` is how many
notifications name the medium in their `untold`. The job is written in the transaction that writes a notification, so that
neither stands without the other:

    notification --(count + 1)--> due after a moment's gathering --claim--> told (count - so many), due again after a pause
                                                                               +--> nothing came meanwhile: removed

While it pauses, what comes only counts: it goes together at the pause's end. A claim is the fencing token of one attempt:
who lost it can no longer end the job. One for which nobody has been told in `limits.EVENT_DAYS` goes by itself.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from config import limits, outgoing
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

NOTICE_JOBS: Final = "notice_jobs"
MEDIA: Final = ("email", "push")  # of those in `models/notification_settings.py` the ones that leave the hub
SHAPES = (
    CollectionShape(
        NOTICE_JOBS,
        indexes=(
            Index([("medium", 1), ("due_at", 1)]),
            Index([("count", 1)]),
            Index([("expires_at", 1)], expire_after_seconds=0),
        ),
    ),
)


def one_more(medium: str, user: str, moment: datetime) -> tuple[Mapping[str, Any], Document]:
    """The query and the change of an upsert: one more notification. A job that is there stays due when it was."""
    new = {
        "medium": medium,
        "user": user,
        "attempts": 0,
        "claim": None,
        "due_at": moment + timedelta(seconds=outgoing.NOTICE_GATHER_SECONDS[medium]),
        "created_at": moment,
    }
    expires_at = moment + timedelta(days=limits.EVENT_DAYS)
    return {"_id": f"{medium}:{user}"}, {
        "$inc": {"count": 1},
        "$max": {"expires_at": expires_at},
        "$setOnInsert": new,
    }


async def claim(database: Database, medium: str, claim_id: str, moment: datetime, until: datetime) -> Document | None:
    """A job of this medium that is due, for this claim alone until then; None where none is."""
    change = {"$set": {"claim": claim_id, "due_at": until}, "$inc": {"attempts": 1}}
    query: Any = {"medium": medium, "due_at": {"$lte": moment}}
    return await database[NOTICE_JOBS].find_one_and_update(query, change)


async def ended(database: Database, job: Document, notes: int, due_at: datetime) -> None:
    """So many of its notifications are done with; what else came, and what comes, is due then."""
    change = {"$inc": {"count": -notes}, "$set": {"claim": None, "attempts": 0, "due_at": due_at}}
    await database[NOTICE_JOBS].update_one(_claimed(job), change)


async def again(database: Database, job: Document, due_at: datetime) -> None:
    """Have it tried once more at `due_at`."""
    await database[NOTICE_JOBS].update_one(_claimed(job), {"$set": {"claim": None, "due_at": due_at}})


async def remove(database: Database, job: Document) -> bool:
    """Remove it, if nothing came since it was claimed; whether it is gone.

    A transaction that counts one more at this moment either stands before, and the job stays, or meets the removal, is
    run again and makes a new one.
    """
    return await database[NOTICE_JOBS].delete_one({**_claimed(job), "count": {"$eq": job["count"]}})


async def waiting(database: Database) -> int:
    """How many have something to tell."""
    return await database[NOTICE_JOBS].count({"count": {"$gt": 0}})


def _claimed(job: Document) -> dict[str, Any]:
    return {"_id": {"$eq": job["_id"]}, "claim": {"$eq": job["claim"]}}
