"""Schemas of OpenAPI and Swagger: their types in words, their fields, and the arrays in them that have no most.

Schemas refer to each other in circles, and to themselves. Words stop at the first name, all else at a bound.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from config import assistant as bounds
from hub.analyser.description import Json, NamedSchema, SchemaField
from hub.analyser.references import References, name_of, reference_of
from hub.analyser.taking import Taking

_TOGETHER = ("allOf", "oneOf", "anyOf")


class Schemas:
    """The schemas of one document."""

    def __init__(self, references: References, taking: Taking) -> None:
        self._references = references
        self._taking = taking

    def type_of(self, schema: Any) -> str:
        """The type in words: `Pet`, `array of string`, `integer (int64)`, `Cat | Dog`."""
        return self._taking.name(self._words(schema, bounds.ANALYSIS_TYPE_DEPTH_MAX))

    def _words(self, schema: Any, depth: int) -> str:
        if (reference := reference_of(schema)) is not None:
            return name_of(reference)
        if not isinstance(schema, dict) or depth <= 0:
            return "" if schema is None else "any"
        for key, joint in (("oneOf", " | "), ("anyOf", " | "), ("allOf", " & ")):
            if isinstance(schema.get(key), list) and schema[key]:
                return self._joined(schema[key], joint, depth)
        return self._simple(schema, depth)

    def _joined(self, schemas: list[Any], joint: str, depth: int) -> str:
        words = [self._words(each, depth - 1) for each in schemas[: bounds.ANALYSIS_ALTERNATIVES_MAX]]
        if len(schemas) > len(words):
            words.append("…")
        return joint.join(dict.fromkeys(word for word in words if word))

    def _simple(self, schema: Json, depth: int) -> str:
        kinds = _kinds(schema)
        words = [self._array(schema, depth) if kind == "array" else kind for kind in kinds]
        if schema.get("nullable") is True:
            words.append("null")
        form = schema.get("format")
        return " | ".join(words) + (f" ({form})" if isinstance(form, str) and "array" not in kinds else "")

    def _array(self, schema: Json, depth: int) -> str:
        items = self._words(schema.get("items"), depth - 1)
        return f"array of {items}" if items else "array"

    def named(self, name: str, schema: Any) -> NamedSchema:
        """A schema of the document's own list, with its fields."""
        about = self._references.resolve(schema)
        if not isinstance(about, dict | bool):
            self._taking.malformed(f"the schema {name[:100]} is neither an object nor true or false")
        about = about if isinstance(about, dict) else {}
        found = self._taking.rows(self._properties(about), bounds.ANALYSIS_FIELDS_MAX, "fields of schemas")
        fields = [self._field(*each) for each in found]
        described = self._taking.description(about.get("description"))
        example = self._taking.example(about.get("example", _first(about.get("examples"))))
        return NamedSchema(self._taking.name(name), self.type_of(schema), described, fields, example)

    def _properties(self, schema: Json) -> Iterator[tuple[str, Any, bool]]:
        """Its own properties and those of all that it is made from, each name once, and whether it must be there."""
        seen: set[str] = set()
        for part in self._parts(schema):
            required = part.get("required")
            needed = set(filter(_is_text, required)) if isinstance(required, list) else set()
            properties = part.get("properties")
            for name, about in properties.items() if isinstance(properties, dict) else ():
                if name not in seen:
                    seen.add(name)
                    yield name, about, name in needed

    def _field(self, name: str, about: Any, required: bool) -> SchemaField:
        description = about.get("description") if isinstance(about, dict) else None
        taking = self._taking
        return SchemaField(taking.name(name), self.type_of(about), required, taking.description(description))

    def _parts(self, schema: Json) -> Iterator[Json]:
        """The schema, and what `allOf` has it made from, each once however they refer to each other."""
        waiting, seen = [schema], {id(schema)}
        while waiting and len(seen) <= bounds.ANALYSIS_SCHEMA_VISITS_MAX:
            part = waiting.pop(0)
            yield part
            for other in _list(part.get("allOf")):
                resolved = self._references.resolve(other)
                if isinstance(resolved, dict) and id(resolved) not in seen:
                    seen.add(id(resolved))
                    waiting.append(resolved)

    def open_arrays(self, schema: Any, path: str) -> list[str]:
        """The paths of arrays that may have any number of items: `body.labels`, `body.steps[].files`."""
        found: dict[str, None] = {}
        waiting, seen = [(schema, path, 0)], set[int]()
        while waiting and len(seen) < bounds.ANALYSIS_SCHEMA_VISITS_MAX:
            given, where, depth = waiting.pop(0)
            about = self._references.resolve(given)
            if isinstance(about, dict) and id(about) not in seen:
                seen.add(id(about))
                if "array" in _kinds(about) and about.get("maxItems") is None and "enum" not in about:
                    found[where] = None
                if depth < bounds.ANALYSIS_SCHEMA_DEPTH_MAX:
                    inner = islice(_inner(about, where), bounds.ANALYSIS_SCHEMA_VISITS_MAX)
                    waiting += [(each, at, depth + 1) for each, at in inner]
        return list(found)


def _inner(schema: Json, path: str) -> Iterator[tuple[Any, str]]:
    properties = schema.get("properties")
    for name, about in properties.items() if isinstance(properties, dict) else ():
        yield about, f"{path}.{name}"
    for key in _TOGETHER:
        yield from ((each, path) for each in _list(schema.get(key)))
    yield schema.get("items"), f"{path}[]"
    yield schema.get("additionalProperties"), f"{path}.*"


def _kinds(schema: Json) -> list[str]:
    """The types it names; those that it can only mean, where it names none."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if isinstance(kind, list):
        return [each for each in kind if isinstance(each, str)][: bounds.ANALYSIS_ALTERNATIVES_MAX]
    if "items" in schema:
        return ["array"]
    return ["object"] if "properties" in schema or "additionalProperties" in schema else ["any"]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
