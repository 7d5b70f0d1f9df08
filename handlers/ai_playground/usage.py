"""What the caller's requests took, by whatever API they came: `GET /api/v1/ai/usage` in figures by AI model and by UTC day,
`GET /api/v1/usage` request by request. Costs are what was charged, in credits.
"""

from datetime import UTC, datetime, time
from typing import Any, Final

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, SORT, Parameter, asks
from hub import quotas
from hub.analytics import UsageFigures
from hub.errors import invalid
from hub.fields import parse_moment, together
from hub.prices import credits_number
from models import usage
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]

_DATES: Final = (
    Parameter(
        "start_date", "The first day that counts: an ISO 8601 date, or a date-time for the UTC day that it lies on"
    ),
    Parameter("end_date", "The last day that counts, in the same form"),
)
_MODEL: Final = Parameter("model", "Only what this AI model answered")


class AiUsage(ApiHandler):
    """Figures of the caller's own."""

    @scope("usage:read")
    @asks(*_DATES, _MODEL)
    async def get(self) -> None:
        """Requests, tokens and costs in all, by AI model and by day; and what is used of the quotas."""
        (first, last), model = together(lambda: _period(self), lambda: self.query(_MODEL.name))
        figures = await self.services.analytics.usage(self.caller.user_id, first, last, model)
        quota = await quotas.usage(self.services.database, self.services.plans, self.caller.user)
        self.answer({"usage": _figures_view(figures), "quota": quota})


class Requests(ApiHandler):
    """The caller's own, each with what it took."""

    @scope("usage:read")
    @asks(*PAGE, SORT)
    async def get(self) -> None:
        """The requests that were answered."""
        (limit, offset), newest_first = together(self.page_window, self.newest_first)
        database, user = self.services.database, self.caller.user_id
        rows = await usage.page(database, user, newest_first=newest_first, skip=offset, limit=limit)
        total = (await usage.totals(database, user, {})).get("requests", 0)
        self.answer_page("items", [_request_view(row) for row in rows], Page(limit, offset, total))


def _period(handler: ApiHandler) -> tuple[datetime | None, datetime | None]:
    """The first and the last day that a query asks for. Raises `HubError` INVALID."""
    first, last = together(*(lambda name=date.name: _day(handler, name) for date in _DATES))
    if first is not None and last is not None and last < first:
        raise invalid("end_date", "must not be before start_date")
    return first, last


def _day(handler: ApiHandler, name: str) -> datetime | None:
    text = handler.query(name)
    if text is None:
        return None
    try:
        return datetime.combine(parse_moment(text).date(), time(), UTC)
    except ValueError:
        raise invalid(name, "must be an ISO 8601 date or date-time", text) from None


def _figures_view(figures: UsageFigures) -> Json:
    return {
        "total_requests": sum(row["requests"] for row in figures.models),
        "total_tokens": sum(row["tokens"] for row in figures.models),
        "total_cost": credits_number(sum(row["charged"] for row in figures.models)),
        "by_model": {row["_id"]: _taken(row) for row in figures.models},
        "by_date": [{"date": row["_id"].date().isoformat(), **_taken(row)} for row in figures.days],
    }


def _taken(row: Document) -> Json:
    return {"requests": row["requests"], "tokens": row["tokens"], "cost": credits_number(row["charged"])}


def _request_view(row: Document) -> Json:
    """`endpoint` is the path that was asked, null where an earlier version of the hub did not write it."""
    return {
        "id": row["_id"],
        "timestamp": timestamp(row["created_at"]),
        "endpoint": row.get("endpoint"),
        "model": row["model"],
        "prompt_tokens": row["prompt_tokens"],
        "completion_tokens": row["completion_tokens"],
        "tokens": row["prompt_tokens"] + row["completion_tokens"],
        "cost": credits_number(row["charged"]),
        "status": row["status"],
        "duration_ms": row["duration_ms"],
    }


ROUTES = (
    Route("/api/v1/ai/usage", AiUsage, ("ai_playground",), "ai"),
    Route("/api/v1/usage", Requests, ("ai_playground",), "usage"),
)
