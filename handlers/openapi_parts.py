"""What the API's document is made of: the forms of envelopes as the dialects make them, schemas, credentials, responses.

Nothing here is written down a second time: an envelope's form is read off the very function that makes the envelope.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import marshmallow
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_instance
from apispec.ext.marshmallow.openapi import OpenAPIConverter

from handlers.access import Access
from handlers.credentials import COOKIE
from handlers.dialects import ANTHROPIC, DIALECTS, Dialect, Json
from hub.errors import Code, Exhausted, FieldError, HubError
from hub.fields import Change, Composed
from hub.rate_limits import Limited

VERSION: Final = "3.1.0"
TITLES: Final[Mapping[str, str]] = {
    "smart_ai_hub": "Smart AI Hub",
    "ai_aggregator": "AI Aggregator",
    "ai_playground": "AI Playground",
    "ai_assistant": "AI Assistant",
}
FORMS: Final[Mapping[str, Dialect]] = {**DIALECTS, "anthropic": ANTHROPIC}  # by the names of their components
_LIMITED: Final = Limited(100, 99, 0, True, 0, "user")
_FAILURES: Final = (
    HubError(Code.INVALID, "m", [FieldError("f", "m", "v")]),
    HubError(Code.INVALID, "m", [FieldError("f", "m", 1)]),
    HubError(Code.INVALID, "m", [FieldError("f", "m")]),
    HubError(Code.RATE_LIMITED, "m", retry_after_seconds=1.0),
    HubError(Code.RATE_LIMITED, "m", exhausted=Exhausted("daily", 50, 50, datetime(2026, 11, 28, tzinfo=UTC))),
    HubError(Code.NOT_FOUND, "m"),
)
HEADERS: Final[Mapping[str, str]] = {
    "X-Hub-Stream-Id": "By which the answer is followed and stopped on any transport",
    "X-Hub-Stream-Epoch": "The log that its offsets belong to",
    "X-Hub-Route": "Which of the model's routes answered",
    "X-Hub-Attempts": "How often a provider was asked",
    "X-Hub-Overhead-Ms": "What the hub itself took until the answer began, in milliseconds",
    "X-Hub-Sandbox": "`true`: no provider was asked",
    "Idempotency-Hit": "`true`: this is the answer to an earlier request with the same key",
    "X-Request-ID": "The request's id, as it was given or made",
    "request-id": "The same, as Anthropic's clients look for it",
    "X-RateLimit-Limit": "How many requests the window allows",
    "X-RateLimit-Remaining": "How many of them are left",
    "X-RateLimit-Reset": "When the window ends: in seconds since 1970, in the AI Playground an ISO 8601 date-time",
    "X-RateLimit-Limit-Requests": "The limit once more, by the name that OpenAI's clients read",
    "X-RateLimit-Remaining-Requests": "What is left of it, by that name",
    "X-RateLimit-Reset-Requests": "How long until the window ends, as `37s`",
    "X-RateLimit-Endpoint": "Which of the AI Playground's limits counted",
    "X-RateLimit-Identifier": "What the request was known by: `user`, `api-key` or `ip`",
    "Retry-After": "After how many seconds it may go well",
}
SECURITY: Final[Mapping[str, Json]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An access token, or an API key"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "What a sign-in sets in a browser"},
    "service": {"type": "apiKey", "in": "header", "name": "X-Service-Token", "description": "Our own services"},
    "token": {"type": "apiKey", "in": "query", "name": "token", "description": "An access token, on `/v1` alone"},
    "queryKey": {"type": "apiKey", "in": "query", "name": "api_key", "description": "An API key, on `/v1` alone"},
}


# --- forms of what is there -------------------------------------------------------------------------------------


def form_of(*values: Any) -> Json:
    """The JSON Schema that examples of one thing have in common; what only some of them have need not be there."""
    if all(isinstance(value, dict) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        properties = {name: form_of(*(value[name] for value in values if name in value)) for name in names}
        required = [name for name in names if all(name in value for value in values)]
        return {"type": "object", "properties": properties, "required": required}
    if all(isinstance(value, list) for value in values):
        items = [item for value in values for item in value]
        return {"type": "array", **({"items": form_of(*items)} if items else {})}
    if all(isinstance(value, bool) for value in values) and len(set(values)) == 1:
        return {"const": values[0]}
    kinds = {_KINDS.get(type(value)) for value in values}
    return {"type": kinds.pop()} if len(kinds) == 1 and None not in kinds else {}


_KINDS: Final[Mapping[type, str]] = {str: "string", int: "number", float: "number", bool: "boolean"}


def success_form(dialect: Dialect) -> Json:
    """The envelope around what a method answers. What is in it is as free as the documents leave it."""
    return form_of(dialect.success({}, "m", "r"), dialect.success([], "m", "r"), dialect.success(None, None, "r"))


def error_form(dialect: Dialect) -> Json:
    return form_of(*(dialect.error(failure, "CODE", "r") for failure in _FAILURES))


# --- schemas ----------------------------------------------------------------------------------------------------


class Converter(OpenAPIConverter):
    """Apispec's, with what it cannot know of ours."""

    def schema2jsonschema(self, schema: Any) -> Json:
        untyped: Any = super()  # apispec says no types
        form: Json = untyped.schema2jsonschema(schema)
        return {**form, "minProperties": 1} if isinstance(resolve_schema_instance(schema), Change) else form

    def field2property(self, field: marshmallow.fields.Field[Any]) -> Json:
        """With the forms of what a field is composed of."""
        form: Json = super().field2property(field)
        if isinstance(field, Composed):
            form |= field.inner_form(self.field2property, self.schema2jsonschema)
        return form

    def field2default(self, field: marshmallow.fields.Field[Any], **kwargs: Any) -> Json:
        """None stands for what is absent, where null itself is refused."""
        default: Json = super().field2default(field, **kwargs)
        return {} if default.get("default", ...) is None else default

    def field2nullable(self, field: marshmallow.fields.Field[Any], ret: Json) -> Json:
        """Null is one more choice, and one more form."""
        nullable: Json = super().field2nullable(field, ret)
        if field.allow_none and "enum" in ret:
            nullable["enum"] = [*ret["enum"], None]
        if field.allow_none and "anyOf" in ret:
            nullable["anyOf"] = [*ret["anyOf"], {"type": "null"}]
        return nullable


class Schemas(MarshmallowPlugin):
    Converter = Converter


def schema_name(schema: Any) -> str:
    """`ProfileInput` of `handlers/smart_ai_hub/users.py` is `SmartAiHubUsersProfileInput`. One made by code has no name: it
    stands where it is used.
    """
    kind = type(resolve_schema_instance(schema))
    words = kind.__module__.replace("_", ".").split(".")[1:]
    return "" if kind.__name__ == "GeneratedSchema" else "".join(map(str.title, words)) + kind.__name__


def specification(title: str, version: str, **more: Any) -> APISpec:
    return APISpec(title, version, VERSION, plugins=[Schemas(schema_name_resolver=schema_name)], **more)


# --- responses --------------------------------------------------------------------------------------------------


def common_headers(forms: Sequence[str]) -> list[str]:
    """Those of every answer."""
    dialects = [FORMS[form] for form in forms]
    limits = [name for dialect in dialects for name in dialect.limit_headers(_LIMITED, "general")]
    return list(dict.fromkeys([*(name for dialect in dialects for name in dialect.request_id_headers), *limits]))


def header_links(names: Sequence[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def either(schemas: Sequence[Any]) -> Json:
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}


def error_name(forms: Sequence[str], status: int) -> str:
    return ".".join((*forms, str(status)))


def error_response(forms: Sequence[str], status: int) -> Json:
    """What one status says in each of the APIs, with the codes that it may have there."""
    retried = ["Retry-After"] if status in (429, 503) else []
    codes = {form: _codes(FORMS[form], status) for form in forms}
    told = sorted({name for names in codes.values() for name in names})
    schemas = [_with_codes(form, names) for form, names in codes.items() if names]
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(told)}",
        "headers": header_links([*common_headers(forms), *retried]),
        "content": {"application/json": {"schema": either(schemas)}},
    }


def _with_codes(form: str, codes: Sequence[str]) -> Json:
    """Anthropic's form has its code by another name."""
    name = "type" if FORMS[form] is ANTHROPIC else "code"
    code = {"properties": {"error": {"properties": {name: {"enum": list(codes)}}}}}
    return {"allOf": [{"$ref": f"#/components/schemas/{form}.Error"}, code]}


def _codes(dialect: Dialect, status: int) -> list[str]:
    return sorted({code for its, code in dialect.codes.values() if its == status})


# --- credentials ------------------------------------------------------------------------------------------------


def security(access: Access, path: str) -> list[Json]:
    """The ways in which a caller may show who it is, any of which will do; none for what is public."""
    if access.kind == "public":
        return []
    if access.kind == "service":
        return [{"service": []}]
    in_query = ("token", "queryKey") if path.startswith("/v1/") else ()
    ways = [way for way in ("bearer", "apiKey", "cookie", *in_query) if not (way in _KEYS and access.kind in _NO_KEYS)]
    return [{way: [access.permission] if access.permission else []} for way in ways]


_KEYS: Final = frozenset({"apiKey", "queryKey"})
_NO_KEYS: Final = frozenset({"admin", "login"})
