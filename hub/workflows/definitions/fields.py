"""The fields that definitions of workflows have beside those of all input: templates, trees of them, objects by type,
and what builders note.

Every failure is told by its own path, however deep it lies.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

import orjson
from marshmallow import Schema, ValidationError, fields

from config import workflows as limits
from hub.errors import HubError
from hub.fields import Composed, Form, FormOf, SchemaFormOf, Strict, Text
from hub.workflows.definitions import schedule, templates

Field = fields.Field[Any]
_TYPES: Final[Mapping[type, tuple[str, ...]]] = {
    dict: ("object",),
    list: ("array",),
    str: ("string",),
    int: ("number",),
    float: (),
    bool: ("boolean",),
}
_PLAIN: Final = tuple(_TYPES)


class Template(Text):
    """A text in which `{{paths}}` may stand. One without is checked by `literal`, which raises `HubError` INVALID."""

    def __init__(self, *, literal: Callable[[str], object] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._literal = literal

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            if templates.parse(text).is_literal and self._literal is not None:
                self._literal(text)
        except HubError as error:
            raise self.fail(error.details[0].message) from None
        return text


class Cron(Text):
    """When a schedule fires."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(high=limits.CRON_CHARS_MAX, example="0 9 * * *", **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return schedule.check(super()._deserialize(value, attr, data, **kwargs))
        except HubError as error:
            raise self.fail(error.details[0].message) from None


class Tree(Strict):
    """JSON of the author's own shape, with templates for texts; of these JSON types alone, with `only`."""

    def __init__(self, *, only: tuple[type, ...] = _PLAIN, says: str = "must not be null", **kwargs: Any) -> None:
        names = [name for kind in only for name in _TYPES[kind]]
        super().__init__(bounds={"type": names if len(names) > 1 else names[0]}, **kwargs)
        self._only, self._says = only, says

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, self._only):
            raise self.fail(self._says)
        if _count(value) > limits.VALUES_MAX:
            raise self.fail(f"must have at most {limits.VALUES_MAX} values")
        if failures := _failures(value, limits.VALUES_DEPTH_MAX):
            raise ValidationError(failures)
        return value


class ListOrPath(Tree):
    """A list of so many values, or one path that leads to such a list; how long that is shows when it is rendered."""

    def __init__(self, *, high: int, **kwargs: Any) -> None:
        super().__init__(only=(list, str), says="must be a list or one {{path}}", **kwargs)
        self._high = high

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        given = super()._deserialize(value, attr, data, **kwargs)
        if isinstance(given, str) and templates.parse(given).lone_path is None:
            raise self.fail(self._says)
        if isinstance(given, list) and len(given) > self._high:
            raise self.fail(f"must be a list of at most {self._high}")
        return given


class Notes(Strict):
    """An object of a builder's own shape, kept for it and read by nobody here: it has no templates."""

    form: ClassVar[Form] = {"type": "object"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.fail("must be an object")
        if len(orjson.dumps(value)) > limits.UI_BYTES_MAX:
            raise self.fail(f"must have at most {limits.UI_BYTES_MAX} bytes as JSON")
        if _is_deeper(value, limits.UI_DEPTH_MAX):
            raise self.fail(f"must have at most {limits.UI_DEPTH_MAX} objects and lists within each other")
        return value


def _inner(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _is_deeper(value: Any, levels: int) -> bool:
    is_one = isinstance(value, dict | list)
    return is_one and (levels == 0 or any(_is_deeper(each, levels - 1) for each in _inner(value)))


def _count(value: Any) -> int:
    return 1 + sum(map(_count, _inner(value)))


def _failures(value: Any, depth_left: int) -> Any:
    """What is wrong with a value, in the form of marshmallow's messages; empty where nothing is."""
    if isinstance(value, dict | list):
        if depth_left == 0:
            return [f"must have at most {limits.VALUES_DEPTH_MAX} objects and lists within each other"]
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: failure for key, each in inner if (failure := _failures(each, depth_left - 1))}
    if isinstance(value, float) and not math.isfinite(value):
        return ["must be a number"]
    return _failures_of_text(value) if isinstance(value, str) else []


def _failures_of_text(text: str) -> list[str]:
    try:
        templates.parse(text)
    except HubError as error:
        return [error.details[0].message]
    return []


class ByType(Composed):
    """An object that says by its `type` which of the schemas it has."""

    form: ClassVar[Form] = {"type": "object"}

    def __init__(self, schemas: Mapping[str, type[Schema]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._schemas = {name: schema() for name, schema in schemas.items()}

    def inner_form(self, of_field: FormOf, of_schema: SchemaFormOf) -> Form:
        forms = ((name, of_schema(schema)) for name, schema in self._schemas.items())
        return {
            "oneOf": [{**form, "properties": {**form["properties"], "type": {"const": name}}} for name, form in forms]
        }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.fail("must be an object")
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in self._schemas:
            raise ValidationError({"type": [f"must be one of {', '.join(self._schemas)}"]})
        return self._schemas[kind].load(value)


class Items(Composed):
    """A list of so many items of one kind. Its length comes first: items beyond it are not looked at."""

    form: ClassVar[Form] = {"type": "array"}

    def __init__(self, item: Field, *, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(bounds={"minItems": low, "maxItems": high}, **kwargs)
        self._items = fields.List(item)
        self._low, self._high = low, high

    def inner_form(self, of_field: FormOf, of_schema: SchemaFormOf) -> Form:
        return {"items": of_field(self._items.inner)}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, list) or not self._low <= len(value) <= self._high:
            raise self.fail(f"must be a list of {self._low} to {self._high}")
        return self._items.deserialize(value)


class OneOrItems(Items):
    """The same, or one of them by itself."""

    form: ClassVar[Form] = {"type": ["object", "array"]}

    def inner_form(self, of_field: FormOf, of_schema: SchemaFormOf) -> Form:
        item = of_field(self._items.inner)
        return {"anyOf": [item, {"type": "array", "items": item}]}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, dict):
            return self._items.inner.deserialize(value)
        return super()._deserialize(value, attr, data, **kwargs)
