"""GET /v1/models: the documented list, OpenAI's and Anthropic's, in one answer."""

from collections.abc import Mapping
from typing import Any

from config.catalogue import PICO_PER_CREDIT, AiModel
from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.errors import Code, HubError
from hub.providers.registry import Providers

_CREATED = 0  # the catalogue does not know when a company made its model; Anthropic's own word for that is the epoch
_CREATED_AT = "1970-01-01T00:00:00Z"


class Models(ApiHandler):
    @scope("ai:read")
    def get(self) -> None:
        """The AI models: the documented list, OpenAI's and Anthropic's in one."""
        self.answer(models_view(self.services.catalogue, self.services.providers))


class Model(ApiHandler):
    @scope("ai:read")
    def get(self, model_id: str) -> None:
        """One AI model."""
        model = self.services.catalogue.get(model_id)
        if model is None:
            raise HubError(Code.MODEL_NOT_FOUND, f"The model {model_id[:100]!r} does not exist")
        self.answer({**model_view(model, self.services.providers), **clients_view(model)})


def models_view(catalogue: Mapping[str, AiModel], providers: Providers) -> dict[str, Any]:
    ids = list(catalogue)
    return {
        "models": [model_view(model, providers) for model in catalogue.values()],
        "object": "list",
        "data": [clients_view(model) for model in catalogue.values()],
        "has_more": False,
        "first_id": ids[0],
        "last_id": ids[-1],
    }


def model_view(model: AiModel, providers: Providers) -> dict[str, Any]:
    return {
        "id": model.id,
        "name": model.name,
        "provider": model.provider_label,
        "status": "available" if providers.available(model) else "unavailable",
        "costPerToken": model.input_price / PICO_PER_CREDIT,
        "maxTokens": model.output_tokens_max,
        "sandbox": providers.is_sandbox(model),
    }


def clients_view(model: AiModel) -> dict[str, Any]:
    """As OpenAI's and Anthropic's clients read it."""
    openai = {"id": model.id, "object": "model", "created": _CREATED, "owned_by": model.provider}
    return {**openai, "type": "model", "display_name": model.name, "created_at": _CREATED_AT}


ROUTES = [
    Route("/v1/models", Models, ("ai_aggregator",)),
    Route("/v1/models/(.+)", Model, ("ai_aggregator",)),
]
