"""Analytics of one user: `GET /v1/analytics/dashboard`, and events to be kept and looked up, `/v1/analytics/events`."""

from typing import Any, Final

from config import limits
from handlers import history_filters
from handlers.access import scope, user
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, Parameter, asks, takes
from hub import fields
from hub.usd import usd_number
from models import analytics_events
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]


def _name(example: str) -> fields.Text:
    says = "must begin with a letter or digit, and have letters, digits, spaces and _ . : / - alone"
    pattern = r"[A-Za-z0-9][A-Za-z0-9 _.:/-]*"
    return fields.Text(low=1, high=limits.NAME_CHARS_MAX, pattern=pattern, says=says, example=example, required=True)


class EventInput(fields.Input):
    eventType = _name("ai_interaction")
    eventName = _name("chat_completion")
    properties = fields.Stored(
        bytes_max=limits.ANALYTICS_PROPERTIES_BYTES_MAX,
        keys_max=limits.ANALYTICS_PROPERTIES_KEYS_MAX,
        depth_max=limits.ANALYTICS_PROPERTIES_DEPTH_MAX,
        load_default=dict,
        example={"model": "gpt-4", "tokens": 30, "cost": 0.05},
    )


_FILTERS: Final = (
    Parameter("name", "Only events of this name"),
    Parameter("type", "Only events of this type"),
    *history_filters.PERIOD,
)


class Dashboard(ApiHandler):
    """What the caller's completions took, by UTC days; a week begins on Monday."""

    @scope("usage:read")
    async def get(self) -> None:
        """Requests, tokens, costs in US dollars and response time: today, this week, this month and in all."""
        figures = await self.services.analytics.dashboard(self.caller.user_id)
        self.answer({"dashboard": _dashboard_view(figures, self.services.settings.credit_micro_usd)})


class Events(ApiHandler):
    """The caller's own events. Any key may send them, for they tell of whatever its program does."""

    @scope("usage:read")
    @asks(*PAGE, *_FILTERS)
    async def get(self) -> None:
        """The events that were kept, newest first."""
        (limit, offset), name, kind, period = fields.together(
            self.page_window,
            lambda: self.query("name"),
            lambda: self.query("type"),
            lambda: history_filters.period(self),
        )
        exact = {field: {"$eq": text} for field, text in (("name", name), ("type", kind)) if text is not None}
        found, total = await analytics_events.page(
            self.services.database, self.caller.user_id, {**exact, **period}, skip=offset, limit=limit
        )
        self.answer_page("events", [_event_view(event) for event in found], Page(limit, offset, total))

    @user
    @takes(EventInput())
    async def post(self) -> None:
        """Keep an event."""
        given = self.load_body()
        event = await self.services.analytics.track(
            self.caller.user_id, given["eventType"], given["eventName"], given["properties"]
        )
        self.answer({"data": _event_view(event)}, message="Event tracked successfully")


def _dashboard_view(figures: Document, rate: int) -> Json:
    requests = figures["requests"]
    return {
        "overview": {
            "totalRequests": requests,
            "totalTokens": figures["tokens"],
            "totalCost": usd_number(figures["charged"], rate),
            "averageResponseTime": round(figures["duration_ms"] / requests) if requests else 0,
        },
        "usage": {
            "requestsToday": figures["requests_today"],
            "requestsThisWeek": figures["requests_week"],
            "requestsThisMonth": figures["requests_month"],
        },
        "costs": {
            "spentToday": usd_number(figures["charged_today"], rate),
            "spentThisWeek": usd_number(figures["charged_week"], rate),
            "spentThisMonth": usd_number(figures["charged_month"], rate),
        },
    }


def _event_view(event: Document) -> Json:
    return {
        "id": event["_id"],
        "eventType": event["type"],
        "eventName": event["name"],
        "properties": event["properties"],
        "timestamp": timestamp(event["created_at"]),
    }


ROUTES = [
    Route("/v1/analytics/dashboard", Dashboard, ("ai_aggregator",)),
    Route("/v1/analytics/events", Events, ("ai_aggregator",)),
]
