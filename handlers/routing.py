"""Routes as the handler files write them at their foot: a pattern, a handler, and whose APIs the path belongs to."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tornado.routing import PathMatches, Rule
from tornado.web import RequestHandler

# Documented by several APIs; everything else belongs to one.
SHARED_PATHS: Final = frozenset(
    {f"/api/auth/{name}" for name in ("login", "register", "logout", "me")}
    | {f"/api/credits/{name}" for name in ("balance", "history", "purchase")}
)
_GROUP: Final = re.compile(r"\([^()]*\)")


class RoutesError(Exception):
    """The routes contradict each other; the message names them."""


@dataclass(frozen=True, slots=True)
class Route:
    """One path. `apis`: the documented APIs it belongs to, none for pages; `counted`: against their rate limits."""

    pattern: str
    handler: type[RequestHandler]
    apis: Sequence[str] = ()
    limit_class: str = "general"
    counted: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def is_literal(self) -> bool:
        return "(" not in self.pattern

    @property
    def example(self) -> str:
        """A path that the pattern matches."""
        return _GROUP.sub("x1", self.pattern).replace("\\", "")

    @property
    def kwargs(self) -> dict[str, Any]:
        if not self.apis:
            return self.extra
        return {"apis": self.apis, "limit_class": self.limit_class, "counted": self.counted, **self.extra}

    def rule(self) -> Rule:
        return Rule(PathMatches(self.pattern), self.handler, self.kwargs)


def check_overlaps(routes: Sequence[Route]) -> None:
    """Raises `RoutesError` when two patterns match one path, or several APIs claim one that is not among the shared."""
    paths: dict[str, Route] = {}
    for route in routes:
        if len(route.apis) > 1 and route.pattern not in SHARED_PATHS:
            raise RoutesError(f"{route.pattern} is claimed by {', '.join(route.apis)}")
        if (other := paths.setdefault(route.example, route)) is not route:
            raise _overlap(other, route)
    for route in routes:
        if not route.is_literal:
            _check_pattern(route, paths)


def _check_pattern(route: Route, paths: Mapping[str, Route]) -> None:
    matches = re.compile(route.pattern).fullmatch
    for path, other in paths.items():
        if other is not route and matches(path):
            raise _overlap(route, other)


def _overlap(route: Route, other: Route) -> RoutesError:
    return RoutesError(f"{route.pattern} and {other.pattern} match the same path")


def literal(routes: Iterable[Route]) -> dict[str, Route]:
    """The routes without a variable part, by their path: found in one look-up instead of one match after the other."""
    return {route.pattern: route for route in routes if route.is_literal}
