"""What narrows a wallet's history down: `type`, and a period by `from` and `to`, for all APIs that show one. Other lists
take the same periods.

`start_date` and `end_date`, `startDate` and `endDate` mean the same.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, get_args

from handlers.base import ApiHandler
from handlers.terms import Parameter
from hub.errors import invalid
from hub.fields import parse_moment, together
from hub.operations import Kind

_SINCE: Final = ("from", "start_date", "startDate")
_UNTIL: Final = ("to", "end_date", "endDate")
PERIOD: Final = (
    *(Parameter(name, "Only what came since then: an ISO 8601 date or date-time") for name in _SINCE),
    *(Parameter(name, "Only what came until then, the whole day of a date included") for name in _UNTIL),
)
PARAMETERS: Final = (
    Parameter("type", "Only this kind of movement", {"type": "string", "enum": list(get_args(Kind))}),
    *PERIOD,
)


def of(handler: ApiHandler) -> dict[str, Any]:
    """The conditions that a query asks for. Raises `HubError` INVALID."""
    kind, created = together(lambda: handler.query_choice("type"), lambda: period(handler))
    return {**({} if kind is None else {"kind": {"$eq": kind}}), **created}


def period(handler: ApiHandler) -> dict[str, Any]:
    """The condition on `created_at` that a query asks for, if any. Raises `HubError` INVALID."""
    since, until = together(
        lambda: _moment(handler, *_SINCE, whole_day=False),
        lambda: _moment(handler, *_UNTIL, whole_day=True),
    )
    bounds = {operator: moment for operator, moment in (("$gte", since), ("$lt", until)) if moment is not None}
    return {"created_at": bounds} if bounds else {}


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
