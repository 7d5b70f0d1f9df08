"""`GET /api/monitoring/stats`: the whole hub in figures."""

from typing import Any

from handlers.access import admin
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.insight.overview import SystemFigures
from hub.prices import credits_number


class Stats(ApiHandler):
    @admin
    async def get(self) -> None:
        """Users, workflows, answers and credits of all, and the share of the last 30 days in which the hub was up."""
        self.answer(_view(await self.services.insight.overview.current()))


def _view(figures: SystemFigures) -> dict[str, Any]:
    """The share has four decimals: ten seconds of thirty days are 0.0004 per cent."""
    return {
        "total_users": figures.users,
        "active_users_24h": figures.active_users,
        "total_workflows": figures.workflows,
        "workflows_executed_24h": figures.executions,
        "total_ai_calls_24h": figures.answers,
        "credits_consumed_24h": credits_number(figures.charged),
        "uptime_percentage": round(figures.uptime_percentage, 4),
    }


ROUTES = [Route("/api/monitoring/stats", Stats, ("ai_assistant",))]
