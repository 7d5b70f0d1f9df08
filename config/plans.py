"""Plans: `plans.toml` (tiers, rate limits, quotas), read and checked once at start-up.

It knows the figures only; counting against them is `hub`'s work.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

DEFAULT_PATH: Final = Path(__file__).with_name("plans.toml")
WINDOWS: Final = {"per_minute": 60, "per_hour": 3_600}
QUOTA_DAYS: Final = {"daily": 1, "weekly": 7, "monthly": 30}
GENERAL: Final = "general"


class PlansError(Exception):
    """The plans cannot be used; the message names the row and the field."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` requests in a window of `seconds`."""

    amount: int
    seconds: int


_Key = tuple[str, str, str, bool]  # API, class, tier, by key


@dataclass(frozen=True, slots=True)
class Plans:
    """The tiers with what each may do."""

    tiers: tuple[str, ...]
    daily_quotas: Mapping[str, int]
    limits: Mapping[_Key, tuple[Limit, ...]]
    classes: Mapping[str, frozenset[str]]
    key_apis: frozenset[str]  # whose keys have limits of their own: elsewhere they share their user's

    def limits_for(self, api: str, limit_class: str, tier: str, by_key: bool) -> tuple[Limit, ...]:
        """The windows that bind, shortest first. An API with the class `general` alone has it for every route.

        Raises `KeyError` for an unknown API, class or tier: a misspelt class must not run unlimited.
        """
        return self.limits[api, self.class_of(api, limit_class), tier, by_key]

    def class_of(self, api: str, limit_class: str) -> str:
        """The class that a route is counted in: one for all of them where the API has `general` alone."""
        return GENERAL if self.classes[api] == {GENERAL} else limit_class

    def quota(self, tier: str, period: str) -> int | None:
        """Requests allowed in a `daily`, `weekly` or `monthly` period; None is unlimited."""
        daily = self.daily_quotas.get(tier)
        return None if daily is None else daily * QUOTA_DAYS[period]


def load_plans(path: Path = DEFAULT_PATH) -> Plans:
    """Read the plans. Raises `PlansError`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PlansError(f"{path}: {error}") from error
    tiers = tuple(document.get("tiers", ()))
    limits: dict[_Key, tuple[Limit, ...]] = {}
    for number, row in enumerate(document.get("limits", []), start=1):
        _add_row(limits, tiers, f"limits {number}", row)
    _check_covered(limits, tiers)
    apis = {key[0] for key in limits}
    classes = {api: frozenset(key[1] for key in limits if key[0] == api) for api in apis}
    key_apis = frozenset(row["api"] for row in document["limits"] if "by" in row)
    return Plans(tiers, _quotas(document.get("quotas", {}), tiers), limits, classes, key_apis)


def _add_row(limits: dict[_Key, tuple[Limit, ...]], tiers: tuple[str, ...], name: str, row: Mapping[str, Any]) -> None:
    unknown = set(row) - {"api", "class", "tiers", "by", *WINDOWS}
    if unknown or not {"api", "class"} <= set(row):
        raise PlansError(f"{name}: must have api and class, and no field {', '.join(sorted(unknown)) or 'else'}")
    if row.get("by", "user") not in ("user", "key") or not set(row.get("tiers", ())) <= set(tiers):
        raise PlansError(f"{name}: by: must be user or key, and tiers must be known")
    credentials = [row["by"] == "key"] if "by" in row else [False, True]
    windows = tuple(Limit(_amount(f"{name}: {field}", row[field]), WINDOWS[field]) for field in WINDOWS if field in row)
    for tier, by_key in product(row.get("tiers", tiers), credentials):
        key = (row["api"], row["class"], tier, by_key)
        if key in limits or not windows:
            raise PlansError(f"{name}: {tier} is covered twice or has no limit")
        limits[key] = windows


def _check_covered(limits: Mapping[_Key, object], tiers: tuple[str, ...]) -> None:
    for api, limit_class in {key[:2] for key in limits}:
        for tier, by_key in product(tiers, (False, True)):
            if (api, limit_class, tier, by_key) not in limits:
                raise PlansError(f"limits: {api} {limit_class} has none for {tier}, by {'key' if by_key else 'user'}")
    if not limits:
        raise PlansError("limits: there is none")


def _quotas(table: Mapping[str, Any], tiers: tuple[str, ...]) -> dict[str, int]:
    if not set(table) <= set(tiers):
        raise PlansError("quotas: names an unknown tier")
    return {tier: _amount(f"quotas: {tier}", amount) for tier, amount in table.items()}


def _amount(name: str, value: object) -> int:
    if type(value) is not int or value < 1:
        raise PlansError(f"{name}: must be a whole number above 0")
    return value
