"""References within a document: what they lead to, circles, and what is never fetched."""

import json

import pytest

from config import assistant
from hub.analyser.analysis import analyse
from hub.analyser.references import References, name_of, reference_of


def test_pointers_are_unescaped() -> None:
    document = {"a/b": {"c~d": {"é %": [{"x": 1}, {"x": 2}]}}}
    references = References(document)
    assert references.resolve({"$ref": "#/a~1b/c~0d/%C3%A9%20%25/1"}) == {"x": 2}
    assert references.resolve({"$ref": "#"}) is document
    assert name_of("#/components/schemas/a~1b%20c") == "a/b c"


def test_chains_are_followed_to_their_end() -> None:
    references = References({"a": {"$ref": "#/b"}, "b": {"$ref": "#/c"}, "c": {"type": "string"}})
    assert references.resolve({"$ref": "#/a"}) == {"type": "string"}


@pytest.mark.parametrize(
    "document",
    [
        {"a": {"$ref": "#/a"}},
        {"a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}},
        {"a": {"$ref": "#/b/c"}, "b": {"$ref": "#/a"}},
    ],
)
def test_circles_end_in_nothing(document: dict[str, object]) -> None:
    assert References(document).resolve({"$ref": "#/a"}) == {}


def test_a_chain_that_is_too_long_ends_in_nothing() -> None:
    hops = assistant.ANALYSIS_REFERENCE_HOPS_MAX
    document = {**{str(n): {"$ref": f"#/{n + 1}"} for n in range(hops)}, str(hops): {"type": "string"}}
    assert References(document).resolve({"$ref": "#/0"}) == {}
    assert References(document).resolve({"$ref": "#/1"}) == {"type": "string"}


@pytest.mark.parametrize(
    "reference", ["#/nothing", "#/list/2", "#/list/-1", "#/list/x", "#/text/0", "#anchor", "#/list/١"]
)
def test_what_leads_to_nothing_is_told(reference: str) -> None:
    references = References({"list": [1, 2], "text": "abc"})
    assert references.resolve({"$ref": reference}) == {}
    assert references.missing == [reference] and not references.remote


@pytest.mark.parametrize(
    "reference", ["other.json", "other.json#/a", "http://localhost/a.json", "file:///etc/passwd", ""]
)
def test_what_leads_out_of_the_document_is_told(reference: str) -> None:
    references = References({"a": {}})
    assert references.resolve({"$ref": reference}) == {}
    assert references.resolve({"$ref": reference}) == {}
    assert references.remote == [reference] and not references.missing


def test_a_property_of_that_name_is_no_reference() -> None:
    schema = {"$ref": {"type": "string"}}
    assert reference_of(schema) is None and References({}).resolve(schema) is schema


def test_every_reference_is_looked_at_but_those_of_examples() -> None:
    answer = {"content": {"application/json": {"schema": {"properties": {"a": {"items": {"$ref": "a.json"}}}}}}}
    shown = {"schema": {"properties": {"$ref": {"type": "string"}}}, "example": {"$ref": "b.json"}}
    references = References(
        {"paths": {"/a": {"get": {"responses": {"200": answer, "400": shown}}}}, "x": {"$ref": "#/y"}}
    )
    references.follow_all()
    assert references.remote == ["a.json"] and references.missing == ["#/y"]


def test_the_results_tell_of_both() -> None:
    document = {
        "openapi": "3.0.3",
        "paths": {
            "/a": {"$ref": "paths.yaml#/a"},
            "/b": {"get": {"responses": {"200": {"$ref": "#/components/none"}}}},
        },
    }
    results = analyse(json.dumps(document).encode(), "auto")
    told = {issue["rule"]: issue["message"] for issue in results["security_issues"]}
    assert "paths.yaml#/a" in told["remote_reference"] and "#/components/none" in told["missing_reference"]
    assert results["statistics"]["total_endpoints"] == 1
