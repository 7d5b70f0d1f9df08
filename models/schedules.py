"""Schedules: when a workflow is to be begun next, and who does it now. Their form is in `models/workflows.py`.

A claim is for one moment alone: what was begun for it is known by that moment, and the next one is set only by who has the
claim still. How long a claim lasts is the server's own time.
"""

from datetime import datetime

from models.database import Database, Document
from models.workflows import NEVER, SCHEDULES


async def claim(database: Database, claim_id: str, moment: datetime, seconds: int) -> Document | None:
    """One that is due, for this claim alone for so long; None where none is."""
    query = {"next_fire_at": {"$lte": moment}, "$expr": {"$lte": ["$claimed_until", "$$NOW"]}}
    until = {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": seconds}}
    return await database[SCHEDULES].find_one_and_update(query, [{"$set": {"claim": claim_id, "claimed_until": until}}])


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
