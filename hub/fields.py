"""Strict fields: JSON types mean what they say. `"5"` is no number, `true` is no integer, and what is not known is refused.

`load(schema, data)` reports all failures at once, by dotted paths; of very many the first. Rules that stand elsewhere in the
hub, as functions that raise `HubError` INVALID, are asked by fields (`ByRule`), by schemas (`failure`) and by `load` itself.
"""

import math
import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, ClassVar

import orjson
from marshmallow import RAISE, Schema, ValidationError, fields, validates_schema

from config import limits
from hub.errors import Code, FieldError, HubError
from models.clock import now

Form = Mapping[str, Any]  # of JSON Schema
FormOf = Callable[[fields.Field[Any]], Form]
SchemaFormOf = Callable[[Schema], Form]

_BREAKING = frozenset(("Cc", "Zl", "Zp", "Cs"))  # a lone surrogate is no text that could be stored
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


class Change(Input):
    """What is to be changed: at least one of the fields, all of which may be absent."""

    @validates_schema
    def _changes_something(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if not data:
            raise ValidationError(f"must have at least one of {', '.join(self.fields)}")


Check = Callable[[dict[str, Any]], object]


def load(schema: Schema, data: Any, *checks: Check) -> dict[str, Any]:
    """Validate; raises `HubError` INVALID with a `FieldError` for each failure.

    `checks` know more than a schema can. They look at those fields that are right, and raise `HubError` INVALID.
    """
    loaded, failures = _loaded(schema, data)
    _, more = _asked(partial(check, loaded) for check in checks)
    _refuse([*failures, *more])
    return loaded


def together(*asks: Callable[[], Any]) -> tuple[Any, ...]:
    """What each gives; raises `HubError` INVALID with the failures of all of them."""
    answers, failures = _asked(asks)
    _refuse(failures)
    return tuple(answers)


def _asked(asks: Iterable[Callable[[], Any]]) -> tuple[list[Any], list[FieldError]]:
    answers: list[Any] = []
    failures: list[FieldError] = []
    for ask in asks:
        try:
            answers.append(ask())
        except HubError as error:
            if error.code is not Code.INVALID:
                raise
            failures += error.details
    return answers, failures


def _refuse(failures: Sequence[FieldError]) -> None:
    if failures:
        message = f"{failures[0].field}: {failures[0].message}"
        raise HubError(Code.INVALID, message, failures[: limits.FAILURES_TOLD_MAX])


def _loaded(schema: Schema, data: Any) -> tuple[dict[str, Any], list[FieldError]]:
    """The fields that are right, and what is wrong with the others."""
    try:
        return schema.load(data), []
    except ValidationError as error:
        failures = islice(_failures(error.messages_dict, "", data), limits.FAILURES_TOLD_MAX)
        return dict(error.valid_data or {}), list(failures)


def failure(error: HubError) -> ValidationError:
    """One of our errors in marshmallow's form, for rules of a whole schema."""
    return ValidationError(error.details[0].message, error.details[0].field)


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
    """A field with the project's words for what is missing. Beside its rule stands its form in JSON Schema: the class's own,
    the bounds of the field, and an `example` where they would not lead to one.
    """

    default_error_messages = _MESSAGES
    form: ClassVar[Form] = {}

    def __init__(self, *, bounds: Form | None = None, example: Any = None, **kwargs: Any) -> None:
        shown = {} if example is None else {"examples": [example]}
        super().__init__(metadata={**self.form, **(bounds or {}), **shown}, **kwargs)

    def fail(self, message: str) -> ValidationError:
        return ValidationError(message)


class Composed(Strict, ABC):
    """A field whose form has those of other fields and schemas in it."""

    @abstractmethod
    def inner_form(self, of_field: FormOf, of_schema: SchemaFormOf) -> Form:
        """What its form has beside the class's own; the forms of what is in it are asked for."""


class Nested(fields.Nested):
    """A part with a schema of its own."""

    default_error_messages = _MESSAGES


class ByRule(Strict):
    """A field whose rule is a function: it gives the value in its one form, or raises `HubError` INVALID."""

    def __init__(self, rule: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._rule = rule

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return self._rule(value)
        except HubError as error:
            raise self.fail(error.details[0].message) from None


class Text(Strict):
    """A string of bounded length; `pattern` must match all of it, `says` explains it."""

    form: ClassVar[Form] = {"type": "string"}

    def __init__(
        self, *, low: int = 0, high: int, pattern: str | None = None, says: str = "has a wrong form", **kwargs: Any
    ) -> None:
        whole = {} if pattern is None else {"pattern": f"^(?:{pattern})$"}
        super().__init__(bounds={"minLength": low, "maxLength": high, **whole}, **kwargs)
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


def is_line(text: str) -> bool:
    """One line that shows something: without what controls a terminal, breaks lines or turns the direction of writing
    around. Joiners, half-spaces and no-break spaces are parts of many people's words and emoji.
    """
    return any(map(_shows, text)) and not any(map(_breaks, text))


def _shows(char: str) -> bool:
    return char.isprintable() and not char.isspace()


def _breaks(char: str) -> bool:
    return unicodedata.category(char) in _BREAKING or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"


class Line(Text):
    """One line that people can read, as a name is."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        line = super()._deserialize(value, attr, data, **kwargs)
        if not is_line(line):
            raise self.fail("must be one line that can be read")
        return line


class Integer(Strict):
    """A whole number between two bounds, written as one."""

    form: ClassVar[Form] = {"type": "integer"}

    def __init__(self, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(bounds={"minimum": low, "maximum": high}, **kwargs)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.fail("must be a whole number")
        if not self._low <= value <= self._high:
            raise self.fail(f"must be from {self._low} to {self._high}")
        return value


class Number(Strict):
    """A number between two bounds."""

    form: ClassVar[Form] = {"type": "number"}

    def __init__(self, *, low: float, high: float, **kwargs: Any) -> None:
        super().__init__(bounds={"minimum": low, "maximum": high}, **kwargs)
        self._low, self._high = low, high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise self.fail("must be a number")
        if not self._low <= value <= self._high:
            raise self.fail(f"must be from {self._low:g} to {self._high:g}")
        return float(value)


class Flag(Strict):
    """True or false."""

    form: ClassVar[Form] = {"type": "boolean"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.fail("must be true or false")
        return value


class Choice(Strict):
    """One of a few words."""

    form: ClassVar[Form] = {"type": "string"}

    def __init__(self, allowed: Collection[str], **kwargs: Any) -> None:
        super().__init__(bounds={"enum": list(allowed)}, **kwargs)
        self._allowed = tuple(allowed)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str) or value not in self._allowed:
            raise self.fail(f"must be one of {', '.join(self._allowed)}")
        return value


class Stops(Strict):
    """A text at which an answer ends, or a few of them."""

    form: ClassVar[Form] = {
        "type": ["string", "array"],
        "items": {"type": "string", "minLength": 1, "maxLength": limits.STOP_CHARS_MAX},
        "minItems": 1,
        "maxItems": limits.STOPS_MAX,
        "minLength": 1,
        "maxLength": limits.STOP_CHARS_MAX,
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        stops = value if isinstance(value, list) else [value]
        if not 0 < len(stops) <= limits.STOPS_MAX or not all(_is_stop(stop) for stop in stops):
            raise self.fail(f"must be a string or a list of 1 to {limits.STOPS_MAX} strings")
        return value


def _is_stop(stop: Any) -> bool:
    return isinstance(stop, str) and 0 < len(stop) <= limits.STOP_CHARS_MAX


class Moment(Strict):
    """A moment, in ISO 8601; without a zone it is UTC."""

    form: ClassVar[Form] = {"type": "string", "format": "date-time", "examples": ["2099-12-31T23:59:59Z"]}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            return parse_moment(value)
        except (TypeError, ValueError):
            raise self.fail("must be an ISO 8601 date-time") from None


class FutureMoment(Moment):
    """One yet to come."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        moment = super()._deserialize(value, attr, data, **kwargs)
        if moment <= now():
            raise self.fail("must be in the future")
        return moment


def parse_moment(text: str) -> datetime:
    """A moment in UTC. Raises `ValueError`."""
    moment = datetime.fromisoformat(text)
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError("a moment beyond the calendar") from None


class Stored(Strict):
    """An object of the sender's own shape that becomes part of a document: bounded, and without keys that a database would
    read as an operator or a path. `keys_max` counts those of inner objects too, `depth_max` objects and lists within each
    other; what `json_input.loads` gave is bounded in depth without it.
    """

    form: ClassVar[Form] = {"type": "object"}

    def __init__(
        self, *, bytes_max: int, keys_max: int | None = None, depth_max: int = limits.JSON_DEPTH_MAX, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._bytes_max, self._keys_max, self._depth_max = bytes_max, keys_max, depth_max

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail("must be an object")
        if len(orjson.dumps(value)) > self._bytes_max:
            raise self.fail(f"must have at most {self._bytes_max} bytes as JSON")
        keys = list(_keys(value))
        if self._keys_max is not None and len(keys) > self._keys_max:
            raise self.fail(f"must have at most {self._keys_max} keys")
        if _depth(value) > self._depth_max:
            raise self.fail(f"must have at most {self._depth_max} objects and lists within each other")
        if any(map(_is_read_by_databases, keys)):
            raise self.fail("has a key that starts with $ or contains a dot")
        return value


def _depth(value: Any) -> int:
    """How many objects and lists lie within each other, the value itself included."""
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(_depth, value.values() if isinstance(value, dict) else value), default=0)


def _keys(value: Any) -> Iterator[str]:
    """The keys of all objects in a value."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _keys(inner)


def _is_read_by_databases(key: str) -> bool:
    return key.startswith("$") or "." in key
