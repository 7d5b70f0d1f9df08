"""Which provider answers for which AI model; decided once at start-up from the settings, for each of a model's routes.

key given                           the company
another base URL, key or not        the server there (Ollama, vLLM, llama.cpp, LM Studio)
neither, in development             the sandbox, marked as such, where no route of the model has anybody
neither, in production              nobody: the model is listed as unavailable
"""

from collections.abc import Callable, Mapping
from typing import Final, Self

import structlog

from config.catalogue import AiModel
from config.settings import Settings
from hub.providers.anthropic import AnthropicConverter, request_body
from hub.providers.base import Converter, Provider
from hub.providers.http_provider import HttpProvider
from hub.providers.openai import OpenAIConverter
from hub.providers.routes import Resting, RoutedProvider, Way
from hub.providers.sandbox import SandboxProvider
from hub.providers.transport import Patience, Transport

log = structlog.get_logger(__name__)


# By the name that stands in the settings and in the catalogue: what people call it, and whose form it speaks.
_COMPANIES: Final[Mapping[str, tuple[str, Callable[[str, str, str, str | None], Converter]]]] = {
    "openai": ("OpenAI", OpenAIConverter),
    "anthropic": ("Anthropic", AnthropicConverter),
    "minimax": ("MiniMax", OpenAIConverter),
}


class Providers:
    """Every provider of this process, and the transport they share."""

    def __init__(
        self, transport: Transport, by_name: Mapping[str, Provider], sandbox_tokens_per_second: float | None
    ) -> None:
        self._transport = transport
        self._by_name = dict(by_name)
        self._sandbox_tokens_per_second = sandbox_tokens_per_second  # None: there is no sandbox
        self._resting = Resting()
        self._routed: dict[str, RoutedProvider] = {}  # by model

    @classmethod
    async def open(cls, settings: Settings, patience: Patience | None = None) -> Self:
        """Must run in the loop that will use it."""
        transport = await Transport.open(patience)
        by_name: dict[str, Provider] = {}
        for name, (label, converter) in _COMPANIES.items():
            address = settings.providers[name]
            if address.is_given:
                by_name[name] = HttpProvider(converter(name, label, address.base_url, address.api_key), transport)
            else:
                outcome = "unavailable" if settings.production else "answered by the sandbox"
                log.warning("A provider has no key", provider=name, its_models=outcome)
        pace = None if settings.production else settings.sandbox_tokens_per_second
        return cls(transport, by_name, pace)

    async def close(self) -> None:
        await self._transport.close()

    def for_model(self, model: AiModel) -> Provider | None:
        """Who answers for a model, by those of its routes whose provider is there; None where it is unavailable."""
        routed = self._routed.get(model.id)
        if routed is None and (ways := self._ways(model)):
            routed = self._routed[model.id] = RoutedProvider(ways, self._resting)
        return routed

    def _ways(self, model: AiModel) -> list[Way]:
        ways = [
            Way(_named(route.provider, route.upstream), self._by_name[route.provider], route.upstream, route.weight)
            for route in model.routes
            if route.provider in self._by_name
        ]
        if ways or self._sandbox_tokens_per_second is None:
            return ways
        is_anthropics = all(route.provider == "anthropic" for route in model.routes)
        check = request_body if is_anthropics else None
        sandbox = SandboxProvider(self._sandbox_tokens_per_second, model.vocabulary, check)
        return [Way(_named(sandbox.name, model.id), sandbox, model.upstream, 1)]

    def is_sandbox(self, model: AiModel) -> bool:
        return self._sandbox_tokens_per_second is not None and not self._has_company(model)

    def available(self, model: AiModel) -> bool:
        return self._has_company(model) or self._sandbox_tokens_per_second is not None

    def _has_company(self, model: AiModel) -> bool:
        return any(route.provider in self._by_name for route in model.routes)


def _named(provider: str, upstream: str) -> str:
    return f"{provider}/{upstream}"
