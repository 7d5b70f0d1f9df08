"""All I/O with AI providers: one client session, its time-outs, its bounds, and when a call is sent again.

It knows no provider's wire form; a converter gives the request and reads what comes back. A call is sent again only while
nothing of its answer was relayed, which `http_provider.py` sees to.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import aiohttp
import structlog
from multidict import CIMultiDictProxy

from config import limits
from hub.providers.base import Converter, HttpRequest, ProviderError, temporary_status
from hub.retry_after import at_least_zero, retry_after_seconds

log = structlog.get_logger(__name__)

# What a session raises when the network or the other side fails; TimeoutError is aiohttp's as well as asyncio's.
FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError)

_WRONG_REQUEST: Final = frozenset({400, 404, 413, 422})


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the transport waits, and how often it tries; handed in so that tests need not wait."""

    connect_seconds: float = limits.PROVIDER_CONNECT_SECONDS
    pool_seconds: float = limits.PROVIDER_POOL_SECONDS
    idle_seconds: float = limits.PROVIDER_IDLE_SECONDS  # between two reads of a stream
    answer_seconds: float = limits.GENERATION_SECONDS_MAX  # for a whole answer, silent until it is ready
    drain_seconds: float = limits.PROVIDER_DRAIN_SECONDS
    tries: int = limits.PROVIDER_TRIES
    backoff_seconds: float = limits.PROVIDER_BACKOFF_SECONDS
    retry_after_seconds_max: float = limits.PROVIDER_RETRY_AFTER_SECONDS_MAX


class Transport:
    """One per process: connections are shared by all providers and bounded together."""

    def __init__(
        self, session: aiohttp.ClientSession, patience: Patience, jitter: Callable[[], float] = random.random
    ) -> None:
        self.patience = patience
        self._session = session
        self._jitter = jitter
        connect_seconds = patience.pool_seconds + patience.connect_seconds
        self._stream_timeout = aiohttp.ClientTimeout(
            total=None,
            connect=connect_seconds,
            sock_connect=patience.connect_seconds,
            sock_read=patience.idle_seconds,
        )
        self._answer_timeout = aiohttp.ClientTimeout(
            total=patience.answer_seconds, connect=connect_seconds, sock_connect=patience.connect_seconds
        )

    @classmethod
    async def open(cls, patience: Patience | None = None) -> Self:
        """Must run in the loop that will use it. Cookies are not kept: they would join one user's calls to another's."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limits.PROVIDER_CONNECTIONS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "smart-ai-hub", "Accept-Encoding": "identity"},  # packed deltas wait for each other
            trust_env=False,
        )
        return cls(session, patience or Patience())

    async def close(self) -> None:
        await self._session.close()

    @asynccontextmanager
    async def post(
        self, request: HttpRequest, converter: Converter, *, stream: bool
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Send once and give the body of a 2xx answer; leaving the block before its end closes the connection at once.

        Raises `ProviderError` for every other status and for every failure of the network, in the block too.
        """
        timeout = self._stream_timeout if stream else self._answer_timeout
        response = None
        try:
            response = await self._session.post(
                request.url, data=request.body, headers=request.headers, timeout=timeout, allow_redirects=False
            )
            if not 200 <= response.status < 300:
                raise await _refusal(response, converter)
            yield response.content
        except FAILURES as error:
            raise self._failure(error, converter.label, stream=stream) from error
        finally:
            if response is not None:
                response.close()

    async def pause(self, error: ProviderError, tries: int) -> bool:
        """Whether to send again after `tries` failed ones; if so, waits as long as the provider asks or our back-off."""
        patience = self.patience
        if not error.temporary or tries >= patience.tries:
            return False
        seconds = error.retry_after_seconds
        if seconds is None:
            seconds = patience.backoff_seconds * 2 ** (tries - 1) * (0.5 + self._jitter())
        elif seconds > patience.retry_after_seconds_max:
            return False  # the caller is told the figure instead of being kept waiting
        log.warning("A provider's call is sent again", reason=error.message, status=error.status, tries=tries)
        await asyncio.sleep(seconds)
        return True

    def _failure(self, error: Exception, label: str, *, stream: bool) -> ProviderError:
        """A silent provider is not asked again: the caller waited long enough, and it may still be at work."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return ProviderError(f"{label} could not be reached in time", temporary=True)
        if isinstance(error, TimeoutError):
            seconds = self.patience.idle_seconds if stream else self.patience.answer_seconds
            return ProviderError(f"{label} sent nothing for {seconds:g} seconds")
        if isinstance(error, aiohttp.ClientConnectorError):
            return ProviderError(f"{label} could not be reached", temporary=True)
        return ProviderError(f"The connection to {label} was lost", temporary=True)


async def read_all(content: aiohttp.StreamReader, label: str, bytes_max: int = limits.PROVIDER_BODY_BYTES_MAX) -> bytes:
    """A whole body of at most `bytes_max`; raises `ProviderError` beyond it."""
    body = bytearray()
    while data := await content.readany():
        body += data
        check_size(len(body), label, bytes_max)
    return bytes(body)


def check_size(received_bytes: int, label: str, bytes_max: int = limits.PROVIDER_BODY_BYTES_MAX) -> None:
    if received_bytes > bytes_max:
        raise ProviderError(f"{label} sent more than {bytes_max >> 20} MiB")


async def _refusal(response: aiohttp.ClientResponse, converter: Converter) -> ProviderError:
    status = response.status
    message = converter.parse_error(status, await _error_body(response.content))
    if status in (401, 403):
        log.error("A provider refused the hub's credentials", provider=converter.name, status=status)
    return ProviderError(
        message,
        status=status,
        retry_after_seconds=_retry_after_seconds(response.headers),
        request_is_wrong=status in _WRONG_REQUEST,
        temporary=_should_retry(response.headers, status),
    )


async def _error_body(content: aiohttp.StreamReader) -> bytes:
    """As much as tells the reason; the status alone must do when it cannot be read."""
    body = bytearray()
    try:
        while len(body) < limits.PROVIDER_ERROR_BODY_BYTES_MAX and (data := await content.readany()):
            body += data
    except FAILURES:
        pass  # the status is known, and says more than the loss of its explanation
    return bytes(body[: limits.PROVIDER_ERROR_BODY_BYTES_MAX])


def _should_retry(headers: CIMultiDictProxy[str], status: int) -> bool:
    """Both companies' own clients obey `x-should-retry` before the status."""
    wish = headers.get("x-should-retry")
    return wish == "true" if wish in ("true", "false") else temporary_status(status)


def _retry_after_seconds(headers: CIMultiDictProxy[str]) -> float | None:
    """`retry-after-ms`, else `retry-after` in seconds or as a date; None where absent or unreadable."""
    if (milliseconds := headers.get("retry-after-ms")) is None:
        return retry_after_seconds(headers.get("retry-after"))
    try:
        return at_least_zero(float(milliseconds) / 1_000)
    except ValueError:
        return None
