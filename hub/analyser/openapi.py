"""OpenAPI 3.0 and 3.1 (https://spec.openapis.org/oas/): a document to what it describes.

What 3.1 changed in schemas both readings allow for: types in lists, schemas that are only true or false, `examples`.
"""

from collections.abc import Iterator
from typing import Any, Final

from config import assistant as bounds
from hub.analyser.description import Body, Content, Described, Endpoint, Json, Parameter, Scheme
from hub.analyser.failures import Unreadable
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

_FLOW_ADDRESSES: Final = ("authorizationUrl", "tokenUrl", "refreshUrl", "deviceAuthorizationUrl")
_KINDS: Final = {"oauth2": "oauth2", "openIdConnect": "openid_connect", "mutualTLS": "mutual_tls"}
_MEANING: Final = ("paths", "webhooks", "components")


def describe(source: Source, form: str) -> Described:
    """All that the document says. Raises `Unreadable`."""
    document, taking = source.document, source.taking
    described = Described(form, specification=taking.name(document.get("openapi")))
    if not any(key in document for key in _MEANING):
        raise Unreadable("The document has neither paths, webhooks nor components")
    describe_info(source, described)
    described.servers = _servers(source)
    components = source.object(document.get("components"), "components")
    described.schemes = _schemes(source, components)
    described.endpoints = [_endpoint(source, operation) for operation in kept(source, described)]
    add_schemas(source, described, components.get("schemas"), "components.schemas")
    if webhooks := source.object(document.get("webhooks"), "webhooks"):
        taking.notice("webhooks", f"{len(webhooks):,} webhooks are described, which are no endpoints of this API")
    close(source, described)
    return described


def _servers(source: Source) -> list[str]:
    """Their addresses; a variable in one has its default."""
    given = source.array(source.document.get("servers"), "servers")
    servers = source.taking.first(given, bounds.ANALYSIS_NAMES_MAX, "servers")
    found = [_address(source, source.object(server, "servers")) for server in servers]
    return [address for address in found if address]


def _address(source: Source, server: Json) -> str:
    url = server.get("url")
    address = url[: bounds.ANALYSIS_NAME_CHARS_MAX] if isinstance(url, str) else ""
    for name, variable in source.object(server.get("variables"), "servers variables").items():
        default = variable.get("default") if isinstance(variable, dict) else None
        if isinstance(default, str):
            address = address.replace("{" + name + "}", default)[: bounds.ANALYSIS_NAME_CHARS_MAX]
    return source.taking.name(address)


def _schemes(source: Source, components: Json) -> dict[str, Scheme]:
    given = source.object(components.get("securitySchemes"), "components.securitySchemes")
    names = source.taking.first(given, bounds.ANALYSIS_NAMES_MAX, "ways to sign in")
    return {source.taking.name(name): _scheme(source, name, given[name]) for name in names}


def _scheme(source: Source, name: str, given: Any) -> Scheme:
    about = source.object(given, f"components.securitySchemes.{name}")
    made = Scheme(source.taking.name(name), _kind(source, about))
    made.place = source.taking.name(about.get("in"))
    made.key = source.taking.name(about.get("name"))
    flows = source.object(about.get("flows"), f"{name} flows")
    for flow, addresses in list(flows.items())[: bounds.ANALYSIS_NAMES_MAX]:
        made.flows.append(source.taking.name(flow))
        of_flow = source.object(addresses, f"{name} {flow}")
        made.addresses += [source.taking.name(of_flow[key]) for key in _FLOW_ADDRESSES if key in of_flow]
    if "openIdConnectUrl" in about:
        made.addresses.append(source.taking.name(about["openIdConnectUrl"]))
    return made


def _kind(source: Source, about: Json) -> str:
    kind = about.get("type")
    if kind == "http":
        return source.taking.name(about.get("scheme")).lower() or "http"
    if kind == "apiKey":
        return "cookie" if about.get("in") == "cookie" else "api_key"
    return _KINDS.get(kind, "unknown") if isinstance(kind, str) else "unknown"


def _endpoint(source: Source, operation: Operation) -> Endpoint:
    endpoint = endpoint_of(source, operation)
    for about in parameters_of(source, operation):
        schema = about.get("schema")
        if schema is None:
            schema = next((each.get("schema") for each in _media(source, about, operation.where).values()), None)
        endpoint.parameters.append(_parameter(source, about, schema))
        endpoint.open_arrays += source.schemas.open_arrays(schema, endpoint.parameters[-1].name)
    if "requestBody" in operation.about:
        _add_body(source, operation, endpoint)
    for status, about, response in answers_of(source, operation):
        response.content = list(_contents(source, about, f"{operation.where} {status}"))
        endpoint.responses[status] = response
    return endpoint


def _parameter(source: Source, about: Json, schema: Any) -> Parameter:
    taking, place = source.taking, about["in"]
    resolved = source.references.resolve(schema)
    known: Json = resolved if isinstance(resolved, dict) else {}
    given = [_example(source, about), known.get("example"), known.get("default")]
    return Parameter(
        name=taking.name(about["name"]),
        place=taking.name(place),
        type=source.schemas.type_of(schema),
        required=about.get("required") is True or place == "path",
        description=taking.description(about.get("description")),
        example=taking.example(next((each for each in given if each is not None), None)),
        has_maximum=has_maximum(known),
    )


def has_maximum(schema: Json) -> bool:
    """Whether a number of this schema has an end."""
    return any(schema.get(key) is not None for key in ("maximum", "exclusiveMaximum", "enum", "const"))


def _add_body(source: Source, operation: Operation, endpoint: Endpoint) -> None:
    about = source.object(operation.about["requestBody"], f"{operation.where} requestBody")
    content = list(_contents(source, about, f"{operation.where} requestBody"))
    endpoint.request_body = Body(about.get("required") is True, content)
    media_types = _media(source, about, f"{operation.where} requestBody").values()
    for media in list(media_types)[: bounds.ANALYSIS_MEDIA_TYPES_MAX]:
        found = source.schemas.open_arrays(media.get("schema"), "body")
        endpoint.open_arrays += [each for each in found if each not in endpoint.open_arrays]


def _media(source: Source, about: Json, where: str) -> dict[str, Json]:
    given = source.object(about.get("content"), f"{where} content")
    return {name: source.object(each, f"{where} {name}") for name, each in given.items()}


def _contents(source: Source, about: Json, where: str) -> Iterator[Content]:
    media = _media(source, about, where)
    for name in source.taking.rows(media, bounds.ANALYSIS_MEDIA_TYPES_MAX, "bodies"):
        example = _example(source, media[name])
        if example is None:
            schema = source.references.resolve(media[name].get("schema"))
            example = schema.get("example") if isinstance(schema, dict) else None
        kind = source.schemas.type_of(media[name].get("schema"))
        yield Content(source.taking.name(name), kind, source.taking.example(example))


def _example(source: Source, about: Json) -> Any:
    """Its one example, or the first of several; the value alone, without what is said about it."""
    if "example" in about:
        return about["example"]
    examples = about.get("examples")
    if isinstance(examples, dict) and examples:
        first = source.references.resolve(next(iter(examples.values())))
        return first.get("value") if isinstance(first, dict) else None
    return examples[0] if isinstance(examples, list) and examples else None
