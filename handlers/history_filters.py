"""What narrows a wallet's history down: `type`, and a period by `from` and `to`, for all APIs that show one.

`start_date` and `end_date`, `startDate` and `endDate` mean the same.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, get_args

from handlers.base import ApiHandler
from hub.errors import invalid
from hub.fields import parse_moment
from hub.operations import Kind


def of(handler: ApiHandler) -> dict[str, Any]:
    """The conditions that a query asks for. Raises `HubError` INVALID."""
    filters: dict[str, Any] = {}
    if (kind := handler.query("type")) is not None:
        if kind not in get_args(Kind):
            raise invalid("type", f"must be one of {', '.join(get_args(Kind))}", kind)
        filters["kind"] = {"$eq": kind}
    period = {
        "$gte": _moment(handler, "from", "start_date", "startDate", whole_day=False),
        "$lt": _moment(handler, "to", "end_date", "endDate", whole_day=True),
    }
    if any(period.values()):
        filters["created_at"] = {operator: moment for operator, moment in period.items() if moment is not None}
    return filters


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
