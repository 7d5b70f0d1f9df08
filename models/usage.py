"""Usage: what each settled completion took, and what that adds up to for each user, day and AI model.

A row is `{_id: stream, user, model, provider, api, endpoint, prompt_tokens, completion_tokens, charged, usage_source,
duration_ms, first_token_ms, status, created_at, project?}`, `charged` in micro-credits, `project` a project's number. A
day's totals of one model are `{_id:
user:2026-11-27:model, user, day, model, requests, tokens, charged, duration_ms, ...}` of the rows that were begun on that
UTC day. They are written in the transaction of each row, and so are always its rows' sums: who asks for all that a user ever
used reads a small document for each day and model.

What the model is ranked by stands there too, where it is not 0: `waited_ms` and `timed`, the times to the first token and
how many answers had one; `broken` and `broken_ms`, the answers that broke off by the provider's fault or ours and how long
they took, which says nothing of the model's pace; `fruitless`, those of which nothing came: they have no row, and are no
requests. `last_at` is when the user asked last.
"""

from datetime import datetime

from models.collection_shape import CollectionShape, Index
from models.database import Database, Document, by_age
from models.users import USERS

USAGE = "usage"
USAGE_DAYS = "usage_days"
SHAPES = (
    CollectionShape(
        USAGE,
        indexes=(
            Index([("user", 1), ("created_at", -1), ("_id", -1)]),
            Index([("created_at", -1), ("charged", 1)]),  # has all that `between` reads
        ),
    ),
    CollectionShape(USAGE_DAYS, indexes=(Index([("user", 1), ("day", -1)]), Index([("day", 1)]))),
)
_FIGURES = ("requests", "tokens", "charged", "duration_ms")
_UNKNOWN = "unknown"  # the model of days that an earlier version of the hub added up, for all models together


def day_of(moment: datetime) -> datetime:
    """The UTC day of a moment in UTC, as its first moment."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def day_id(user: str, moment: datetime, model: str) -> str:
    return f"{user}:{day_of(moment).date().isoformat()}:{model}"


def counted(row: Document, *, broken: bool) -> Document:
    """The change by which a row is added to its day's totals of its model."""
    figures = {
        "requests": 1,
        "tokens": row["prompt_tokens"] + row["completion_tokens"],
        "charged": row["charged"],
        "duration_ms": row["duration_ms"],
    }
    if broken:
        figures |= {"broken": 1, "broken_ms": row["duration_ms"]}
    elif row["first_token_ms"] is not None:
        figures |= {"timed": 1, "waited_ms": row["first_token_ms"]}
    return {"$inc": figures, **_of_day(row["user"], row["created_at"], row["model"])}


def fruitless(user: str, moment: datetime, model: str) -> Document:
    """The change by which a request of which nothing came is counted among its day's."""
    return {"$inc": {"fruitless": 1}, **_of_day(user, moment, model)}


def _of_day(user: str, moment: datetime, model: str) -> Document:
    day = {"user": user, "day": day_of(moment), "model": model}
    return {"$max": {"last_at": moment}, "$setOnInsert": day}


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
    query: Document = {"user": {"$eq": user}, "requests": {"$gt": 0}}
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


async def favourite(database: Database, user: str) -> str | None:
    """The AI model that a user asked most often, of several the first by its name; None where there is none."""
    found = await database[USAGE_DAYS].aggregate(
        [
            {"$match": {"user": {"$eq": user}, "requests": {"$gt": 0}, "model": {"$type": "string"}}},
            {"$group": {"_id": "$model", "requests": {"$sum": "$requests"}}},
            {"$sort": {"requests": -1, "_id": 1}},
            {"$limit": 1},
        ]
    )
    return found[0]["_id"] if found else None


async def active(database: Database, since: datetime) -> int:
    """How many users were seen from that moment on, or asked an AI model."""
    seen = [{"$match": {"last_active_at": {"$gte": since}}}, {"$project": {"_id": 1}}]
    found = await database[USAGE_DAYS].aggregate(
        [
            {"$match": {"day": {"$gte": day_of(since)}, "last_at": {"$gte": since}}},
            {"$group": {"_id": "$user"}},
            {"$unionWith": {"coll": USERS, "pipeline": seen}},
            {"$group": {"_id": "$_id"}},
            {"$count": "users"},
        ]
    )
    return int(found[0]["users"]) if found else 0


async def between(database: Database, first: datetime, before: datetime) -> tuple[int, int]:
    """How many answers of all users were begun between two moments, the first included, and what they cost."""
    sums = {"_id": None, "requests": {"$sum": 1}, "charged": {"$sum": "$charged"}}
    found = await database[USAGE].aggregate(
        [{"$match": {"created_at": {"$gte": first, "$lt": before}}}, {"$group": sums}]
    )
    return (int(found[0]["requests"]), int(found[0]["charged"])) if found else (0, 0)
