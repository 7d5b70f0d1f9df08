"""`GET /api/dashboard/stats`: the caller in figures."""

from typing import Any

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.insight import dashboard
from hub.insight.dashboard import UserFigures
from hub.prices import credits_number


class Stats(ApiHandler):
    """Days are those of UTC."""

    @scope("usage:read")
    async def get(self) -> None:
        """The caller's projects and workflows, the credits they used, and the AI model they asked most often."""
        self.answer(_view(await dashboard.figures(self.services.database, self.caller.user_id)))


def _view(figures: UserFigures) -> dict[str, Any]:
    workflow = figures.workflows.most_active
    return {
        "projects_count": figures.projects,
        "workflows_count": figures.workflows.count,
        "total_executions": figures.workflows.executions,
        "executions_today": figures.workflows.executions_since,
        "credits_used_total": credits_number(figures.charged),
        "credits_used_today": credits_number(figures.charged_today),
        "favorite_model": figures.favourite,
        "most_active_workflow": None if workflow is None else {"id": workflow["number"], "name": workflow["name"]},
    }


ROUTES = [Route("/api/dashboard/stats", Stats, ("ai_assistant",))]
