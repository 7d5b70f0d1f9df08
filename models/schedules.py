"""Schedules: when a workflow is to be begun next, and who does it now.

`{_id: wf_..., user, cron, timezone?, next_fire_at, claim, claimed_until}`, which stands exactly while a workflow with such a
trigger is switched on.

A claim is for one moment alone: what was begun for it is known by that moment, and the next one is set only by who has the
claim still.
"""

from datetime import datetime
from typing import Final

from models.claims import NEVER, unclaimed, until
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, Transaction

SCHEDULES: Final = "schedules"
SHAPES = (CollectionShape(SCHEDULES, indexes=(Index([("next_fire_at", 1)]), Index([("user", 1)]))),)


def new_schedule(workflow: Document, trigger: Document, next_fire_at: datetime) -> Document:
    """Of a trigger's configuration."""
    return {
        "_id": workflow["_id"],
        "user": workflow["user"],
        "cron": trigger["cron"],
        "timezone": trigger.get("timezone"),
        "next_fire_at": next_fire_at,
        "claim": None,
        "claimed_until": NEVER,
    }


async def others_within(transaction: Transaction, user: str, workflow: str) -> int:
    """How many a user has beside that of one workflow."""
    return len(await transaction.find(SCHEDULES, {"user": {"$eq": user}, "_id": {"$ne": workflow}}, {"_id": 1}))


async def claim(database: Database, claim_id: str, moment: datetime, seconds: int) -> Document | None:
    """One that is due, for this claim alone for so long; None where none is."""
    query = {"next_fire_at": {"$lte": moment}, **unclaimed()}
    change = {"claim": claim_id, "claimed_until": until(seconds)}
    return await database[SCHEDULES].find_one_and_update(query, [{"$set": change}])


def _mine(schedule: Document) -> Document:
    """As long as it is claimed, and says what it said when it was."""
    names = ("_id", "claim", "next_fire_at", "cron", "timezone")
    return {name: {"$eq": schedule[name]} for name in names}


async def fired(database: Database, schedule: Document, next_fire_at: datetime) -> None:
    """End a claim; the next moment is set, unless somebody else has the schedule now, or it was changed."""
    change = {"next_fire_at": next_fire_at, "claim": None, "claimed_until": NEVER}
    await database[SCHEDULES].update_one(_mine(schedule), {"$set": change})


async def remove(database: Database, schedule: Document) -> None:
    """One whose workflow is there no more, or is switched off."""
    await database[SCHEDULES].delete_one(_mine(schedule))
