"""`GET /api/rankings`: the AI models, by how well they do."""

from typing import Any

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.insight.rankings import Ranked
from models.clock import timestamp


class Rankings(ApiHandler):
    """Of the last 30 UTC days, by how fast and how reliably they answer and what users think of it."""

    @scope("ai:read")
    async def get(self) -> None:
        """The AI models that were asked, the best first."""
        ranking = await self.services.insight.rankings.current()
        models = [_view(model) for model in ranking.models]
        self.answer({"rankings": models, "updated_at": timestamp(ranking.updated_at)})


def _view(model: Ranked) -> dict[str, Any]:
    return {
        "model": model.model,
        "score": model.score,
        "total_uses": model.uses,
        "avg_response_time_ms": model.response_ms,
        "user_satisfaction": model.stars,
    }


ROUTES = [Route("/api/rankings", Rankings, ("ai_assistant",))]
