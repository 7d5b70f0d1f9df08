"""What each AI model did on each UTC day, for all users together; kept for 40 days.

`{_id: 2026-11-27:model, day, model, requests, duration_ms, waited_ms, timed, broken, broken_ms, fruitless, up, down}`. The
figures are sums of `usage_days`, where they are exact at every moment; they are added up when somebody asks, up to the day
that `{_id: until, until}` says. `up` and `down` are how many of the day's answers their users think well or ill of, written
in the transaction of each vote.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from config import assistant
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document
from models.usage import USAGE_DAYS, day_of

MODEL_DAYS = "model_days"
SHAPES = (
    CollectionShape(
        MODEL_DAYS, indexes=(Index([("day", 1)], expire_after_seconds=assistant.MODEL_DAYS_KEPT * 86_400),)
    ),
)
_SUMMED: Final = ("requests", "duration_ms", "waited_ms", "timed", "broken", "broken_ms", "fruitless")
_VOTES: Final = ("up", "down")
_UNTIL: Final = "until"


def voted(model: str, moment: datetime, change: Mapping[str, int]) -> tuple[Document, Document]:
    """Which document is to be changed, made where it is not there, and how, for votes on an answer of that moment;
    `change` is by how much `up` and `down` grow.
    """
    day = day_of(moment)
    query = {"_id": f"{day.date().isoformat()}:{model}"}
    return query, {"$inc": change, "$setOnInsert": {"day": day, "model": model}}


async def summed_until(database: Database) -> datetime | None:
    """The last day that was added up."""
    found = await database[MODEL_DAYS].find_one({"_id": _UNTIL})
    return None if found is None else found["until"]


async def sum_up(database: Database, day: datetime) -> None:
    """Add one day's figures up anew, and note that they are. Figures only grow, so that an older sum changes nothing."""
    date = day.date().isoformat()
    grown = {name: {"$max": [f"${name}", f"$$new.{name}"]} for name in _SUMMED}
    await database[USAGE_DAYS].aggregate(
        [
            {"$match": {"day": day, "model": {"$type": "string"}}},
            {"$group": {"_id": "$model", **{name: {"$sum": f"${name}"} for name in _SUMMED}}},
            {"$set": {"model": "$_id", "day": day, "_id": {"$concat": [f"{date}:", "$_id"]}}},
            {"$merge": {"into": MODEL_DAYS, "whenMatched": [{"$set": grown}]}},
        ]
    )
    await database[MODEL_DAYS].update_one({"_id": _UNTIL}, {"$max": {"until": day}}, upsert=True)


async def by_model(database: Database, since: datetime) -> list[Document]:
    """The sums of each model from that day on; its name is `_id`."""
    sums = {name: {"$sum": f"${name}"} for name in (*_SUMMED, *_VOTES)}
    return await database[MODEL_DAYS].aggregate(
        [{"$match": {"day": {"$gte": since}}}, {"$group": {"_id": "$model", **sums}}]
    )
