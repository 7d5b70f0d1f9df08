"""Usage: what each settled completion took, and what that adds up to for each user and day.

A row is `{_id: stream, user, model, provider, api, prompt_tokens, completion_tokens, charged, usage_source, duration_ms,
first_token_ms, status, created_at}`, `charged` in micro-credits. A day's totals are `{_id: user:2026-11-27, user, day,
requests, tokens, charged, duration_ms}` of the rows that were begun on that UTC day. They are written in the transaction
of each row, and so are always its rows' sums: who asks for all that a user ever used reads one small document a day.
"""

from datetime import datetime

from models.database import CollectionShape, Database, Document, Index

USAGE = "usage"
USAGE_DAYS = "usage_days"
SHAPES = (
    CollectionShape(USAGE, indexes=(Index([("user", 1), ("created_at", -1)]), Index([("created_at", -1)]))),
    CollectionShape(USAGE_DAYS, indexes=(Index([("user", 1), ("day", -1)]),)),
)


def day_of(moment: datetime) -> datetime:
    """The UTC day of a moment in UTC, as its first moment."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def day_id(user: str, moment: datetime) -> str:
    return f"{user}:{day_of(moment).date().isoformat()}"


def counted(row: Document) -> Document:
    """The change by which a row is added to its day's totals."""
    return {
        "$inc": {
            "requests": 1,
            "tokens": row["prompt_tokens"] + row["completion_tokens"],
            "charged": row["charged"],
            "duration_ms": row["duration_ms"],
        },
        "$setOnInsert": {"user": row["user"], "day": day_of(row["created_at"])},
    }


async def totals(database: Database, user: str, since: dict[str, datetime]) -> Document:
    """`{requests, tokens, charged, duration_ms}` of all of a user's days, and of those from each of `since` on
    `requests_<its name>` and `charged_<its name>`; empty where there are none.
    """
    sums: Document = {name: {"$sum": f"${name}"} for name in ("requests", "tokens", "charged", "duration_ms")}
    for name, first in since.items():
        for figure in ("requests", "charged"):
            sums[f"{figure}_{name}"] = {"$sum": {"$cond": [{"$gte": ["$day", first]}, f"${figure}", 0]}}
    found = await database[USAGE_DAYS].aggregate(
        [{"$match": {"user": {"$eq": user}}}, {"$group": {"_id": None, **sums}}]
    )
    return found[0] if found else {}
