"""The Postman collection, version 2.1.0, made from the OpenAPI document: a folder for each API, a request per operation."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

from handlers.dialects import Json
from handlers.terms import JSON

_SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
_VARIABLES: Final = {
    "token": "An access token or an API key",
    "serviceToken": "That of our own services, HUB_SERVICE_TOKEN",
}


def collection(document: Json, base_url: str) -> Json:
    """What several APIs have stands in the folder of the first of them."""
    variables = [{"key": name, "value": "", "description": says} for name, says in _VARIABLES.items()]
    return {
        "info": {
            "name": document["info"]["title"],
            "description": document["info"]["description"],
            "version": document["info"]["version"],
            "schema": _SCHEMA,
        },
        "item": [folder for tag in document["tags"] if (folder := _folder(document, tag["name"]))["item"]],
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "variable": [{"key": "baseUrl", "value": base_url}, *variables],
    }


def _folder(document: Json, tag: str) -> Json:
    return {"name": tag, "item": list(_items(document, tag))}


def _items(document: Json, tag: str) -> Iterator[Json]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method != "parameters" and operation["tags"][0] == tag:
                request = _request(path, method.upper(), operation, methods.get("parameters", []))
                yield {"name": operation["summary"], "request": request, "response": []}


def _request(path: str, method: str, operation: Json, of_path: Sequence[Json]) -> Json:
    asked = operation.get("parameters", [])
    request: Json = {
        "method": method,
        "header": list(_headers(operation, asked)),
        "url": _url(path, asked, of_path),
        "description": operation.get("description", ""),
    }
    if not any("bearer" in way for way in operation["security"]):
        request["auth"] = {"type": "noauth"}
    if "requestBody" in operation:
        example = operation["requestBody"]["content"][JSON]["example"]
        language = {"raw": {"language": "json"}}
        request["body"] = {"mode": "raw", "raw": json.dumps(example, indent=2), "options": language}
    return request


def _headers(operation: Json, asked: Sequence[Json]) -> Iterator[Json]:
    if "requestBody" in operation:
        yield {"key": "Content-Type", "value": JSON}
    if any("service" in way for way in operation["security"]):
        yield {"key": "X-Service-Token", "value": "{{serviceToken}}"}
    yield from (_switchable(parameter) for parameter in asked if parameter["in"] == "header")


def _switchable(parameter: Json) -> Json:
    """What need not be sent is there, and switched off."""
    return {
        "key": parameter["name"],
        "value": "",
        "description": parameter["description"],
        "disabled": not parameter.get("required", False),
    }


def _url(path: str, asked: Sequence[Json], of_path: Sequence[Json]) -> Json:
    """Postman writes the variable part of a path as `:name`."""
    parts = [f":{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]
    url: Json = {"raw": "{{baseUrl}}/" + "/".join(parts), "host": ["{{baseUrl}}"], "path": parts}
    if query := [_switchable(parameter) for parameter in asked if parameter["in"] == "query"]:
        url["query"] = query
    if of_path:
        url["variable"] = [{"key": parameter["name"], "value": ""} for parameter in of_path]
    return url
