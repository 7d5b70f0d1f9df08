"""The routes to one AI model: tried one after the other until one begins to answer.

    weights --> order --> route --Provider--> the first batch: the rest comes from there
                            +-- failed before it: it rests for a while, and the next is tried

An answer that has begun is never begun again elsewhere: its client has read part of it. Its route rests all the same.
"""

import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import structlog

from config import limits
from hub.providers.base import (
    Completion,
    EmbeddingCall,
    Embeddings,
    Provider,
    ProviderCall,
    ProviderError,
    ProviderEvent,
)

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")
Call = TypeVar("Call", ProviderCall, EmbeddingCall)

_NOWHERE_BETTER: Final = frozenset({400, 413, 422})  # the request is refused for what it is; a 404 is of the route


@dataclass(frozen=True, slots=True)
class Way:
    """A route whose provider is there. `name` is what answers' headers call it."""

    name: str
    provider: Provider
    upstream: str
    weight: int


class Resting:
    """Routes that failed lately, for all models of a process: they are tried after all others."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: dict[str, float] = {}  # by name, of which the catalogue has a bounded number

    def left(self, name: str) -> float:
        """Seconds that a route still rests; 0 for one that does not."""
        return max(0.0, self._until.get(name, 0.0) - self._monotonic())

    def failed(self, name: str, error: ProviderError) -> None:
        """As long as the provider asks, within a bound."""
        asked = error.retry_after_seconds or limits.ROUTE_REST_SECONDS
        seconds = min(max(asked, limits.ROUTE_REST_SECONDS), limits.ROUTE_REST_SECONDS_MAX)
        self._until[name] = self._monotonic() + seconds
        log.warning("a route rests", route=name, seconds=seconds, reason=error.message, status=error.status)

    def answered(self, name: str) -> None:
        self._until.pop(name, None)


class RoutedProvider:
    """Implements `Provider` for one AI model by its routes. The call's own upstream name is replaced by the route's."""

    def __init__(self, ways: Sequence[Way], resting: Resting, dice: random.Random | None = None) -> None:
        assert ways, "a model without a route is unavailable"
        self.name = ways[0].provider.name
        self._ways = ways
        self._resting = resting
        self._dice = dice or random.Random()

    def stream(self, call: ProviderCall) -> AsyncGenerator[list[ProviderEvent], None]:
        if len(self._ways) > 1:
            return self._stream(call)
        (way,) = self._ways  # no generator more for each batch where there is no choice
        return way.provider.stream(_by(way, call))

    async def _stream(self, call: ProviderCall) -> AsyncGenerator[list[ProviderEvent], None]:
        begun = False
        for way, is_last in self.order():
            try:
                async with aclosing(way.provider.stream(_by(way, call))) as batches:
                    async for batch in batches:
                        if not begun:
                            begun = True
                            self._resting.answered(way.name)
                        yield batch
                return
            except ProviderError as error:
                if not self._may_go_on(way, error, is_last) or begun:
                    raise

    async def complete(self, call: ProviderCall) -> Completion:
        return await self._first(lambda way: way.provider.complete(_by(way, call)))

    async def embed(self, call: EmbeddingCall) -> Embeddings:
        return await self._first(lambda way: way.provider.embed(_by(way, call)))

    async def _first(self, ask: Callable[[Way], Awaitable[Answer]]) -> Answer:
        """What the first route says that answers."""
        for way, is_last in self.order():
            try:
                answer = await ask(way)
            except ProviderError as error:
                if not self._may_go_on(way, error, is_last):
                    raise
            else:
                self._resting.answered(way.name)
                return answer
        raise AssertionError("the last route raises")

    def _may_go_on(self, way: Way, error: ProviderError, is_last: bool) -> bool:
        """Whether the next route is tried. What is wrong with the request itself is wrong everywhere."""
        if error.status in _NOWHERE_BETTER or (error.request_is_wrong and error.status is None):
            return False
        if len(self._ways) > 1:
            self._resting.failed(way.name, error)
        return not is_last

    def order(self) -> list[tuple[Way, bool]]:
        """Each once, by chance and weight; those that rest come last, the one that has rested longest first."""
        awake = [way for way in self._ways if not self._resting.left(way.name)]
        asleep = [way for way in self._ways if way not in awake]
        drawn = sorted(awake, key=lambda way: self._dice.random() ** (1 / way.weight), reverse=True)
        order = [*drawn, *sorted(asleep, key=lambda way: self._resting.left(way.name))]
        return [(way, number == len(order)) for number, way in enumerate(order, start=1)]


def _by(way: Way, call: Call) -> Call:
    call.trail.route = way.name
    return replace(call, model=way.upstream)
