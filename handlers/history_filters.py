"""What narrows a wallet's history down: `type`, and a period by `from` and `to`, for all APIs that show one.

`start_date` and `end_date`, `startDate` and `endDate` mean the same.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

from handlers.base import ApiHandler
from hub.errors import invalid
from hub.fields import parse_moment, together
from hub.operations import Kind


def of(handler: ApiHandler) -> dict[str, Any]:
    """The conditions that a query asks for. Raises `HubError` INVALID."""
    kind, since, until = together(
        lambda: _kind(handler),
        lambda: _moment(handler, "from", "start_date", "startDate", whole_day=False),
        lambda: _moment(handler, "to", "end_date", "endDate", whole_day=True),
    )
    period = {operator: moment for operator, moment in (("$gte", since), ("$lt", until)) if moment is not None}
    return {**({} if kind is None else {"kind": {"$eq": kind}}), **({"created_at": period} if period else {})}


def _kind(handler: ApiHandler) -> str | None:
    kind = handler.query("type")
    if kind is not None and kind not in get_args(Kind):
        raise invalid("type", f"must be one of {', '.join(get_args(Kind))}", kind)
    return kind


def _moment(handler: ApiHandler, *names: str, whole_day: bool) -> datetime | None:
    """An ISO date or date-time of the query; a date that ends a period includes its day. Without a zone it is UTC."""
    name, text = next(((name, text) for name in names if (text := handler.query(name)) is not None), ("", None))
    if text is None:
        return None
    try:
        if len(text) == len("2025-01-01"):
            day = date.fromisoformat(text) + timedelta(days=1 if whole_day else 0)
            return datetime.combine(day, time(), UTC)
        return parse_moment(text)
    except (ValueError, OverflowError):
        raise invalid(name, "must be an ISO 8601 date or date-time", text) from None
