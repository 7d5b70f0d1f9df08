"""Schemas: types in words, fields, and arrays without an end, however they refer to each other."""

from typing import Any

import pytest

from config import assistant
from hub.analyser.references import References
from hub.analyser.schemas import Schemas
from hub.analyser.taking import Taking


def _schemas(**named: Any) -> Schemas:
    return Schemas(References({"s": named}), Taking())


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer", "format": "int64"}, "integer (int64)"),
        ({"type": "array", "items": {"$ref": "#/s/Pet"}}, "array of Pet"),
        ({"items": {"type": "array", "items": {"type": "string"}}}, "array of array of string"),
        ({"type": "array"}, "array"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"type": "string", "nullable": True}, "string | null"),
        ({"oneOf": [{"$ref": "#/s/Cat"}, {"$ref": "#/s/Dog"}]}, "Cat | Dog"),
        ({"allOf": [{"$ref": "#/s/Cat"}, {"type": "object"}]}, "Cat & object"),
        ({"anyOf": [{"type": name} for name in "abcdefg"]}, "a | b | c | d | e | …"),
        ({"properties": {}}, "object"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "object"),
        ({"enum": [1]}, "any"),
        ({}, "any"),
        (True, "any"),
        (None, ""),
    ],
)
def test_types_have_words(schema: Any, words: str) -> None:
    assert _schemas().type_of(schema) == words


def test_words_have_an_end() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "array", "items": schema}
    assert _schemas().type_of(schema) == "array of " * assistant.ANALYSIS_TYPE_DEPTH_MAX + "any"


def test_fields_come_from_all_that_a_schema_is_made_from() -> None:
    animal = {"properties": {"id": {"type": "integer", "description": "Its number"}}, "required": ["id"]}
    cat = {
        "allOf": [{"$ref": "#/s/Animal"}, {"properties": {"lives": {"type": "integer"}, "id": {"type": "string"}}}],
        "description": "A cat",
        "example": {"id": 9},
    }
    named = _schemas(Animal=animal, Cat=cat).named("Cat", cat)
    assert named.description == "A cat" and '"id": 9' in named.example and named.type == "Animal & object"
    assert [field.shown() for field in named.fields] == [
        {"name": "id", "type": "integer", "required": True, "description": "Its number"},
        {"name": "lives", "type": "integer", "required": False, "description": ""},
    ]


def test_circles_have_an_end() -> None:
    first = {"allOf": [{"$ref": "#/s/B"}], "properties": {"b": {"$ref": "#/s/B"}}}
    second = {"allOf": [{"$ref": "#/s/A"}], "properties": {"a": {"type": "array", "items": {"$ref": "#/s/A"}}}}
    schemas = _schemas(A=first, B=second)
    assert [field.name for field in schemas.named("A", first).fields] == ["b", "a"]
    assert schemas.open_arrays({"$ref": "#/s/A"}, "body") == ["body.b.a"]


def test_arrays_without_a_most_are_found_wherever_they_stand() -> None:
    schema = {
        "properties": {
            "tags": {"type": "array", "items": {"type": "string"}},
            "few": {"type": "array", "maxItems": 3, "items": {"type": "array", "items": {}}},
            "either": {"oneOf": [{"type": ["array", "null"]}, {"type": "string"}]},
            "map": {"additionalProperties": {"type": "array"}},
            "steps": {"type": "array", "maxItems": 9, "items": {"properties": {"files": {"type": "array"}}}},
        }
    }
    found = _schemas().open_arrays(schema, "body")
    assert set(found) == {"body.tags", "body.few[]", "body.either", "body.map.*", "body.steps[].files"}


def test_a_schema_of_thousands_is_looked_into_so_far() -> None:
    wide = {"properties": {str(n): {"type": "array"} for n in range(10_000)}}
    assert 0 < len(_schemas().open_arrays(wide, "body")) < assistant.ANALYSIS_SCHEMA_VISITS_MAX
    taking = Taking()
    named = Schemas(References({}), taking).named("Wide", wide)
    assert len(named.fields) == assistant.ANALYSIS_FIELDS_MAX
    assert "9,800 fields of schemas are left out: at most 200 are taken" in [
        each["message"] for each in taking.notices()
    ]
