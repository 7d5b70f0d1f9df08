"""The OpenAPI document as a judge of requests and answers: what of one is not as the document says. No test is in it."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator

from handlers.application import ROUTES
from handlers.openapi import document

JSON: Final = "application/json"
DOCUMENT: Final[dict[str, Any]] = document(ROUTES, "/")


def operation(method: str, path: str) -> dict[str, Any]:
    """That of a request, by the path that it was sent to."""
    path = path.partition("?")[0]
    found = [each for each in DOCUMENT["paths"] if re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", each), path)]
    fewest = min(each.count("{") for each in found)
    (place,) = [each for each in found if each.count("{") == fewest]
    described: dict[str, Any] = DOCUMENT["paths"][place][method.lower()]
    return described


def of_request(described: Mapping[str, Any], body: Any) -> list[str]:
    """What is wrong with a body; nothing may be sent where none is described."""
    if "requestBody" not in described:
        return [] if body is None else ["a body where none is described"]
    return _faults(described["requestBody"]["content"][JSON]["schema"], body)


def of_answer(described: Mapping[str, Any], status: int, headers: Mapping[str, str], body: Any) -> list[str]:
    response = described["responses"].get(str(status))
    if response is None:
        return [f"the status {status} is not described"]
    while "$ref" in response:
        response = _at(response["$ref"])
    missing = [f"{name} is missing" for name in response["headers"] if name not in headers and name not in SOMETIMES]
    media = headers["Content-Type"].partition(";")[0]
    if media not in response["content"]:
        return [*missing, f"{media} is not described"]
    return missing if media != JSON else [*missing, *_faults(response["content"][JSON]["schema"], body)]


# Headers that some answers of a kind have.
SOMETIMES: Final = (
    *("Idempotency-Hit", "X-RateLimit-Endpoint", "X-RateLimit-Identifier"),
    *("X-Hub-Route", "X-Hub-Attempts", "X-Hub-Overhead-Ms", "X-Hub-Sandbox"),
)


def _at(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step.replace("~1", "/")]
    return found


def _faults(schema: Mapping[str, Any], value: Any) -> list[str]:
    found = _validator(json.dumps(schema)).iter_errors(value)
    return [f"{'.'.join(map(str, fault.path))}: {fault.message[:200]}" for fault in found]


@cache
def _validator(schema: str) -> Draft202012Validator:
    """Made once for each schema, which costs more than what it is asked for."""
    return Draft202012Validator({**json.loads(schema), "components": DOCUMENT["components"]})
