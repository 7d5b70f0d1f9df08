"""What the rules look for, a small function each: the places where a description leaves an API open.

A finder is only about what a document can say: a Postman collection's saved answers are not all that an API answers, and a
page of prose says little about one endpoint.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hub.analyser.description import CHANGING_METHODS, Described, Endpoint
from hub.analyser.secrets import is_secret_name, without_credentials

_SPECIFICATIONS: Final = ("openapi3", "openapi31", "swagger2")
_LOCAL: Final = re.compile(r"localhost|.+\.localhost|127\.[\d.]+|::1|0\.0\.0\.0")
_PAGE_SIZES: Final = frozenset(
    ("limit", "perpage", "pagesize", "maxresults", "maxitems", "count", "size", "top", "first")
)
_BEFORE_SIGNING_IN: Final = frozenset(  # segments: all that stands below them is a part of it
    (
        *("auth", "sso", "saml", "oidc", "callback", "logout", "signout"),
        *("login", "signin", "register", "signup", "forgotpassword", "resetpassword", "verifyemail"),
        *("refresh", "token", "oauth", "authorize"),
        *("health", "healthz", "livez", "readyz", "ping"),
    )
)
_NAMED_MAX: Final = 5  # of a list in a message


@dataclass(frozen=True, slots=True)
class Found:
    """One place where a rule is broken: an endpoint, or the whole document. `detail` is put into the rule's sentence."""

    endpoint: Endpoint | None
    detail: str = ""


def plain_http_server(described: Described) -> Iterator[Found]:
    yield from (Found(None, without_credentials(each)) for each in described.servers if _is_plain(each))


def plain_http_sign_in(described: Described) -> Iterator[Found]:
    for scheme in described.schemes.values():
        yield from (Found(None, without_credentials(each)) for each in scheme.addresses if _is_plain(each))


def credentials_in_server(described: Described) -> Iterator[Found]:
    yield from (
        Found(None, without_credentials(each)) for each in described.servers if without_credentials(each) != each
    )


def credential_in_document(described: Described) -> Iterator[Found]:
    yield from (Found(None, each) for each in described.credentials)


def no_authentication(described: Described) -> Iterator[Found]:
    if described.endpoints and not described.schemes:
        yield Found(None)


def change_without_security(described: Described) -> Iterator[Found]:
    yield from (Found(each) for each in _open(described) if each.method in CHANGING_METHODS)


def endpoint_without_security(described: Described) -> Iterator[Found]:
    yield from (Found(each) for each in _open(described) if each.method not in CHANGING_METHODS)


def optional_security(described: Described) -> Iterator[Found]:
    yield from (Found(each) for each in described.endpoints if each.security and [] in each.security)


def unknown_scheme(described: Described) -> Iterator[Found]:
    for endpoint in described.endpoints:
        asked = dict.fromkeys(name for way in endpoint.security or () for name in way)
        if unknown := [name for name in asked if name not in described.schemes]:
            yield Found(endpoint, _listed(unknown))


def secret_in_query(described: Described) -> Iterator[Found]:
    yield from (Found(None, name) for name in described.secret_addresses)
    for endpoint in described.endpoints:
        names = [each.name for each in endpoint.parameters if each.place == "query" and is_secret_name(each.name)]
        if names:
            yield Found(endpoint, _listed(names))


def key_in_query(described: Described) -> Iterator[Found]:
    for scheme in described.schemes.values():
        if scheme.kind == "api_key" and scheme.place == "query":
            yield Found(None, scheme.name)


def basic_authentication(described: Described) -> Iterator[Found]:
    yield from (Found(None, each.name) for each in described.schemes.values() if each.kind == "basic")


def implicit_flow(described: Described) -> Iterator[Found]:
    yield from (Found(None, each.name) for each in described.schemes.values() if "implicit" in each.flows)


def password_flow(described: Described) -> Iterator[Found]:
    yield from (Found(None, each.name) for each in described.schemes.values() if "password" in each.flows)


def missing_401(described: Described) -> Iterator[Found]:
    if described.form == "markdown":
        yield from _unsaid(described, "401")
    for endpoint in described.endpoints if described.form in _SPECIFICATIONS else ():
        if endpoint.security and [] not in endpoint.security and _lacks(endpoint, "401"):
            yield Found(endpoint)


def missing_429(described: Described) -> Iterator[Found]:
    if described.form == "markdown":
        yield from _unsaid(described, "429")
    for endpoint in described.endpoints if described.form in _SPECIFICATIONS else ():
        if _lacks(endpoint, "429"):
            yield Found(endpoint)


def unbounded_array(described: Described) -> Iterator[Found]:
    yield from (Found(each, _listed(each.open_arrays)) for each in described.endpoints if each.open_arrays)


def unbounded_page(described: Described) -> Iterator[Found]:
    for endpoint in described.endpoints:
        names = [
            each.name
            for each in endpoint.parameters
            if each.has_maximum is False and _is_page_size(each.name, each.type)
        ]
        if names:
            yield Found(endpoint, _listed(names))


def missing_reference(described: Described) -> Iterator[Found]:
    yield from (Found(None, each) for each in described.missing_references)


def remote_reference(described: Described) -> Iterator[Found]:
    yield from (Found(None, each) for each in described.remote_references)


def _open(described: Described) -> Iterator[Endpoint]:
    """Endpoints that ask for nothing where others could: those by which one signs in cannot ask for it."""
    for endpoint in described.endpoints if described.schemes else ():
        parts = {re.sub(r"[^a-z]", "", part.lower()) for part in endpoint.path.split("/")}
        if endpoint.security == [] and not parts & _BEFORE_SIGNING_IN and not _is_signed(endpoint):
            yield endpoint


def _is_signed(endpoint: Endpoint) -> bool:
    """Whether its sender shows who they are by a signature of the body, as those of webhooks do."""
    headers = (each for each in endpoint.parameters if each.place == "header" and each.required)
    return any(each.name.lower().endswith("signature") for each in headers)


def _lacks(endpoint: Endpoint, status: str) -> bool:
    """A range or a default stands for each status that is not named."""
    return not {status, "default", "4XX", "4xx"} & endpoint.responses.keys()


def _unsaid(described: Described, status: str) -> Iterator[Found]:
    """Of a page as a whole: it tells of statuses in one place for all of its endpoints."""
    if status not in described.statuses and all(_lacks(each, status) for each in described.endpoints):
        yield Found(None)


def _is_plain(address: str) -> bool:
    """Without TLS, and not on the reader's own machine."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "ws") and not _LOCAL.fullmatch(parts.hostname or "")
    except ValueError:
        return address.startswith("http:")


def _is_page_size(name: str, kind: str) -> bool:
    return kind.startswith("integer") and re.sub(r"[^a-z]", "", name.lower()) in _PAGE_SIZES


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMED_MAX
    return ", ".join(names[:_NAMED_MAX]) + (f" and {more:,} more" if more > 0 else "")
