"""Request figures: how many requests each node's APIs answered in each minute, kept for 35 days.

`{_id: node:minute, minute, requests, failures, timed, milliseconds}`: `failures` are answers with a status of 500 or more,
`timed` those whose times `milliseconds` is the sum of. A node writes its own rows alone, each time with the totals of the
minute, so that a write may be repeated.
"""

from datetime import datetime

from config import limits
from models.collection_shape import CollectionShape, Index
from models.database import Database, Document

REQUEST_STATS = "request_stats"
_FIGURES = ("requests", "failures", "timed", "milliseconds")
SHAPES = (
    CollectionShape(
        REQUEST_STATS,
        indexes=(Index([("minute", 1)], expire_after_seconds=limits.REQUEST_STATS_DAYS * 86_400),),
    ),
)


async def put(database: Database, node: str, minute: datetime, figures: Document) -> None:
    """Write a node's minute as it now stands; figures only grow, so that an older write that comes late changes nothing."""
    row = {"$set": {"minute": minute}, "$max": figures}
    await database[REQUEST_STATS].update_one({"_id": f"{node}:{minute.isoformat()}"}, row, upsert=True)


async def sums(database: Database, since: datetime) -> Document:
    """The figures of all nodes together."""
    total = {name: {"$sum": f"${name}"} for name in _FIGURES}
    rows = await database[REQUEST_STATS].aggregate(
        [{"$match": {"minute": {"$gte": since}}}, {"$group": {"_id": None, **total}}]
    )
    return rows[0] if rows else dict.fromkeys(_FIGURES, 0)
