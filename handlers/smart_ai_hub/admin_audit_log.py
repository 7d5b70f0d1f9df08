"""GET /api/admin/audit-log: what administrators have changed, newest first."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from handlers.access import admin
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, Parameter, asks
from hub.fields import together
from hub.prices import credits_number
from models import audit_log
from models.clock import timestamp

Json = dict[str, Any]
_FILTERS: Final = (
    Parameter("actor", "Only what this administrator did"),
    Parameter("target", "Only what was done to the thing with this id"),
    Parameter("action", "Only this kind of change, such as `credits.adjust`"),
)


class AuditLog(ApiHandler):
    @admin
    @asks(*PAGE, *_FILTERS)
    async def get(self) -> None:
        """What administrators have changed, newest first."""
        (limit, offset), *given = together(self.page_window, *(partial(self.query, each.name) for each in _FILTERS))
        asked = zip(_FILTERS, given, strict=True)
        query = {each.name: {"$eq": value} for each, value in asked if value is not None}
        found, total = await audit_log.page(self.services.database, query, skip=offset, limit=limit)
        self.answer_page("entries", [_view(row) for row in found], Page(limit, offset, total))


def _view(row: Mapping[str, Any]) -> Json:
    return {
        "id": row["_id"],
        "actor": row["actor"],
        "action": row["action"],
        "target": row["target"],
        "before": _shown(row["before"]),
        "after": _shown(row["after"]),
        "reason": row["reason"],
        "type": row.get("kind"),
        "requestId": row["request_id"],
        "address": row["address"],
        "createdAt": timestamp(row["created_at"]),
    }


def _shown(state: Mapping[str, Any] | None) -> Json | None:
    """Credits are kept in micro-credits."""
    if state is None or "credits" not in state:
        return None if state is None else dict(state)
    return {**state, "credits": credits_number(state["credits"])}


ROUTES = [Route("/api/admin/audit-log", AuditLog, ("smart_ai_hub",), "admin")]
