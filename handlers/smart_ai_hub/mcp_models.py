"""GET /api/mcp/models: the AI models with their prices."""

from typing import Any

from config.catalogue import PICO_PER_CREDIT, AiModel
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.providers.registry import Providers


class McpModels(ApiHandler):
    @scope("ai:read")
    def get(self) -> None:
        """The AI models with their prices, in credits per token."""
        providers = self.services.providers
        self.answer([model_view(model, providers) for model in self.services.catalogue.values() if not model.embeds])


def model_view(model: AiModel, providers: Providers) -> dict[str, Any]:
    """Prices are credits per token."""
    return {
        "id": model.id,
        "name": model.name,
        "provider": model.provider,
        "description": model.description,
        "pricing": {
            "inputTokens": model.input_price / PICO_PER_CREDIT,
            "outputTokens": model.output_price / PICO_PER_CREDIT,
        },
        "capabilities": model.capabilities,
        "contextTokens": model.context_tokens,
        "maxTokens": model.output_tokens_max,
        "available": providers.available(model),
        "sandbox": providers.is_sandbox(model),
    }


ROUTES = [Route("/api/mcp/models", McpModels, ("smart_ai_hub",), "mcp")]
