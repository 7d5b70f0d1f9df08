"""Fields of amounts: exact decimals loaded as whole units, so that no float touches money."""

import math
from decimal import Decimal
from typing import Any, ClassVar

from config import limits
from hub.fields import Form, Integer, Strict
from hub.prices import MICRO_PER_CREDIT


class _Amount(Strict):
    """A number of at most so many decimals, loaded as that many whole `units`. Above 0 unless it says otherwise."""

    form: ClassVar[Form] = {"type": "number"}
    units: ClassVar[int]
    decimals: ClassVar[str]

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(bounds={"minimum": low / self.units, "maximum": high / self.units}, **kwargs)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fail("must be a number")
        amount = Decimal(repr(value)) * self.units
        if amount != amount.to_integral_value():
            raise self.fail(f"must have at most {self.decimals} decimals")
        if not self._low <= amount <= self._high:
            raise self.fail(f"must be {self._least()} and at most {self._high // self.units}")
        return int(amount)

    def _least(self) -> str:
        return "above 0" if self._low == 1 else f"at least {self._low // self.units}"


class Credits(_Amount):
    """Credits, loaded as micro-credits."""

    units, decimals = MICRO_PER_CREDIT, "six"

    def __init__(self, *, low_micro: int = 1, high_micro: int = limits.AMOUNT_MICRO_CREDITS_MAX, **kwargs: Any) -> None:
        super().__init__(low_micro, high_micro, **kwargs)


class Usd(_Amount):
    """US dollars, loaded as cents."""

    units, decimals = 100, "two"

    def __init__(self, *, low_cents: int = 1, high_cents: int = limits.AMOUNT_CENTS_MAX, **kwargs: Any) -> None:
        super().__init__(low_cents, high_cents, **kwargs)


class Points(Integer):
    """A whole amount of points above 0."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(low=1, high=limits.POINTS_MAX, **kwargs)
