"""Bodies that are coming in: how large one may be, from whom a large one is taken, and how much may come in at once.

    head of a request -> Bodies.refusal() --None--> Arriving -> the handler's own delegate
                              +-- too large, nobody's, too much at once -> fallbacks.BodyRefused

Tornado keeps a body in memory until the handler asks who is sending it; so this is looked at before any of it is read.
"""

from collections.abc import Awaitable

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine, ResponseStartLine

from config import limits
from handlers.credentials import credential_of
from hub.errors import Code, HubError

_LENGTH_DIGITS_MAX = 19
_RETRY_SECONDS = 2.0


def announced_bytes(request: HTTPServerRequest, unknown: int) -> int:
    """How much a request says that it will send; `unknown` for a chunked body, which does not say it."""
    if "Transfer-Encoding" in request.headers:
        return unknown
    length = request.headers.get("Content-Length", "")
    return int(length[:_LENGTH_DIGITS_MAX]) if length.isdigit() and length.isascii() else 0


class Bodies:
    """What is coming in to this process. Small bodies are not counted: a flood of large ones must not keep them out."""

    def __init__(self) -> None:
        self.arriving_bytes = 0

    def refusal(self, request: HTTPServerRequest, announced: int, bytes_max: int) -> HubError | None:
        """Why this body is not read, if so. A credential need not be a good one: who has none at all is told at once."""
        if announced > bytes_max:
            return HubError(Code.TOO_LARGE, "The body is larger than this address takes")
        if announced > limits.BODY_BYTES_MAX and credential_of(request, in_query=True) is None:
            return HubError(Code.UNAUTHENTICATED, "Authentication is required")
        if is_large(announced) and self.arriving_bytes + announced > limits.BODIES_ARRIVING_BYTES_MAX:
            return HubError(Code.UNAVAILABLE, "Too many large bodies are coming in", retry_after_seconds=_RETRY_SECONDS)
        return None


def is_large(announced: int) -> bool:
    return announced > limits.BODY_UNCOUNTED_BYTES_MAX


class Arriving(HTTPMessageDelegate):
    """Counts a body from its head to its end, or to the end of its connection."""

    def __init__(self, bodies: Bodies, announced: int, delegate: HTTPMessageDelegate) -> None:
        self._bodies = bodies
        self._announced = announced
        self._delegate = delegate
        bodies.arriving_bytes += announced

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        self._arrived()
        self._delegate.finish()

    def on_connection_close(self) -> None:
        self._arrived()
        self._delegate.on_connection_close()

    def _arrived(self) -> None:
        self._bodies.arriving_bytes -= self._announced
        self._announced = 0
