"""`GET /api/v1/ai/models`: the AI models that `chat` and `generate` can ask, and so none that makes embeddings."""

from typing import Any, Final

from config.catalogue import PICO_PER_CREDIT, AiModel
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.providers.registry import Providers

_ENDPOINTS: Final = ("chat", "generate")


class Models(ApiHandler):
    @scope("ai:read")
    def get(self) -> None:
        """The AI models, with their prices in credits."""
        models = [model for model in self.services.catalogue.values() if not model.embeds]
        self.answer({"models": [_view(model, self.services.providers) for model in models]})


def _view(model: AiModel, providers: Providers) -> dict[str, Any]:
    """`per_1k_tokens` is the price of what is asked; an answer's tokens may have another, beside it."""
    return {
        "id": model.id,
        "name": model.name,
        "description": model.description,
        "max_tokens": model.output_tokens_max,
        "context_tokens": model.context_tokens,
        "supported_endpoints": _ENDPOINTS,
        "pricing": {
            "per_1k_tokens": _per_1k(model.input_price),
            "output_per_1k_tokens": _per_1k(model.output_price),
        },
        "status": "available" if providers.available(model) else "unavailable",
        "sandbox": providers.is_sandbox(model),
    }


def _per_1k(price: int) -> float:
    return price * 1_000 / PICO_PER_CREDIT


ROUTES = (Route("/api/v1/ai/models", Models, ("ai_playground",), "ai"),)
