"""Which AI model a request means, and who answers for it: the one place where a model is refused for what it cannot do."""

from collections.abc import Mapping

from config.catalogue import AiModel
from hub.errors import Code, HubError, invalid
from hub.providers.base import Provider
from hub.providers.registry import Providers


def chat_model(catalogue: Mapping[str, AiModel], name: str) -> AiModel:
    """Raises `HubError`: MODEL_NOT_FOUND, INVALID for a model that writes nothing."""
    model = _model(catalogue, name)
    if model.embeds:
        raise invalid("model", f"{model.id} makes embeddings and no answers: use /v1/embeddings")
    return model


def embedding_model(catalogue: Mapping[str, AiModel], name: str) -> AiModel:
    """Raises `HubError`: MODEL_NOT_FOUND, INVALID for a model that makes no embeddings."""
    model = _model(catalogue, name)
    if not model.embeds:
        raise invalid("model", f"{model.id} makes no embeddings")
    return model


def provider_of(providers: Providers, model: AiModel) -> Provider:
    """Raises `HubError` UNAVAILABLE."""
    provider = providers.for_model(model)
    if provider is None:
        raise HubError(Code.UNAVAILABLE, f"The model {model.id!r} is not available: its provider has no key")
    return provider


def _model(catalogue: Mapping[str, AiModel], name: str) -> AiModel:
    model = catalogue.get(name)
    if model is None:
        raise HubError(Code.MODEL_NOT_FOUND, f"The model {name[:100]!r} does not exist")
    return model
