"""Swagger 2.0 (https://swagger.io/specification/v2/): a document to what it describes.

host, basePath, schemes --> servers        in: body, formData, with consumes --> request body
definitions --> schemas                    schema, examples, with produces --> responses
"""

from collections.abc import Iterator
from typing import Any, Final

from config import assistant as bounds
from hub.analyser.description import Body, Content, Described, Endpoint, Json, Parameter, Scheme
from hub.analyser.failures import Unreadable
from hub.analyser.openapi import has_maximum
from hub.analyser.paths import (
    Operation,
    Source,
    add_schemas,
    answers_of,
    close,
    describe_info,
    endpoint_of,
    kept,
    parameters_of,
)

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_FLOWS: Final = {"implicit": "implicit", "password": "password", "application": "clientCredentials"}


def describe(source: Source, form: str) -> Described:
    """All that the document says. Raises `Unreadable`."""
    document = source.document
    if "paths" not in document:
        raise Unreadable("paths is missing")
    described = Described(form, specification=source.taking.name(document.get("swagger")))
    describe_info(source, described)
    described.servers = _servers(source)
    described.schemes = _schemes(source)
    described.endpoints = [_endpoint(source, operation) for operation in kept(source, described)]
    add_schemas(source, described, document.get("definitions"), "definitions")
    close(source, described)
    return described


def _servers(source: Source) -> list[str]:
    """None where the document leaves open where it is served: it is then where the document was found."""
    host = source.taking.name(source.document.get("host"))
    base = source.taking.name(source.document.get("basePath"))
    schemes = _texts(source, source.document.get("schemes"), "schemes") or ["https"]
    return [f"{scheme}://{host}{base}" for scheme in schemes] if host else []


def _schemes(source: Source) -> dict[str, Scheme]:
    given = source.object(source.document.get("securityDefinitions"), "securityDefinitions")
    names = source.taking.first(given, bounds.ANALYSIS_NAMES_MAX, "ways to sign in")
    return {source.taking.name(name): _scheme(source, name, given[name]) for name in names}


def _scheme(source: Source, name: str, given: Any) -> Scheme:
    about = source.object(given, f"securityDefinitions.{name}")
    kinds = {"basic": "basic", "apiKey": "api_key", "oauth2": "oauth2"}
    kind, flow = about.get("type"), about.get("flow")
    made = Scheme(source.taking.name(name), kinds.get(kind, "unknown") if isinstance(kind, str) else "unknown")
    made.place = source.taking.name(about.get("in"))
    made.key = source.taking.name(about.get("name"))
    if isinstance(flow, str):
        made.flows = [_FLOWS.get(flow, "authorizationCode")]
    made.addresses = [source.taking.name(about[key]) for key in ("authorizationUrl", "tokenUrl") if key in about]
    return made


def _endpoint(source: Source, operation: Operation) -> Endpoint:
    endpoint = endpoint_of(source, operation)
    form: list[Json] = []
    for about in parameters_of(source, operation):
        if about["in"] == "body":
            _add_body(source, operation, endpoint, about)
            continue
        form += [about] if about["in"] == "formData" else []
        endpoint.parameters.append(_parameter(source, about))
        endpoint.open_arrays += source.schemas.open_arrays(about, endpoint.parameters[-1].name)
    if form and endpoint.request_body is None:
        _add_form(source, operation, endpoint, form)
    for status, about, response in answers_of(source, operation):
        response.content = list(_answer(source, operation, about))
        endpoint.responses[status] = response
    return endpoint


def _parameter(source: Source, about: Json) -> Parameter:
    taking, place = source.taking, "form" if about["in"] == "formData" else about["in"]
    example = next((about[key] for key in ("x-example", "default") if about.get(key) is not None), None)
    return Parameter(
        name=taking.name(about["name"]),
        place=taking.name(place),
        type=source.schemas.type_of(about),
        required=about.get("required") is True or place == "path",
        description=taking.description(about.get("description")),
        example=taking.example(example),
        has_maximum=has_maximum(about),
    )


def _add_body(source: Source, operation: Operation, endpoint: Endpoint, about: Json) -> None:
    schema = about.get("schema")
    example = _example_of(source, schema)
    kind = source.schemas.type_of(schema)
    media = _media_types(source, operation, "consumes") or [_JSON]
    content = [Content(name, kind, example) for name in source.taking.rows(media, len(media), "bodies")]
    endpoint.request_body = Body(about.get("required") is True, content)
    endpoint.open_arrays += source.schemas.open_arrays(schema, "body")


def _add_form(source: Source, operation: Operation, endpoint: Endpoint, fields: list[Json]) -> None:
    media = _media_types(source, operation, "consumes") or [_FORM]
    required = any(field.get("required") is True for field in fields)
    content = [Content(name, "form") for name in source.taking.rows(media, len(media), "bodies")]
    endpoint.request_body = Body(required, content)


def _answer(source: Source, operation: Operation, about: Json) -> Iterator[Content]:
    schema = about.get("schema")
    examples = source.object(about.get("examples"), f"{operation.where} examples")
    if schema is None and not examples:
        return
    media = list(dict.fromkeys([*_media_types(source, operation, "produces"), *examples])) or [_JSON]
    kind, of_schema = source.schemas.type_of(schema), _example_of(source, schema)
    for name in source.taking.rows(media, bounds.ANALYSIS_MEDIA_TYPES_MAX, "bodies"):
        example = source.taking.example(examples[name]) if name in examples else of_schema
        yield Content(source.taking.name(name), kind, example)


def _example_of(source: Source, schema: Any) -> str:
    resolved = source.references.resolve(schema)
    return source.taking.example(resolved.get("example")) if isinstance(resolved, dict) else ""


def _media_types(source: Source, operation: Operation, key: str) -> list[str]:
    return _texts(source, operation.about.get(key, source.document.get(key)), f"{operation.where} {key}")


def _texts(source: Source, value: Any, where: str) -> list[str]:
    names = map(source.taking.name, source.array(value, where))
    return source.taking.first(filter(None, names), bounds.ANALYSIS_MEDIA_TYPES_MAX, "media types")
