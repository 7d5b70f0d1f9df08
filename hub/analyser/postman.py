"""Postman collections, v2.0 and v2.1 (https://schema.postman.com/): requests and saved answers to what they describe.

A collection holds requests rather than endpoints: those with the same method and path are told as one. Its folders are the
tags. A request without a way to sign in has that of its folder, or of the collection.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from config import assistant as bounds
from hub.analyser.description import Body, Content, Described, Endpoint, Json, Parameter, Response, Scheme
from hub.analyser.failures import Unreadable
from hub.analyser.merging import Endpoints
from hub.analyser.postman_address import Address, address_of, entries, pairs, text_in
from hub.analyser.secrets import is_placeholder, is_secret_name
from hub.analyser.taking import Taking

_KINDS: Final = {"apikey": "api_key", "awsv4": "aws_v4", "jwt": "bearer"}
_LANGUAGES: Final = {"json": "application/json", "xml": "application/xml", "html": "text/html", "text": "text/plain"}
_METHOD: Final = re.compile(r"[A-Za-z]{1,20}")
_BY_AUTHORIZATION: Final = re.compile(r"\s*(bearer|basic|digest|oauth)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A request of the collection: its own name, its folder's, and the way to sign in that it comes by."""

    item: Json
    folder: str
    auth: Any


class _Collection:
    """One collection that is being read."""

    def __init__(self, document: Json, taking: Taking) -> None:
        self.document = document
        self.taking = taking
        self.variables = dict(pairs(document.get("variable")))
        self.servers: dict[str, None] = {}
        self.schemes: dict[str, Scheme] = {}
        self.credentials: dict[str, None] = {}


def describe(document: Json, taking: Taking) -> Described:
    """All that the collection says. Raises `Unreadable`."""
    wrapped = document.get("collection")
    collection = _Collection(wrapped if isinstance(wrapped, dict) else document, taking)
    items = collection.document.get("item")
    if not isinstance(items, list):
        raise Unreadable("item is missing, or not an array: this is no Postman collection of v2")
    info = taking.object(collection.document.get("info"), "info")
    endpoints = Endpoints(taking)
    for sent in _requests(collection, items):
        endpoints.add(_endpoint(collection, sent))
    version = info.get("version")
    return Described(
        "postman",
        specification=taking.name(str(info.get("schema", "")).rsplit("/json/", 1)[-1]),
        title=taking.summary(info.get("name")),
        version=taking.name(version if isinstance(version, str) else ""),
        servers=taking.first(collection.servers, bounds.ANALYSIS_NAMES_MAX, "servers"),
        schemes=collection.schemes,
        endpoints=endpoints.found,
        endpoints_total=endpoints.total,
        credentials=taking.first(collection.credentials, bounds.ANALYSIS_NOTICES_MAX, "credentials"),
    )


def _requests(collection: _Collection, items: list[Any]) -> Iterator[_Sent]:
    """The requests of all folders in their order. Folders stand no deeper than a document may be."""
    waiting = [(item, "", collection.document.get("auth")) for item in reversed(items)]
    while waiting:
        item, folder, inherited = waiting.pop()
        about = collection.taking.object(item, "an item")
        auth = about["auth"] if isinstance(about.get("auth"), dict) else inherited
        if isinstance(about.get("item"), list):
            name = collection.taking.name(about.get("name"))
            waiting += [(inner, name, auth) for inner in reversed(about["item"])]
        elif "request" in about:
            yield _Sent(about, folder, auth)


def _endpoint(collection: _Collection, sent: _Sent) -> Endpoint:
    taking, given = collection.taking, sent.item["request"]
    request: Json = {"url": given} if isinstance(given, str) else taking.object(given, "a request")
    address = address_of(request.get("url"), collection.variables)
    collection.servers |= dict.fromkeys(filter(None, [taking.name(address.server)]))
    endpoint = Endpoint(
        path=taking.name(address.path),
        method=_method(collection, request.get("method")),
        summary=taking.summary(sent.item.get("name")),
        description=taking.description(text_in(request.get("description"))),
        tags=[sent.folder] if sent.folder else [],
    )
    endpoint.parameters = _parameters(collection, address, request)
    endpoint.request_body = _body(collection, request)
    endpoint.security = _security(collection, request, sent.auth, endpoint)
    endpoint.responses = _responses(collection, sent.item.get("response"))
    return endpoint


def _method(collection: _Collection, method: Any) -> str:
    """GET where it is not said, as Postman has it."""
    if isinstance(method, str) and _METHOD.fullmatch(method):
        return method.upper()
    if method is not None:
        collection.taking.malformed("a request's method is no word")
    return "GET"


def _parameters(collection: _Collection, address: Address, request: Json) -> list[Parameter]:
    path = [_parameter(collection, "path", name, about) for name, about in address.variables.items()]
    query = [_parameter(collection, "query", name, about) for name, about in address.query.items()]
    headers = [
        _parameter(collection, "header", name, about)
        for name, about in entries(request.get("header")).items()
        if name.lower() not in ("content-type", "accept", "authorization")
    ]
    body = collection.taking.object(request.get("body"), "a request's body")
    form = [
        _parameter(collection, "form", name, about)
        for mode in ("urlencoded", "formdata")
        if body.get("mode") == mode
        for name, about in entries(body.get(mode)).items()
    ]
    return collection.taking.rows([*path, *query, *headers, *form], bounds.ANALYSIS_PARAMETERS_MAX, "parameters")


def _parameter(collection: _Collection, place: str, name: str, about: Json) -> Parameter:
    taking = collection.taking
    value = about.get("value")
    shown = "" if is_secret_name(name) and isinstance(value, str) and not is_placeholder(value) else value
    return Parameter(
        name=taking.name(name),
        place=place,
        type=taking.name(about.get("type")) or "string",
        required=place == "path",
        description=taking.description(text_in(about.get("description"))),
        example=taking.example(shown),
    )


def _body(collection: _Collection, request: Json) -> Body | None:
    body = collection.taking.object(request.get("body"), "a request's body")
    mode = body.get("mode")
    if not isinstance(mode, str) or not body.get(mode):
        return None
    if mode == "raw":
        content = Content(
            _media_type(request.get("header"), _language(body)), "", collection.taking.example(body["raw"])
        )
    elif mode == "graphql":
        content = Content("application/json", "GraphQL", collection.taking.example(body["graphql"]))
    else:
        kinds = {"urlencoded": "application/x-www-form-urlencoded", "formdata": "multipart/form-data"}
        content = Content(kinds.get(mode, "application/octet-stream"), "form" if mode in kinds else "file")
    return Body(False, collection.taking.rows([content], 1, "bodies"))


def _language(body: Json) -> Any:
    options = body.get("options")
    raw = options.get("raw") if isinstance(options, dict) else None
    return raw.get("language") if isinstance(raw, dict) else None


def _media_type(headers: Any, language: Any) -> str:
    for name, value in pairs(headers):
        if name.lower() == "content-type":
            return value.split(";")[0].strip()[:100]
    return _LANGUAGES.get(language, "text/plain") if isinstance(language, str) else "text/plain"


def _security(collection: _Collection, request: Json, inherited: Any, endpoint: Endpoint) -> list[list[str]]:
    """What the request signs in by: its own way, else one in its headers, else what it inherits."""
    own = request.get("auth")
    by_header = [way for name, value in pairs(request.get("header")) if (way := _by_header(name, value))]
    auth = own if isinstance(own, dict) else ({} if by_header else inherited)
    kind = auth.get("type") if isinstance(auth, dict) else None
    kinds = by_header if not isinstance(kind, str) or kind == "noauth" else [_KINDS.get(kind, kind)]
    names = [collection.taking.name(each) for each in kinds]
    for name in names:
        if len(collection.schemes) < bounds.ANALYSIS_NAMES_MAX:
            collection.schemes.setdefault(name, _scheme(name, auth))
    _look_for_credentials(collection, auth, endpoint)
    return [names] if names else []


def _by_header(name: str, value: str) -> str:
    if name.lower() == "authorization" and (found := _BY_AUTHORIZATION.match(value)):
        return "oauth1" if found[1].lower() == "oauth" else found[1].lower()
    return "api_key" if name.lower() in ("x-api-key", "api-key", "apikey", "authorization") else ""


def _scheme(name: str, auth: Any) -> Scheme:
    settings = dict(_settings(auth))
    made = Scheme(name, name)
    made.place = "query" if settings.get("in") == "query" else "header"
    made.key = settings.get("key", "")[: bounds.ANALYSIS_NAME_CHARS_MAX] if name == "api_key" else ""
    return made


def _settings(auth: Any) -> Iterator[tuple[str, str]]:
    """What stands below the name of the way to sign in."""
    kind = auth.get("type") if isinstance(auth, dict) else None
    return pairs(auth.get(kind)) if isinstance(kind, str) else iter(())


def _look_for_credentials(collection: _Collection, auth: Any, endpoint: Endpoint) -> None:
    """Told of, never shown: a collection that is passed on passes its passwords on."""
    kind = auth.get("type") if isinstance(auth, dict) else None
    for name, value in _settings(auth):
        secret = is_secret_name(name) or (kind == "apikey" and name == "value")
        if secret and not is_placeholder(value):
            collection.credentials[f"{endpoint.method} {endpoint.path}: its {kind} {name} is written out"] = None


def _responses(collection: _Collection, given: Any) -> dict[str, Response]:
    """The saved answers, the first of each status."""
    found: dict[str, Response] = {}
    taking = collection.taking
    for each in taking.rows(taking.array(given, "a request's answers"), bounds.ANALYSIS_RESPONSES_MAX, "responses"):
        about = taking.object(each, "a saved answer")
        code: Any = about.get("code")
        if not isinstance(code, int) or not 100 <= code <= 599 or str(code) in found:
            continue
        media = _media_type(about.get("header"), about.get("_postman_previewlanguage"))
        body = about.get("body")
        content = [Content(media, "", taking.example(body))] if isinstance(body, str) and body else []
        found[str(code)] = Response(taking.summary(about.get("name")), taking.rows(content, 1, "bodies"))
    return found
