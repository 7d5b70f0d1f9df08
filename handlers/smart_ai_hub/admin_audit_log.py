"""GET /api/admin/audit-log: what administrators have changed, newest first."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from handlers.access import admin
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from hub.fields import together
from hub.prices import credits_number
from models import audit_log
from models.clock import timestamp

Json = dict[str, Any]
_FILTERS = ("actor", "target", "action")


class AuditLog(ApiHandler):
    """`actor`, `target` and `action` narrow it down."""

    @admin
    async def get(self) -> None:
        (limit, offset), *given = together(self.page_window, *(partial(self.query, name) for name in _FILTERS))
        query = {name: {"$eq": value} for name, value in zip(_FILTERS, given, strict=True) if value is not None}
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
