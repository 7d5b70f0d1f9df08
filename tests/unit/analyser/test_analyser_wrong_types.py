"""Every value of a valid document replaced by each wrong kind: there are results, or an error that says what is wrong."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson
import pytest

from hub.analyser.analysis import analyse
from hub.analyser.failures import Unreadable
from hub.analyser.sheets import tables

_WRONG: Final = (
    *(None, True, -1.5, 10**80, "", "\ud800\u0000", "a" * 5_000),
    *([], [None], [[]], [{}], ["text"]),
    *({}, {"": None}, {"$ref": "#"}, {"$ref": "other.json#/x"}, {"type": []}),
)

_OPENAPI: Final = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1"},
    "servers": [{"url": "https://{h}.example.com", "variables": {"h": {"default": "api"}}}],
    "security": [{"key": []}],
    "paths": {
        "/a/{id}": {
            "parameters": [{"name": "id", "in": "path", "schema": {"type": "string"}}],
            "post": {
                "summary": "S",
                "tags": ["t"],
                "deprecated": True,
                "security": [{"oauth": ["scope"]}],
                "parameters": [{"$ref": "#/components/parameters/limit"}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}},
                "responses": {
                    "200": {
                        "description": "D",
                        "content": {"application/json": {"examples": {"one": {"value": {"x": 1}}}}},
                    }
                },
            },
        }
    },
    "webhooks": {"w": {}},
    "components": {
        "parameters": {"limit": {"name": "limit", "in": "query", "schema": {"type": "integer"}, "example": 5}},
        "schemas": {
            "A": {
                "allOf": [{"$ref": "#/components/schemas/A"}],
                "required": ["b"],
                "properties": {"b": {"type": ["array", "null"], "items": {"oneOf": [{"type": "string"}]}}},
                "example": {"b": []},
            }
        },
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "query", "name": "k"},
            "oauth": {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "http://x", "scopes": {}}}},
        },
    },
}

_SWAGGER: Final = {
    "swagger": "2.0",
    "info": {"title": "T", "version": "1"},
    "host": "example.com",
    "basePath": "/v1",
    "schemes": ["http"],
    "consumes": ["application/json"],
    "paths": {
        "/a": {
            "post": {
                "tags": ["t"],
                "produces": ["application/json"],
                "parameters": [
                    {"name": "b", "in": "body", "required": True, "schema": {"$ref": "#/definitions/A"}},
                    {"name": "f", "in": "formData", "type": "array", "items": {"type": "string"}},
                ],
                "responses": {"200": {"schema": {"type": "array"}, "examples": {"application/json": [1]}}},
                "security": [{"k": []}],
            }
        }
    },
    "definitions": {"A": {"type": "object", "properties": {"x": {"type": "array"}}}},
    "securityDefinitions": {"k": {"type": "oauth2", "flow": "implicit", "authorizationUrl": "http://x"}},
}

_POSTMAN: Final = {
    "info": {"name": "C", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
    "variable": [{"key": "base", "value": "https://example.com"}],
    "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "abc"}]},
    "item": [
        {
            "name": "F",
            "item": [
                {
                    "name": "R",
                    "request": {
                        "method": "POST",
                        "header": [{"key": "X-API-Key", "value": "v"}],
                        "auth": {"type": "apikey", "apikey": [{"key": "in", "value": "query"}]},
                        "url": {
                            "raw": "{{base}}/a/:id?x=1",
                            "protocol": "https",
                            "host": ["example", "com"],
                            "port": "8080",
                            "path": ["a", ":id", {"value": "b"}],
                            "query": [{"key": "x", "value": "1", "description": {"content": "D"}}],
                            "variable": [{"key": "id", "value": "7"}],
                        },
                        "body": {"mode": "raw", "raw": "{}", "options": {"raw": {"language": "json"}}},
                    },
                    "response": [{"name": "ok", "code": 200, "header": [], "body": "{}"}],
                }
            ],
        },
        {"name": "S", "request": "https://example.com/b"},
        {
            "name": "U",
            "request": {"method": "PUT", "url": "x/c", "body": {"mode": "formdata", "formdata": [{"key": "f"}]}},
        },
    ],
}


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value in a document, its own included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = orjson.loads(orjson.dumps(document))  # much faster than deepcopy
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def _without(document: Any, path: tuple[Any, ...]) -> Any:
    changed = _with(document, path, None)
    place = changed
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return changed


def _is_dealt_with(document: Any) -> bool:
    """Whether there are results, which the database and every sheet take. Anything but `Unreadable` fails the test."""
    try:
        results = analyse(json.dumps(document).encode(), "auto")
    except Unreadable as error:
        assert error.message and error.message.isprintable()
        return False
    assert re.search(rb"(?<!\\)\\u0000", orjson.dumps(results)) is None
    for table in tables(results, include_examples=True):
        assert all(len(row) == len(table.header) and all(isinstance(cell, str) for cell in row) for row in table.rows)
    return True


@pytest.mark.parametrize("document", [_OPENAPI, _SWAGGER, _POSTMAN], ids=["openapi", "swagger", "postman"])
def test_a_wrong_type_anywhere_is_survived(document: Any) -> None:
    assert _is_dealt_with(document)
    read = tried = 0
    for path in _places(document):
        for wrong in _WRONG:
            tried += 1
            read += _is_dealt_with(_with(document, path, wrong))
        if path:
            _is_dealt_with(_without(document, path))
    assert tried > 500
    assert read > tried * 0.7, "one broken value does not cost the whole analysis"
