"""`GET /api/models`: the AI models that can be asked, and so none that makes embeddings."""

from typing import Any

from config.catalogue import PICO_PER_CREDIT, AiModel
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.providers.registry import Providers


class Models(ApiHandler):
    @scope("ai:read")
    def get(self) -> None:
        """The AI models, with their prices in credits."""
        models = [model for model in self.services.catalogue.values() if not model.embeds]
        self.answer({"models": [_view(model, self.services.providers) for model in models]})


def _view(model: AiModel, providers: Providers) -> dict[str, Any]:
    """`cost_per_1k_tokens` is the price of what is asked, `max_tokens` the context; what is answered has its own."""
    return {
        "id": model.id,
        "name": model.name,
        "provider": model.provider,
        "description": model.description,
        "cost_per_1k_tokens": _per_1k(model.input_price),
        "output_cost_per_1k_tokens": _per_1k(model.output_price),
        "max_tokens": model.context_tokens,
        "max_output_tokens": model.output_tokens_max,
        "capabilities": model.capabilities,
        "available": providers.available(model),
        "sandbox": providers.is_sandbox(model),
    }


def _per_1k(price: int) -> float:
    return price * 1_000 / PICO_PER_CREDIT


ROUTES = [Route("/api/models", Models, ("ai_assistant",))]
