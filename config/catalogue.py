"""The AI model catalogue: `models.toml`, read and checked once at start-up.

A price that is missing, not exact, zero or negative stops the start: an unknown price would make answers free, a negative
one would mint credits.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from config import limits

DEFAULT_PATH: Final = Path(__file__).with_name("models.toml")
PROVIDERS: Final = frozenset({"openai", "anthropic", "minimax"})
VOCABULARIES: Final = frozenset({"cl100k_base", "o200k_base"})
PICO_PER_CREDIT: Final = 10**12
PRICE_PICO_MAX: Final = PICO_PER_CREDIT  # one credit a token; more is a slip of the decimal point
TOKENS_MAX: Final = 100_000_000

EMBEDDINGS: Final = "embeddings"  # the capability of those models that make vectors of texts, and nothing else
_OF_ANSWERS: Final = frozenset({"output_price", "output_tokens_max"})
_OF_EMBEDDINGS: Final = frozenset({"dimensions"})
_ROUTE_FIELDS: Final = frozenset({"provider", "upstream", "weight"})
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")


class CatalogueError(Exception):
    """The catalogue cannot be used; the message names the model and the field."""


@dataclass(frozen=True, slots=True)
class ModelRoute:
    """A way to an AI model: who answers, by which name of its own, and how often compared with the others."""

    provider: str  # openai | anthropic | minimax
    upstream: str  # the provider's own name of the model
    weight: int


@dataclass(frozen=True, slots=True)
class AiModel:
    """One AI model. Prices are integers of 10^-12 credit per token. The first of its routes is whose model it is."""

    id: str
    name: str
    provider_label: str  # the company's name, for people
    routes: tuple[ModelRoute, ...]
    description: str
    input_price: int
    output_price: int
    context_tokens: int
    output_tokens_max: int
    capabilities: tuple[str, ...]
    vocabulary: str | None  # none: tokens are estimated
    dimensions: int | None = None  # of the vectors of a model that makes embeddings, and writes nothing

    @property
    def embeds(self) -> bool:
        return self.dimensions is not None

    @property
    def provider(self) -> str:
        return self.routes[0].provider

    @property
    def upstream(self) -> str:
        return self.routes[0].upstream


def load_catalogue(path: Path = DEFAULT_PATH) -> Mapping[str, AiModel]:
    """Read the catalogue, in the file's order, by id. Raises `CatalogueError`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CatalogueError(f"{path}: {error}") from error
    labels = document.get("providers", {})
    catalogue: dict[str, AiModel] = {}
    for number, row in enumerate(document.get("models", []), start=1):
        model = _model(_Row(str(row.get("id", f"model {number}")), row), labels)
        if model.id in catalogue:
            raise CatalogueError(f"{model.id}: id: stands twice")
        catalogue[model.id] = model
    if not catalogue:
        raise CatalogueError(f"{path}: models: there is none")
    return MappingProxyType(catalogue)


def _model(row: "_Row", labels: Mapping[str, str]) -> AiModel:
    routes = row.routes()
    embeds = EMBEDDINGS in row.words("capabilities")
    model = AiModel(
        id=row.identifier("id"),
        name=row.text("name"),
        provider_label=labels.get(routes[0].provider, routes[0].provider),
        routes=routes,
        description=row.text("description"),
        input_price=row.price("input_price"),
        output_price=0 if embeds else row.price("output_price"),
        context_tokens=row.count("context_tokens"),
        output_tokens_max=0 if embeds else row.count("output_tokens_max"),
        capabilities=row.words("capabilities"),
        vocabulary=row.choice("vocabulary", VOCABULARIES) if "vocabulary" in row.values else None,
        dimensions=row.count("dimensions") if embeds else None,
    )
    row.finish(model)
    return model


class _Row:
    """Typed look-ups in one model's table; each failure names the model and the field."""

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self._name = name
        self.values = values

    def _fail(self, field: str, why: str) -> CatalogueError:
        return CatalogueError(f"{self._name}: {field}: {why}")

    def finish(self, model: AiModel) -> None:
        unknown = set(self.values) - set(AiModel.__dataclass_fields__) - _ROUTE_FIELDS
        if unknown:
            raise self._fail(min(unknown), "is not a field of a model")
        foreign = _OF_ANSWERS if model.embeds else _OF_EMBEDDINGS
        if surplus := foreign & set(self.values):
            kind = "makes embeddings" if model.embeds else "makes none"
            raise self._fail(min(surplus), f"is not a field of a model that {kind}")
        if model.embeds and (model.capabilities != (EMBEDDINGS,) or not self._all_embed(model)):
            raise self._fail("capabilities", "embeddings stand alone, and only OpenAI's form has them")
        if model.output_tokens_max > model.context_tokens:
            raise self._fail("output_tokens_max", "must not exceed context_tokens")

    def _all_embed(self, model: AiModel) -> bool:
        return all(route.provider == "openai" for route in model.routes)

    def routes(self) -> tuple[ModelRoute, ...]:
        """The model's own `provider`, `upstream` and `weight`, then those of `routes`."""
        others = self.values.get("routes", [])
        if not isinstance(others, list) or len(others) >= limits.ROUTES_PER_MODEL_MAX:
            raise self._fail("routes", f"must be at most {limits.ROUTES_PER_MODEL_MAX - 1} tables")
        if not all(isinstance(other, dict) and set(other) <= _ROUTE_FIELDS for other in others):
            raise self._fail("routes", f"each has {', '.join(sorted(_ROUTE_FIELDS))}, and nothing else")
        rows = [self, *(_Row(f"{self._name}: routes {number}", other) for number, other in enumerate(others, start=1))]
        routes = tuple(row.route() for row in rows)
        if len({(route.provider, route.upstream) for route in routes}) < len(routes):
            raise self._fail("routes", "one stands twice")
        return routes

    def route(self) -> ModelRoute:
        weight = self.count("weight") if "weight" in self.values else 1
        return ModelRoute(self.choice("provider", PROVIDERS), self.identifier("upstream"), weight)

    def text(self, field: str) -> str:
        value = self.values.get(field)
        if not isinstance(value, str) or not value.strip():
            raise self._fail(field, "must be text")
        return value

    def identifier(self, field: str) -> str:
        value = self.text(field)
        if not _ID.fullmatch(value):
            raise self._fail(field, "must be letters, digits and . _ : / -")
        return value

    def choice(self, field: str, allowed: frozenset[str]) -> str:
        value = self.values.get(field)
        if value not in allowed:
            raise self._fail(field, f"must be one of {', '.join(sorted(allowed))}")
        return str(value)

    def count(self, field: str) -> int:
        value = self.values.get(field)
        if type(value) is not int or not 0 < value <= TOKENS_MAX:
            raise self._fail(field, f"must be a whole number from 1 to {TOKENS_MAX}")
        return value

    def words(self, field: str) -> tuple[str, ...]:
        value = self.values.get(field)
        if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
            raise self._fail(field, "must be a list of words")
        return tuple(value)

    def price(self, field: str) -> int:
        """Credits per token in decimal text, as an exact integer of 10^-12 credit."""
        try:
            pico = Decimal(self.text(field)) * PICO_PER_CREDIT
        except InvalidOperation:
            pico = Decimal("NaN")
        if not pico.is_finite() or not 0 < pico <= PRICE_PICO_MAX:
            raise self._fail(field, "must be decimal text above 0 and at most 1 credit a token")
        if pico != int(pico):
            raise self._fail(field, "must be a multiple of 10^-12 credit")
        return int(pico)
