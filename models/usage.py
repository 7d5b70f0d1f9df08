"""Usage: what each settled completion took, and what that adds up to for each user, day and AI model.

A row is `{_id: stream, user, model, provider, api, endpoint, prompt_tokens, completion_tokens, charged, usage_source,
duration_ms, first_token_ms, status, created_at}`, `charged` in micro-credits. A day's totals of one model are `{_id:
user:2026-11-27:model, user, day, model, requests, tokens, charged, duration_ms}` of the rows that were begun on that UTC
day. They are written in the transaction of each row, and so are always its rows' sums: who asks for all that a user ever
used reads a small document for each day and model.
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, by_age

USAGE = "usage"
USAGE_DAYS = "usage_days"
SHAPES = (
    CollectionShape(
        USAGE, indexes=(Index([("user", 1), ("created_at", -1), ("_id", -1)]), Index([("created_at", -1)]))
    ),
    CollectionShape(USAGE_DAYS, indexes=(Index([("user", 1), ("day", -1)]),)),
)
_FIGURES = ("requests", "tokens", "charged", "duration_ms")
_UNKNOWN = "unknown"  # the model of days that an earlier version of the hub added up, for all models together


def day_of(moment: datetime) -> datetime:
    """The UTC day of a moment in UTC, as its first moment."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def day_id(user: str, moment: datetime, model: str) -> str:
    return f"{user}:{day_of(moment).date().isoformat()}:{model}"


def counted(row: Document) -> Document:
    """The change by which a row is added to its day's totals of its model."""
    return {
        "$inc": {
            "requests": 1,
            "tokens": row["prompt_tokens"] + row["completion_tokens"],
            "charged": row["charged"],
            "duration_ms": row["duration_ms"],
        },
        "$setOnInsert": {"user": row["user"], "day": day_of(row["created_at"]), "model": row["model"]},
    }


async def totals(database: Database, user: str, since: dict[str, datetime]) -> Document:
    """`{requests, tokens, charged, duration_ms}` of all of a user's days, and of those from each of `since` on
    `requests_<its name>` and `charged_<its name>`; empty where there are none.
    """
    sums: Document = {name: {"$sum": f"${name}"} for name in _FIGURES}
    for name, first in since.items():
        for figure in ("requests", "charged"):
            sums[f"{figure}_{name}"] = {"$sum": {"$cond": [{"$gte": ["$day", first]}, f"${figure}", 0]}}
    found = await database[USAGE_DAYS].aggregate(
        [{"$match": {"user": {"$eq": user}}}, {"$group": {"_id": None, **sums}}]
    )
    return found[0] if found else {}


async def by_model_and_day(
    database: Database, user: str, first: datetime | None, last: datetime | None, model: str | None, days_max: int
) -> tuple[list[Document], list[Document]]:
    """The figures of each model, in the order of their names, and of each day, the latest `days_max` of them, oldest first;
    `_id` is the model or the day. `first` and `last` are days, both of them included. Both lists are of one moment.
    """
    query: Document = {"user": {"$eq": user}}
    bounds = {operator: day for operator, day in (("$gte", first), ("$lte", last)) if day is not None}
    query |= {"day": bounds} if bounds else {}
    query |= {"model": {"$eq": model}} if model is not None else {}
    sums: Document = {name: {"$sum": f"${name}"} for name in _FIGURES}
    name = {"$ifNull": ["$model", _UNKNOWN]}
    models = [{"$group": {"_id": name, **sums}}, {"$sort": {"_id": 1}}]
    days = [{"$group": {"_id": "$day", **sums}}, {"$sort": {"_id": -1}}, {"$limit": days_max}, {"$sort": {"_id": 1}}]
    (found,) = await database[USAGE_DAYS].aggregate([{"$match": query}, {"$facet": {"models": models, "days": days}}])
    return found["models"], found["days"]


async def page(database: Database, user: str, *, newest_first: bool, skip: int, limit: int) -> list[Document]:
    """A user's rows in the order in which they were begun."""
    order = by_age(newest_first)
    return await database[USAGE].find({"user": {"$eq": user}}, sort=order, skip=skip, limit=limit)
