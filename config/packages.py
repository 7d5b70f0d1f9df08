"""Packages: what can be bought and for how much (`packages.toml`), read and checked once at start-up.

It knows prices only; charging for them is `hub/payments`'s work. A price that is missing, not exact, zero or negative stops
the start: money must not be given away by a slip of the pen.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

DEFAULT_PATH: Final = Path(__file__).with_name("packages.toml")
MICRO_PER_CREDIT: Final = 10**6
CREDITS_MAX: Final = 10**9
PRICE_CENTS_MAX: Final = 10**8  # a million dollars; more is a slip of the decimal point

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PACKAGE_FIELDS: Final = frozenset({"id", "name", "credits", "price_cents"})


class PackagesError(Exception):
    """The packages cannot be used; the message names the package and the field."""


@dataclass(frozen=True, slots=True)
class Package:
    """So many micro-credits for so many US cents."""

    id: str
    name: str
    micro: int
    cents: int


@dataclass(frozen=True, slots=True)
class Packages:
    """All that can be bought: packages of credits by their id, and points by number."""

    by_id: Mapping[str, Package]
    points_per_cent: Fraction

    def points_cents(self, points: int) -> int:
        """What so many points cost in US cents, rounded up: the smallest purchase is not free."""
        price = points / self.points_per_cent
        return -(-price.numerator // price.denominator)


def load_packages(path: Path = DEFAULT_PATH) -> Packages:
    """Read the packages, in the file's order. Raises `PackagesError`."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PackagesError(f"{path}: {error}") from error
    rows, points = document.get("packages", []), document.get("points", {})
    if not isinstance(points, dict) or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PackagesError(f"{path}: must have its packages as [[packages]] and a table [points]")
    packages: dict[str, Package] = {}
    for number, row in enumerate(rows, start=1):
        package = _package(f"package {number}", row)
        if package.id in packages:
            raise PackagesError(f"{package.id}: id: stands twice")
        packages[package.id] = package
    if not packages:
        raise PackagesError(f"{path}: packages: there is none")
    per_cent = _decimal("points: points_per_cent", points.get("points_per_cent"))
    return Packages(MappingProxyType(packages), Fraction(per_cent))


def _package(name: str, row: Mapping[str, Any]) -> Package:
    if set(row) != _PACKAGE_FIELDS:
        raise PackagesError(f"{name}: must have {', '.join(sorted(_PACKAGE_FIELDS))} and nothing else")
    if not isinstance(row["id"], str) or not _ID.fullmatch(row["id"]):
        raise PackagesError(f"{name}: id: must be letters, digits, _ and -")
    if not isinstance(row["name"], str) or not row["name"].strip():
        raise PackagesError(f"{row['id']}: name: must be text")
    micro = _decimal(f"{row['id']}: credits", row["credits"]) * MICRO_PER_CREDIT
    if micro != int(micro):
        raise PackagesError(f"{row['id']}: credits: must have at most six decimals")
    cents = row["price_cents"]
    if type(cents) is not int or not 0 < cents <= PRICE_CENTS_MAX:
        raise PackagesError(f"{row['id']}: price_cents: must be a whole number from 1 to {PRICE_CENTS_MAX}")
    return Package(row["id"], row["name"], int(micro), cents)


def _decimal(name: str, text: object) -> Decimal:
    try:
        value = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or not 0 < value <= CREDITS_MAX:
        raise PackagesError(f"{name}: must be decimal text above 0 and at most {CREDITS_MAX}")
    return value
