"""What a request says about who sends it: the credential, where from, and whether a page may use our cookie there.

Shared by REST and the WebSocket upgrade. Nothing here decides who someone is: that is `hub/identity.py`'s.
"""

from collections.abc import Collection, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import parse_qs

from tornado.httputil import HTTPServerRequest

from config import limits
from config.settings import Network
from hub.errors import Code, HubError
from hub.identity_cache import Credential

COOKIE: Final = "auth_token"
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_MARKS_OF_PROXIES: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Via")
_COOKIE_BODIES: Final = frozenset({"application/json", "multipart/form-data"})


def credential_of(request: HTTPServerRequest, *, in_query: bool = False) -> Credential | None:
    """The credential of a request; a header counts before the cookie. `in_query`: `?token=` and `?api_key=` too."""
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, value = header.partition(" ")
        return Credential("bearer", value.strip() if scheme.lower() == "bearer" else "")
    key = request.headers.get("X-API-Key")
    if key is not None:
        return Credential("bearer", key)
    if in_query and request.query and (given := _in_query(request.query)):
        return Credential("bearer", given)
    cookie = request.cookies.get(COOKIE) if "Cookie" in request.headers else None
    return Credential("cookie", cookie.value) if cookie is not None and cookie.value else None


def _in_query(query: str) -> str | None:
    if len(query) > limits.QUERY_CHARS_MAX:
        return None
    fields = parse_qs(query)
    return next((fields[name][0] for name in ("token", "api_key") if name in fields), None)


def check_cookie_origin(request: HTTPServerRequest, allowed_origins: Collection[str]) -> None:
    """For requests whose credential is the cookie: refuse what another site's page made the browser send.

    Without `Origin` and `Sec-Fetch-Site` it was no browser of today; then a body that no form can send is asked for.
    Raises `HubError` FORBIDDEN.
    """
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if site == "cross-site" or (origin is not None and origin not in allowed_origins):
        raise _other_origin()
    if origin is not None or request.method in _SAFE_METHODS:
        return
    if site == "same-site" or (site is None and not _no_form_sends(request)):
        raise _other_origin()


def check_upgrade_origin(request: HTTPServerRequest, allowed_origins: Collection[str]) -> None:
    """For a WebSocket upgrade with the cookie: an allowed `Origin` must be there. Raises `HubError` FORBIDDEN."""
    if request.headers.get("Origin") not in allowed_origins:
        raise _other_origin()


def _no_form_sends(request: HTTPServerRequest) -> bool:
    """A request without any body is what the documents show for some actions; a form's has a content type."""
    content_type = request.headers.get("Content-Type")
    return not request.body if content_type is None else media_type(content_type) in _COOKIE_BODIES


def _other_origin() -> HubError:
    return HubError(Code.FORBIDDEN, "This origin may not use the cookie")


def media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def address_of(request: HTTPServerRequest, trusted: Sequence[Network]) -> str:
    """Where a request comes from: the socket's peer, or who a trusted proxy says that it serves.

    Anybody can write `X-Forwarded-For`, and each proxy appends whom it saw: so it is read from its end, up to the first hop
    that is no proxy of ours. What cannot be read is not believed, nor anything before it.
    """
    peer = str(request.remote_ip or "")
    if not _is_trusted(request, trusted):
        return peer
    address = peer
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        if (ip := _ip(hop)) is None:
            break
        address = str(ip)
        if not _within(ip, trusted):
            break
    return address


def is_https(request: HTTPServerRequest, trusted: Sequence[Network]) -> bool:
    """Whether the browser's side of the way is TLS: our own socket's, or as a trusted proxy says."""
    if _is_trusted(request, trusted) and "X-Forwarded-Proto" in request.headers:
        return request.headers["X-Forwarded-Proto"].rpartition(",")[2].strip().lower() == "https"
    return request.protocol == "https"


def is_on_this_machine(request: HTTPServerRequest) -> bool:
    """Whether a program beside us asks, and no proxy that runs there and passes on what a stranger asks."""
    ip = _ip(str(request.remote_ip or ""))
    return ip is not None and ip.is_loopback and not any(name in request.headers for name in _MARKS_OF_PROXIES)


def _is_trusted(request: HTTPServerRequest, trusted: Sequence[Network]) -> bool:
    if not trusted:
        return False
    ip = _ip(str(request.remote_ip or ""))
    return ip is not None and _within(ip, trusted)


def _within(ip: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(ip in network for network in networks)


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without a port; one of IPv4 that comes in the form of IPv6 is one of IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        ip = ip_address(text)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip
