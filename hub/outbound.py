"""Addresses that somebody asks us to call: what can be refused by looking at them, before anything is asked of a network.

What a name stands for is looked at when it is called, each time: a name that is public today may be private tomorrow.
"""

import ipaddress
import socket
import unicodedata
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urlsplit

from config import limits
from hub.errors import HubError, invalid

_PORTS: Final = {"http": 80, "https": 443}
_INNER_NAMES: Final = ("localhost", "local", "internal", "home.arpa")
_LABEL_CHARS_MAX: Final = 63  # RFC 1035, 2.3.4
_LOCALHOST: Final = ("localhost", "127.0.0.1", "::1")
# What Python calls global and is not: ways to a private IPv4 address inside an IPv6 one, and what is no longer used.
_NOT_GLOBAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("::/96", "fec0::/10", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "192.88.99.0/24")
)


def check_url(url: str, allowed: Collection[str], localhost_too: bool, field: str = "url") -> str:
    """The address, if it may be called. `allowed` are `host:port` pairs that are let through whatever they are.

    Raises `HubError` INVALID.
    """
    parts, port = _parts(url, field)
    host = _host(parts)
    if _is_let_through(host, port, allowed, localhost_too):
        return url
    if port != _PORTS[parts.scheme]:
        raise invalid(field, "must have the port 80 (http) or 443 (https)")
    address = _address(host, field)
    if address is None and any(host == name or host.endswith(f".{name}") for name in _INNER_NAMES):
        raise _private(field)
    if address is None and "." not in host:
        raise _private(field)
    if address is None and not all(0 < len(label) <= _LABEL_CHARS_MAX for label in host.split(".")):
        raise invalid(field, "must have a host name that there can be")
    if address is not None and not is_public(address):
        raise _private(field)
    return url


def is_allowed(url: str, allowed: Collection[str], localhost_too: bool) -> bool:
    """Whether an address that passed `check_url` may be called whatever its host stands for."""
    parts, port = _parts(url, "url")
    return _is_let_through(_host(parts), port, allowed, localhost_too)


def _host(parts: SplitResult) -> str:
    return unicodedata.normalize("NFKC", parts.hostname or "").rstrip(".").casefold()


def _is_let_through(host: str, port: int, allowed: Collection[str], localhost_too: bool) -> bool:
    return f"{host}:{port}" in allowed or (localhost_too and host in _LOCALHOST)


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address belongs to the public internet."""
    inner = getattr(address, "ipv4_mapped", None) or address
    special = any(inner in network for network in _NOT_GLOBAL if network.version == inner.version)
    return bool(inner.is_global and not inner.is_multicast and not special)


def _parts(url: str, field: str) -> tuple[SplitResult, int]:
    if len(url) > limits.WEBHOOK_URL_CHARS_MAX or not url.isprintable() or any(char in url for char in ' \\"<>'):
        raise invalid(field, f"must be an address of at most {limits.WEBHOOK_URL_CHARS_MAX} printable characters")
    try:
        parts = urlsplit(url)
        port = _PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
    except ValueError:
        raise invalid(field, "must be an absolute http or https address") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.fragment:
        raise invalid(field, "must be an absolute http or https address without a fragment")
    if "@" in parts.netloc:
        raise invalid(field, "must not contain a user or password")
    return parts, port


def _address(host: str, field: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The host as an address, in all the ways that systems read one; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass  # a name, or one of the older ways to write an address
    last = host.rpartition(".")[2]
    if not (last.isdigit() or last.startswith("0x")):
        return None
    try:
        address = ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        raise invalid(field, "must have a host name or an address") from None
    if is_public(address):
        raise invalid(field, f"must have the address as {address}")
    return address


def _private(field: str) -> HubError:
    return invalid(field, "must be a public address")
