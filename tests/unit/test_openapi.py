"""The OpenAPI document: valid, complete both ways, as strict as what it describes, and free of what is not so."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from marshmallow import Schema
from openapi_spec_validator import validate

from handlers.access import methods_of
from handlers.ai_assistant.workflows import NewWorkflowInput, WorkflowInput
from handlers.application import ROUTES, every_route
from handlers.dialects import AI_PLAYGROUND, SMART_AI_HUB
from handlers.openapi_examples import example_of
from handlers.openapi_parts import form_of
from handlers.terms import body_of
from hub.errors import HubError
from hub.fields import load
from hub.workflows.definitions import definition
from tests.bad_input import wrong_types
from tests.contract.described import DOCUMENT, JSON, of_request, operation
from tests.contract.matrix import CASES
from tests.contract.refusals import REFUSALS
from tests.contract.rows import ROWS, Row

PATHS: Final[dict[str, Any]] = DOCUMENT["paths"]


def described() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in PATHS.items():
        yield from ((method.upper(), path, one) for method, one in methods.items() if method != "parameters")


def with_bodies() -> Iterator[tuple[str, dict[str, Any], Schema]]:
    """Each operation that takes a body, with the schema by which its method loads it."""
    for route in ROUTES:
        for method in methods_of(route.handler):
            if (schema := body_of(route.handler, method)) is not None:
                path = next(path for path in PATHS if _unnamed(path) == _ungrouped(route.pattern))
                yield f"{method} {path}", PATHS[path][method.lower()], schema


def _unnamed(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "()", path)


def _ungrouped(pattern: str) -> str:
    return re.sub(r"\([^()]*\)", "()", pattern)


def test_it_is_valid_openapi() -> None:
    validate(DOCUMENT)
    spoiled = copy.deepcopy(DOCUMENT)
    del spoiled["info"]["title"]
    with pytest.raises(Exception, match="title"):
        validate(spoiled)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["$ref"]] if isinstance(part.get("$ref"), str) else [])
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from references(value)


def test_every_reference_leads_to_something() -> None:
    """Which is not looked at where the document is judged as a whole."""
    parts = {f"#/components/{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    assert set(references(DOCUMENT)) - parts == set()


def test_it_has_every_method_of_every_route_of_an_api_and_no_other() -> None:
    owed = {
        (method, _ungrouped(route.pattern))
        for route in every_route()
        if route.apis
        for method in methods_of(route.handler)
        if method != "OPTIONS"
    }
    assert {(method, _unnamed(path)) for method, path, _ in described()} == owed


def test_each_operation_has_an_id_of_its_own_and_says_what_it_does() -> None:
    found = [one["operationId"] for _, _, one in described()]
    assert len(found) == len(set(found))
    assert {"get_api_users_me", "post_v1_chat_completions", "delete_api_streams_stream_id"} <= set(found)
    assert [one["operationId"] for _, _, one in described() if not 2 < len(one["summary"]) <= 120] == []


def test_the_names_in_a_path_are_those_of_its_parameters() -> None:
    for path, methods in PATHS.items():
        assert re.findall(r"\{([^}]*)\}", path) == [each["name"] for each in methods.get("parameters", [])], path


@pytest.mark.parametrize(
    ("method", "path", "ways"),
    [
        ("POST", "/api/auth/login", []),
        ("GET", "/api/users/me", ["bearer", "apiKey", "cookie"]),
        ("GET", "/api/admin/users", ["bearer", "cookie"]),
        ("GET", "/v1/models", ["bearer", "apiKey", "cookie", "token", "queryKey"]),
        ("POST", "/api/v1/mcp/points/deduct", ["service"]),
    ],
)
def test_who_may_call_is_what_the_mark_says(method: str, path: str, ways: list[str]) -> None:
    assert [way for each in operation(method, path)["security"] for way in each] == ways


def test_a_permission_stands_beside_each_way() -> None:
    assert operation("GET", "/v1/models")["security"][0] == {"bearer": ["ai:read"]}


def test_pages_are_asked_for_as_the_api_says() -> None:
    asked = {each["name"]: each for each in operation("GET", "/api/admin/users")["parameters"]}
    assert {"limit", "page", "search"} <= set(asked) and "offset" not in asked
    assert asked["limit"]["schema"]["default"] == SMART_AI_HUB.page_size
    both = [each["name"] for each in operation("GET", "/api/credits/history")["parameters"]]
    assert {"limit", "page", "offset"} <= set(both)


def test_headers_that_limit_requests_are_those_of_the_api() -> None:
    def headers(method: str, path: str) -> set[str]:
        return set(operation(method, path)["responses"]["200"]["headers"])

    assert "X-RateLimit-Endpoint" not in headers("GET", "/api/users/me")
    assert {"X-RateLimit-Endpoint", "X-RateLimit-Reset"} <= headers("GET", "/api/auth/me")
    assert {"Idempotency-Hit", "X-Hub-Stream-Id"} <= headers("POST", "/v1/chat/completions")


# --- bodies -----------------------------------------------------------------------------------------------------


def test_each_field_says_its_type() -> None:
    """A list of nothing is what a new kind of field gets that says nothing of itself."""
    schemas = DOCUMENT["components"]["schemas"]
    silent = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        if "." not in name
        for field, form in schema["properties"].items()
        if not form.keys() & {"type", "anyOf", "$ref", "enum"}
    ]
    assert silent == [] and len(schemas) > 25


def test_a_body_that_may_be_absent_is_not_required() -> None:
    for path, needed in (("test", False), ("replay", True)):
        assert operation("POST", f"/v1/webhooks/x1/{path}")["requestBody"]["required"] is needed


def test_each_example_is_taken_by_the_schema_that_its_method_loads_it_by() -> None:
    for name, one, schema in with_bodies():
        example = one["requestBody"]["content"][JSON]["example"]
        assert of_request(one, example) == [], name
        load(schema, example)


@pytest.mark.parametrize("row", [row for row in ROWS if row.body], ids=lambda row: f"{row.api} {row.name}")
def test_each_documented_body_is_as_described(row: Row) -> None:
    texts = {"email": "ada@example.org"}
    body = {name: texts.get(str(value)[1:-1], value) for name, value in row.body.items()}
    assert of_request(operation(row.method, row.bare_path), body) == []


def test_each_body_of_the_matrix_is_as_described_where_it_is_taken() -> None:
    for (method, pattern), case in CASES.items():
        if case.body and case.status < 300:
            path = re.sub(r"\([^()]*\)", "x1", pattern)
            body = json.loads(json.dumps(case.body).replace("{intent}", "pi_1"))
            assert of_request(operation(method, path), body) == [], (method, pattern)


def test_what_the_document_refuses_is_refused_and_what_is_of_another_type_is_refused_by_both() -> None:
    tried = 0
    for name, one, schema in with_bodies():
        example = one["requestBody"]["content"][JSON]["example"]
        for path, wrong, body in wrong_types(example):
            tried += 1
            refused, by_document = _refuses(schema, body), bool(of_request(one, body))
            assert refused or not by_document, f"{name}: {path} = {wrong!r} is taken, and described as wrong"
            if isinstance(wrong, bool | list) and "." not in path:
                assert refused == by_document, f"{name}: {path} = {wrong!r}"
    assert tried > 500


def test_each_field_takes_what_its_own_form_leads_to_and_null_where_that_is_said() -> None:
    tried = 0
    for name, one, schema in with_bodies():
        content = one["requestBody"]["content"][JSON]
        (form, *_) = content["schema"].get("anyOf", [content["schema"]])  # what several APIs have is the first one's
        properties = DOCUMENT["components"]["schemas"][form["$ref"].rpartition("/")[2]]["properties"]
        for field, form in properties.items():
            tried += 1
            alone = {**content["example"], field: example_of(form, DOCUMENT["components"]["schemas"])}
            assert of_request(one, alone) == [] and not _refuses(schema, alone), f"{name}: {alone}"
            absent = {**content["example"], field: None}
            assert _refuses(schema, absent) == bool(of_request(one, absent)), f"{name}: {field} is null"
    assert tried > 90


def test_what_is_surplus_or_missing_is_refused_by_both() -> None:
    for name, one, schema in with_bodies():
        example = one["requestBody"]["content"][JSON]["example"]
        without = {} if _refuses(schema, {}) else example
        for body in ({**example, "role": "admin", "surplus": 1}, without):
            if _refuses(schema, body) and "surplus" not in str(body):
                assert of_request(one, body), f"{name}: {body}"
        if schema.unknown == "raise":
            assert of_request(one, {**example, "surplus": 1}), name


def _refuses(schema: Schema, body: Any) -> bool:
    try:
        loaded = load(schema, body)
        if isinstance(schema, NewWorkflowInput | WorkflowInput) and "definition" in loaded:
            definition.load(loaded["definition"], ())  # which looks at it as a whole
    except HubError:
        return True
    return False


# --- answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.api} {row.name}")
def test_each_documented_status_is_described(row: Row) -> None:
    assert str(row.status) in operation(row.method, row.bare_path)["responses"]


def test_each_refusal_is_described_with_its_code() -> None:
    for refusal in REFUSALS:
        method, path = refusal.call.split(" ")
        status, code = refusal.outcome
        link = operation(method, path.replace("{", "").replace("}", ""))["responses"][str(status)]["$ref"]
        response = DOCUMENT["components"]["responses"][link.rpartition("/")[2]]
        assert code in response["description"], (refusal.call, status, code)


def test_a_method_that_takes_no_body_and_asks_nothing_cannot_break_a_rule() -> None:
    assert "422" not in operation("GET", "/api/users/me")["responses"]
    assert not {"401", "403", "409"} & operation("GET", "/readyz")["responses"].keys()


def test_what_several_apis_answer_may_have_the_form_of_each() -> None:
    answer = operation("POST", "/api/auth/register")["responses"]["201"]["content"][JSON]["schema"]
    names = [each["$ref"].rpartition("/")[2] for each in answer["anyOf"]]
    assert names == [f"{dialect.name}.Success" for dialect in (SMART_AI_HUB, AI_PLAYGROUND)]


def test_a_form_has_what_all_examples_have_and_allows_what_one_has() -> None:
    form = form_of({"a": 1, "b": [{"c": "x"}], "d": True}, {"a": 1.5, "b": [], "e": None, "d": True})
    assert form["required"] == ["a", "b", "d"]
    assert form["properties"] == {
        "a": {"type": "number"},
        "b": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "string"}}, "required": ["c"]}},
        "d": {"const": True},
        "e": {},
    }
    assert form_of("x", 1) == {} and form_of(True, False) == {"type": "boolean"}
