"""Strict fields: JSON types mean what they say. `"5"` is no number, `true` is no integer, and what is not known is refused.

`load(schema, data)` reports all failures at once, by dotted paths; of very many the first.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields

from config import limits
from hub.errors import Code, FieldError, HubError
from hub.prices import MICRO_PER_CREDIT

_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@]{1,255}")
_SCHEMA_MESSAGES = {"unknown": "unknown field", "type": "must be an object"}
_MESSAGES: dict[str, Any] = {
    "required": "is required",
    "null": "must not be null",
    "validator_failed": "is invalid",
}


class Input(Schema):
    """The base of every input schema: unknown fields are refused."""

    class Meta:
        unknown = RAISE

    error_messages = _SCHEMA_MESSAGES


def load(schema: Schema, data: Any) -> dict[str, Any]:
    """Validate; raises `HubError` INVALID with a `FieldError` for each failure."""
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        failures = list(islice(_failures(error.messages_dict, "", data), limits.FAILURES_TOLD_MAX))
        first = failures[0]
        raise HubError(Code.INVALID, f"{first.field}: {first.message}", failures) from None
    return loaded


def _failures(messages: Any, path: str, data: Any) -> Iterator[FieldError]:
    """Marshmallow's nested messages, flattened; `data` is walked along for what was sent."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            here = path if name == "_schema" else f"{path}.{name}" if path else str(name)
            yield from _failures(inner, here, data if name == "_schema" else _inside(data, name))
    else:
        shown = data if isinstance(data, str | bool | int | float) else None
        yield FieldError(path[: limits.FIELD_CHARS_MAX] or "body", " and ".join(map(str, messages)), shown)


def _inside(data: Any, name: Any) -> Any:
    try:
        return data[name]
    except (KeyError, IndexError, TypeError):
        return None


class Strict(fields.Field[Any]):
    """A field with the project's words for what is missing."""

    default_error_messages = _MESSAGES

    def fail(self, message: str) -> ValidationError:
        return ValidationError(message)


class Text(Strict):
    """A string of bounded length; `pattern` must match all of it, `says` explains it."""

    def __init__(
        self, *, low: int = 0, high: int, pattern: str | None = None, says: str = "has a wrong form", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._low, self._high, self._says = low, high, says
        self._pattern = re.compile(pattern) if pattern else None

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.fail("must be a string")
        if not self._low <= len(value) <= self._high:
            raise self.fail(f"must have {self._low} to {self._high} characters")
        if self._pattern is not None and not self._pattern.fullmatch(value):
            raise self.fail(self._says)
        return value


class Integer(Strict):
    """A whole number between two bounds, written as one."""

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.fail("must be a whole number")
        if not self._low <= value <= self._high:
            raise self.fail(f"must be from {self._low} to {self._high}")
        return value


class Number(Strict):
    """A number between two bounds."""

    def __init__(self, *, low: float, high: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fail("must be a number")
        if not self._low <= value <= self._high:
            raise self.fail(f"must be from {self._low:g} to {self._high:g}")
        return float(value)


class Flag(Strict):
    """True or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.fail("must be true or false")
        return value


class Choice(Strict):
    """One of a few words."""

    def __init__(self, allowed: Collection[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._allowed = tuple(allowed)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or value not in self._allowed:
            raise self.fail(f"must be one of {', '.join(self._allowed)}")
        return value


class Stops(Strict):
    """A text at which an answer ends, or a few of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        stops = value if isinstance(value, list) else [value]
        if not 0 < len(stops) <= limits.STOPS_MAX or not all(_is_stop(stop) for stop in stops):
            raise self.fail(f"must be a string or a list of 1 to {limits.STOPS_MAX} strings")
        return value


def _is_stop(stop: Any) -> bool:
    return isinstance(stop, str) and 0 < len(stop) <= limits.STOP_CHARS_MAX


class Email(Strict):
    """Text that could be an e-mail address; who uses it brings it to its one form."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.fail("must be a string")
        if len(value) > limits.EMAIL_CHARS_MAX or not _EMAIL.fullmatch(value.strip()):
            raise self.fail("must be a valid email address")
        return value


class Credits(Strict):
    """An amount of credits with at most six decimals; loaded as micro-credits. Above 0 unless it says otherwise."""

    def __init__(self, *, low_micro: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._low = low_micro

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fail("must be a number")
        micro = Decimal(repr(value)) * MICRO_PER_CREDIT
        if micro != micro.to_integral_value():
            raise self.fail("must have at most six decimals")
        if not self._low <= micro <= limits.AMOUNT_MICRO_CREDITS_MAX:
            raise self.fail(
                f"must be {self._least()} and at most {limits.AMOUNT_MICRO_CREDITS_MAX // MICRO_PER_CREDIT}"
            )
        return int(micro)

    def _least(self) -> str:
        return "above 0" if self._low == 1 else f"at least {self._low // MICRO_PER_CREDIT}"


class Points(Integer):
    """A whole amount of points above 0."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(low=1, high=limits.POINTS_MAX, **kwargs)


class Usd(Strict):
    """An amount of US dollars above 0 with at most two decimals; loaded as cents."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fail("must be a number")
        cents = Decimal(repr(value)) * 100
        if cents != cents.to_integral_value():
            raise self.fail("must have at most two decimals")
        if not 0 < cents <= limits.AMOUNT_CENTS_MAX:
            raise self.fail(f"must be above 0 and at most {limits.AMOUNT_CENTS_MAX // 100}")
        return int(cents)
