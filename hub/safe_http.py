"""SafeHttp: the one way to call an address that somebody else gave us (webhooks, browser push, documents).

    post(url) -> looked at (hub/outbound.py) -> connected, the address looked at once more -> status, a little of the answer
    get(url)  -> the same, of what may be read                                             -> the answer, to be read
    request(method, url) -> the same, of what may be read                                  -> the answer as a whole

A name that is public today may be private tomorrow: what it stands for is judged at each connection, at the socket itself,
which sees literal addresses and a resolver's answers alike. Redirects are not followed here, cookies not kept, answers not
unpacked, and of an answer no more is read than somebody may want to see.
"""

import asyncio
import errno
import ipaddress
import itertools
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from config import outgoing
from config.settings import Settings
from hub import outbound
from hub.errors import HubError

# How many workflows led to what is sent: for the hub itself, wherever that comes in again.
HOPS: Final = "X-Hub-Hops"
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NOT_PUBLIC: Final = "the address is not public"
_CLOSED: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
_HEADERS: Final = {"User-Agent": "SmartAIHub/1", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `text` is the beginning of the body; `retry_after` the header as it was sent."""

    status: int
    text: str
    retry_after: str | None
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back, headers by their names in small letters. Of a body beyond OUTBOUND_BODY_BYTES_MAX `body` is the
    beginning, and `is_cut`. `location` is where a redirect leads, as it says.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool
    location: str | None = None

    @property
    def is_redirect(self) -> bool:
        return self.status in REDIRECTS


class Unanswered(Exception):
    """Nothing came back in time, or nothing may be asked there; the message says why, for the address's owner."""

    def __init__(self, reason: str, duration_ms: int) -> None:
        super().__init__(reason)
        self.duration_ms = duration_ms


class PublicResolver(AbstractResolver):
    """Looks names up by `inner`, and knows only those whose every address is public.

    Not by the system's own `getaddrinfo`: that has few threads, which a name server that does not answer holds for long.
    """

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(_is_public(one["host"]) for one in found):
            raise OSError(errno.EACCES, _NOT_PUBLIC)
        return found

    async def close(self) -> None:
        await self._inner.close()


class SafeHttp:
    """One per process. Hosts that the settings allow are posted to as they are; all others only where they are public.

    What is read is shown to who gave the address: hosts for that are a setting of their own, which localhost is never in by
    itself. `resolver` looks names up, by the system's name servers where none is given.
    """

    def __init__(self, settings: Settings, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver
        self._allowed = settings.outbound_allow
        self._readable = settings.outbound_read
        self._localhost_too = not settings.production
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # by whether the settings allow the host
        self._alone: dict[bool, aiohttp.ClientSession] = {}  # the same, of connections that nobody kept

    async def open(self) -> None:
        resolver = self._resolver or aiohttp.AsyncResolver(timeout=outgoing.OUTBOUND_NAME_SECONDS_MAX, tries=1)
        self._sessions = _sessions(resolver)
        self._alone = _sessions(resolver, force_close=True)

    async def close(self) -> None:
        for session in (*self._sessions.values(), *self._alone.values()):
            await session.close()

    def check(self, url: str, field: str = "url") -> None:
        """Raises `HubError` INVALID for an address that is not ours to call."""
        outbound.check_url(url, self._allowed, self._localhost_too, field)

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send `body`; the answer, whatever its status. Raises `Unanswered`."""
        began = time.monotonic()
        try:
            self.check(url)
            try:
                return await self._post(url, headers, body, began)
            except aiohttp.ClientConnectorError:
                raise
            except _CLOSED:  # a kept connection may end as it is taken; that says nothing about who is asked
                return await self._post(url, headers, body, began)
        except TimeoutError as error:
            raise Unanswered(f"no answer within {outgoing.OUTBOUND_SECONDS_MAX:g} s", _milliseconds(began)) from error
        except (aiohttp.ClientError, OSError, HubError, ValueError) as error:
            raise Unanswered(reason(error), _milliseconds(began)) from error

    def check_readable(self, url: str, field: str = "url") -> None:
        """The same for an address whose answer is shown to who gave it.

        Raises `HubError` INVALID.
        """
        outbound.check_url(url, self._readable, False, field)

    @asynccontextmanager
    async def get(self, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer whose head has come; what of its body is read, and what a redirect means, is its reader's matter.

        Raises `HubError` INVALID, and what aiohttp does, for which `reason` has words; so does reading.
        """
        self.check_readable(url)
        session = self._sessions[outbound.is_allowed(url, self._readable, False)]
        async with session.get(url, allow_redirects=False) as response:
            yield response

    async def request(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, seconds: float
    ) -> Fetched:
        """Ask once, and give the answer, whatever its status, to who gave the address.

        By a connection of its own: a kept one may end as it is taken, and then nobody knows whether it was asked.

        Raises `HubError` INVALID for an address that is not ours to call so, and `Unanswered`.
        """
        self.check_readable(url)
        began = time.monotonic()
        try:
            return await self._request(method, url, headers, body, seconds)
        except TimeoutError as error:
            raise Unanswered(f"no answer within {seconds:g} s", _milliseconds(began)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unanswered(reason(error), _milliseconds(began)) from error

    async def _request(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, seconds: float
    ) -> Fetched:
        session = self._alone[outbound.is_allowed(url, self._readable, False)]
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=outgoing.OUTBOUND_CONNECT_SECONDS_MAX)
        asking = session.request(method, url, data=body, headers=headers, timeout=timeout, allow_redirects=False)
        async with asking as response:
            most, location = outgoing.OUTBOUND_BODY_BYTES_MAX, response.headers.get("Location")
            body = await _read(response, most + 1)  # one more tells that there is more
            return Fetched(
                response.status,
                _shown(response),
                body[:most],
                is_cut=len(body) > most,
                location=None if location is None else _text(location),
            )

    async def _post(self, url: str, headers: dict[str, str], body: bytes, began: float) -> Answer:
        session = self._sessions[outbound.is_allowed(url, self._allowed, self._localhost_too)]
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            text = await _beginning(response)
            return Answer(response.status, text, response.headers.get("Retry-After"), _milliseconds(began))


def _sessions(resolver: AbstractResolver, **options: Any) -> dict[bool, aiohttp.ClientSession]:
    """By whether the settings allow the host."""
    return {
        True: _session(_connector(aiohttp.ThreadedResolver(), **options)),
        False: _session(_connector(PublicResolver(resolver), socket_factory=_public_socket, **options)),
    }


def _connector(resolver: AbstractResolver, **options: Any) -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(
        limit=outgoing.OUTBOUND_CONNECTIONS_MAX,
        limit_per_host=outgoing.OUTBOUND_PER_HOST_MAX,
        use_dns_cache=False,
        resolver=resolver,
        **options,
    )


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    seconds = outgoing.OUTBOUND_SECONDS_MAX
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=outgoing.OUTBOUND_CONNECT_SECONDS_MAX),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=_HEADERS,
        auto_decompress=False,
    )


def _is_public(address: str) -> bool:
    return outbound.is_public(ipaddress.ip_address(address.partition("%")[0]))


def _public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for one of a name's addresses. Raises `OSError` for one that is not public."""
    family, kind, protocol, _, address = info
    if not _is_public(str(address[0])):
        raise OSError(errno.EACCES, _NOT_PUBLIC)
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


def _shown(response: aiohttp.ClientResponse) -> dict[str, str]:
    """So many of its headers as are shown."""
    first = itertools.islice(response.headers.items(), outgoing.OUTBOUND_HEADERS_MAX)
    return {_text(name.lower()): _text(value)[: outgoing.OUTBOUND_HEADER_CHARS_MAX] for name, value in first}


def _text(header: str) -> str:
    """aiohttp keeps bytes that are no UTF-8 as halves of surrogates, which nothing can store."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """So much of the body's text as is shown."""
    kept = await _kept(response)
    return kept.decode(errors="replace").replace("\0", "")[: outgoing.OUTBOUND_TEXT_CHARS_MAX]


async def _kept(response: aiohttp.ClientResponse) -> bytes:
    """So much of the body as is kept. The status has come: a body that never ends, or drips, takes nothing back."""
    kept = bytearray()
    try:
        async with asyncio.timeout(outgoing.OUTBOUND_BODY_SECONDS_MAX):
            await _read_into(kept, response, outgoing.OUTBOUND_BODY_BYTES_MAX)
    except (TimeoutError, aiohttp.ClientError):
        response.close()
    return bytes(kept)


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The whole body, or so much of a longer one. Raises what aiohttp does for one that is late, or ends too soon."""
    kept = bytearray()
    await _read_into(kept, response, most)
    return bytes(kept)


async def _read_into(kept: bytearray, response: aiohttp.ClientResponse, most: int) -> None:
    while len(kept) < most and (piece := await response.content.read(most - len(kept))):
        kept += piece
    if len(kept) == most:
        response.close()


def reason(error: Exception) -> str:
    """For the address's owner: what failed, without what of our network it failed at."""
    if isinstance(error, HubError):
        return "the address may not be called"
    if _NOT_PUBLIC in str(error):
        return _NOT_PUBLIC
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "its certificate is not valid"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {os.strerror(error.errno) if error.errno else 'no address of it answers'}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the connection ended before the answer did"
    return f"the connection ended without an answer ({type(error).__name__})"


def _milliseconds(began: float) -> int:
    return round((time.monotonic() - began) * 1_000)
