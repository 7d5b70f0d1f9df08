"""OpenAPI 3 and Swagger 2: the same API in both, to the same results where both can say the same."""

import json
from typing import Any

import pytest

from hub.analyser.analysis import analyse

_OPENAPI = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1.10"},
    "servers": [{"url": "https://{region}.example.com/v1", "variables": {"region": {"default": "eu"}}}, {"url": "/"}],
    "security": [{"bearer": []}],
    "paths": {
        "x-note": {"get": {}},
        "/pets/{id}": {
            "summary": "Not an operation",
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}, "example": 7},
                {
                    "name": "limit",
                    "in": "query",
                    "schema": {"type": "integer", "default": 20},
                    "description": "Of the path",
                },
            ],
            "get": {
                "summary": "One\npet",
                "description": "More of it",
                "tags": ["pets"],
                "parameters": [{"$ref": "#/components/parameters/Limit"}],
                "responses": {
                    "200": {"$ref": "#/components/responses/Pet"},
                    "4XX": {"description": "No"},
                    "default": {"description": "Else"},
                    "x-other": {},
                    "2000": {},
                },
            },
            "put": {
                "deprecated": True,
                "security": [],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"$ref": "#/components/schemas/Pet"},
                            "examples": {
                                "rex": {"$ref": "#/components/examples/Rex"},
                                "tom": {"value": {"name": "Tom"}},
                            },
                        },
                        "text/plain": {"schema": {"type": "string"}, "example": "Rex"},
                    },
                },
                "responses": {"204": {"description": "Done"}},
            },
        },
    },
    "components": {
        "parameters": {"Limit": {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 50}}},
        "responses": {
            "Pet": {
                "description": "A pet",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            }
        },
        "examples": {"Rex": {"summary": "A dog", "value": {"name": "Rex"}}},
        "schemas": {
            "Pet": {"type": "object", "properties": {"name": {"type": "string"}}, "example": {"name": "Example"}},
            "Any": True,
            "Odd": 7,
        },
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "Bearer"},
            "session": {"type": "apiKey", "in": "cookie", "name": "sid"},
            "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
            "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://example.com/oidc"},
            "tls": {"type": "mutualTLS"},
            "odd": {"type": "odd"},
        },
    },
}


def _results(document: dict[str, Any]) -> dict[str, Any]:
    return analyse(json.dumps(document).encode(), "auto")


def test_all_that_a_document_says_is_told() -> None:
    results = _results(_OPENAPI)
    assert (results["title"], results["version"], results["specification"]) == ("Pets", "1.10", "3.0.3")
    assert results["servers"] == ["https://eu.example.com/v1", "/"]
    assert results["authentication"] == ["api_key", "bearer", "cookie", "mutual_tls", "openid_connect", "unknown"]
    assert [each["name"] for each in results["schemas"]] == ["Pet", "Any", "Odd"]


def test_an_operation_has_its_own_and_its_path_s_parameters() -> None:
    got, put = _results(_OPENAPI)["endpoints"]
    assert got["parameters"] == [
        {"name": "id", "in": "path", "type": "integer", "required": True, "description": "", "example": "7"},
        {"name": "limit", "in": "query", "type": "integer", "required": False, "description": "", "example": ""},
    ]
    assert [each["example"] for each in put["parameters"]] == ["7", "20"]


def test_an_operation_is_told_in_full() -> None:
    got, put = _results(_OPENAPI)["endpoints"]
    assert (got["method"], got["path"], got["summary"], got["tags"]) == ("GET", "/pets/{id}", "One pet", ["pets"])
    assert got["security"] == [["bearer"]] and put["security"] == []
    assert put["deprecated"] and not got["deprecated"]
    assert list(got["responses"]) == ["200", "4XX", "default"]
    assert got["responses"]["200"]["content"] == [
        {"media_type": "application/json", "type": "Pet", "example": '{\n "name": "Example"\n}'}
    ]
    assert put["request_body"] == {
        "required": True,
        "content": [
            {"media_type": "application/json", "type": "Pet", "example": '{\n "name": "Rex"\n}'},
            {"media_type": "text/plain", "type": "string", "example": "Rex"},
        ],
    }


def test_what_is_not_as_it_should_be_is_noted() -> None:
    messages = [each["message"] for each in _results(_OPENAPI)["notices"]]
    assert any("'2000' is no status" in message for message in messages)
    assert any("the schema Odd is neither an object" in message for message in messages)
    assert not any("the schema Any" in message for message in messages)


def test_statistics_are_of_the_whole() -> None:
    figures = _results(_OPENAPI)["statistics"]
    assert figures["total_endpoints"] == 2 and figures["total_schemas"] == 3 and figures["total_parameters"] == 4
    assert figures["endpoints_by_method"] == {"GET": 1, "PUT": 1}
    assert figures["endpoints_by_tag"] == [{"tag": "pets", "endpoints": 1}]
    assert figures["responses_by_status"] == {"200": 1, "204": 1, "4XX": 1, "default": 1}
    assert (figures["deprecated_endpoints"], figures["secured_endpoints"]) == (1, 1)


def test_the_same_document_has_the_same_results() -> None:
    assert json.dumps(_results(_OPENAPI)) == json.dumps(_results(_OPENAPI))


def test_webhooks_alone_are_a_document_of_3_1() -> None:
    results = _results({"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "webhooks": {"paid": {"post": {}}}})
    assert results["endpoints"] == [] and "1 webhooks" in results["notices"][0]["message"]


_SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Pets", "version": "1"},
    "host": "example.com",
    "basePath": "/v1",
    "schemes": ["https", "http"],
    "consumes": ["application/json"],
    "produces": ["application/json", "text/xml"],
    "securityDefinitions": {
        "password": {"type": "basic"},
        "key": {"type": "apiKey", "in": "query", "name": "k"},
        "oauth": {
            "type": "oauth2",
            "flow": "accessCode",
            "authorizationUrl": "https://a",
            "tokenUrl": "http://t.example",
        },
    },
    "paths": {
        "/pets": {
            "post": {
                "parameters": [
                    {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}},
                    {"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}},
                ],
                "responses": {
                    "200": {"schema": {"$ref": "#/definitions/Pet"}, "examples": {"text/xml": "<pet/>"}},
                    "204": {"description": "Nothing"},
                },
                "security": [{"oauth": ["write"]}, {"key": [], "password": []}],
            }
        },
        "/photos": {
            "post": {
                "consumes": ["multipart/form-data"],
                "parameters": [{"name": "photo", "in": "formData", "type": "file", "required": True}],
                "responses": {},
            }
        },
    },
    "definitions": {"Pet": {"type": "object", "example": {"name": "Rex"}}},
}


def test_swagger_s_bodies_are_told_as_openapi_s() -> None:
    pets, photos = _results(_SWAGGER)["endpoints"]
    example = '{\n "name": "Rex"\n}'
    assert pets["request_body"] == {
        "required": True,
        "content": [{"media_type": "application/json", "type": "Pet", "example": example}],
    }
    assert pets["responses"]["200"]["content"] == [
        {"media_type": "application/json", "type": "Pet", "example": example},
        {"media_type": "text/xml", "type": "Pet", "example": "<pet/>"},
    ]
    assert pets["responses"]["204"] == {"description": "Nothing", "content": []}
    assert [(each["name"], each["in"], each["type"]) for each in pets["parameters"]] == [
        ("ids", "query", "array of integer")
    ]
    assert photos["request_body"]["content"] == [{"media_type": "multipart/form-data", "type": "form", "example": ""}]
    assert [(each["name"], each["in"], each["required"]) for each in photos["parameters"]] == [("photo", "form", True)]


def test_swagger_s_servers_and_ways_to_sign_in() -> None:
    results = _results(_SWAGGER)
    assert results["servers"] == ["https://example.com/v1", "http://example.com/v1"]
    assert results["authentication"] == ["api_key", "basic", "oauth2"]
    assert results["endpoints"][0]["security"] == [["oauth"], ["key", "password"]]
    assert {"plain_http_server", "plain_http_sign_in", "key_in_query", "basic_authentication"} <= {
        issue["rule"] for issue in results["security_issues"]
    }


@pytest.mark.parametrize("path", ["pets", "", "http://example.com/pets"])
def test_a_path_that_is_none_is_noted(path: str) -> None:
    results = _results({"openapi": "3.0.0", "paths": {path: {"get": {}}}})
    assert results["endpoints"] == [] and "does not begin with /" in results["notices"][0]["message"]
