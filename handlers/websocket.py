"""The WebSocket transport: the upgrade with its credential, bytes in, bytes out, and every way a socket ends.

    upgrade -> prepare(): credential, origin -> open() -> Connection <- on_message()
                    |                                        |
                    +-- an error, in the dialect             |
                                                  Outbox -> SocketWire -> IOStream

It hands text to a `Connection` and knows no command.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import structlog
from tornado.httputil import HTTPHeaders
from tornado.iostream import IOStream, StreamClosedError
from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13, _WebSocketParams

from config import limits
from handlers.access import Access, public
from handlers.base import ApiHandler
from handlers.credentials import check_upgrade_origin, credential_of
from handlers.routing import Route
from handlers.terms import answers
from handlers.write_through import write_through
from hub.chat_request import PLAYGROUND_DEFAULTS
from hub.errors import Code, HubError
from hub.realtime import close_codes
from hub.realtime.channels import ADMIN_CHANNELS
from hub.realtime.connection import Connection, Entrance

log = structlog.get_logger(__name__)

_MAIN_ENTRANCE: Final = Entrance()
_VERSION: Final = "13"  # of the protocol, RFC 6455's
_GOING_WRONG: Final = 1011  # RFC 6455: the server met an unexpected condition


class Closable(Protocol):
    """What the wire needs of its handler."""

    def is_closing(self) -> bool: ...

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class SocketWire:
    """Writes whole frames to a WebSocket's stream: straight into the socket while it takes them.

    `straight`: nothing waits before what is written next, and no close frame has gone out. Whoever else writes to the
    stream takes it back; the questions that it spares each frame are asked while it is False.
    """

    __slots__ = ("_handler", "_send", "_stream", "straight")

    def __init__(self, handler: Closable, stream: IOStream) -> None:
        self._handler = handler
        self._stream = stream
        self._send: Callable[[bytes], int] = stream.socket.send
        self.straight = True

    def write(self, data: bytes) -> "asyncio.Future[None] | None":
        if self.straight:
            try:
                sent = self._send(data)
            except OSError:  # left to the stream, which meets it again and closes properly
                sent = 0
            if sent == len(data):
                return None
            data = data[sent:]
        return self._write_behind(data)

    def _write_behind(self, data: bytes) -> "asyncio.Future[None] | None":
        self.straight = False
        if self._handler.is_closing():
            return None
        left = write_through(self._stream, data)
        self.straight = left is None
        return left

    def close(self, code: int, reason: str) -> None:
        self._handler.close(code, reason)

    def close_hard(self) -> None:
        self._stream.close()


class BoundedProtocol(WebSocketProtocol13):
    """Tornado's, with our own pings and close code for a lost one, and a bound on the fragments of one message."""

    __slots__ = ("_fragments", "_ping_timer", "_pong_due", "wire")  # in the instance's dictionary they cost 1.5 KiB

    def __init__(self, handler: WebSocketHandler, params: _WebSocketParams) -> None:
        super().__init__(handler, False, params)
        self.wire: SocketWire | None = None  # to be told when frames of our own must not pass Tornado's
        self._fragments = 0
        self._pong_due = False
        self._ping_timer: asyncio.TimerHandle | None = None

    def start_pinging(self) -> None:
        """By a timer: Tornado's task for each socket takes 2 KiB."""
        if self.ping_interval:
            self._ping_timer = asyncio.get_running_loop().call_later(self.ping_interval, self._ping)

    def _ping(self) -> None:
        self._received_pong = False
        try:
            self.write_ping(b"")
        except StreamClosedError:
            return  # whoever reads has met it too
        self._ping_timer = asyncio.get_running_loop().call_later(self.ping_timeout, self._look_for_pong)

    def _look_for_pong(self) -> None:
        if not self._received_pong:
            self.close(close_codes.PING_LOST, close_codes.REASONS[close_codes.PING_LOST])
            # who sends no pong will hardly answer a close, for which Tornado would wait five seconds
            asyncio.get_running_loop().call_later(limits.PING_LOST_GRACE_SECONDS, self._abort)
            return
        seconds = self.ping_interval - self.ping_timeout
        self._ping_timer = asyncio.get_running_loop().call_later(seconds, self._ping)

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        if self._ping_timer is not None:
            self._ping_timer.cancel()
            self._ping_timer = None
        if self.wire is not None:
            self.wire.straight = False
        super().close(code, reason)

    def _write_frame(self, fin: bool, opcode: int, data: bytes, flags: int = 0) -> "asyncio.Future[None]":
        written = super()._write_frame(fin, opcode, data, flags)
        if self.wire is not None and self.stream.writing():
            self.wire.straight = False
        return written

    def write_ping(self, data: bytes) -> None:
        self._pong_due = True
        super().write_ping(data)

    def take_pong(self) -> bool:
        """Whether the pong that came was asked for: one for each ping of ours."""
        due, self._pong_due = self._pong_due, False
        return due

    async def _receive_frame(self) -> None:
        await super()._receive_frame()
        self._fragments = self._fragments + 1 if self._fragmented_message_buffer is not None else 0
        if self._fragments > limits.FRAGMENTS_PER_MESSAGE_MAX:
            self._abort()


class Socket(ApiHandler, WebSocketHandler):
    """One socket. Until it is one it answers as every address of its API does."""

    def initialize(
        self,
        apis: Sequence[str],
        limit_class: str = "general",
        counted: bool = False,
        entrance: Entrance = _MAIN_ENTRANCE,
    ) -> None:
        super().initialize(apis, limit_class, counted)
        self.credential = credential_of(self.request, in_query=True)
        self._entrance = entrance
        self._connection: Connection | None = None

    # --- the upgrade ---

    async def identify(self, access: Access) -> None:
        """A credential may also come by the first command. That of a header or query must be good; a cookie needs a page of
        ours, and may turn out to be old.
        """
        if self.credential is None:
            return
        if self.credential.kind == "cookie":
            check_upgrade_origin(self.request, self.services.settings.allowed_origins)
        try:
            self.identity = await self.services.identities.resolve(self.credential)
        except HubError as error:
            if self.credential.kind != "cookie" or error.temporary:
                raise
            self.credential = None
        if self.identity is not None and not self._entrance.admits(self.identity):
            raise HubError(Code.FORBIDDEN, "This is for administrators")

    def check_origin(self, origin: str) -> bool:
        """`identify` has refused what the cookie may not do; who brings its own credential may come from anywhere."""
        with_cookie = self.credential is not None and self.credential.kind == "cookie"
        return not with_cookie or origin in self.services.settings.allowed_origins

    @public
    @answers(101, enveloped=False)
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Upgrade to the WebSocket, whose frames `docs/asyncapi.yaml` describes."""
        self._check_handshake()
        await self.services.connections.arrivals.turn()
        await super().get(*args, **kwargs)

    def _check_handshake(self) -> None:
        """What Tornado would refuse in its own words. Raises `HubError` MALFORMED."""
        headers = self.request.headers
        ways = {way.strip().lower() for way in headers.get("Connection", "").split(",")}
        if headers.get("Upgrade", "").lower() != "websocket" or "upgrade" not in ways:
            raise HubError(Code.MALFORMED, "This address takes WebSocket upgrades, and nothing else")
        if headers.get("Sec-WebSocket-Version") != _VERSION:
            self.keep_header("Sec-WebSocket-Version", _VERSION)
            raise HubError(Code.MALFORMED, f"Sec-WebSocket-Version must be {_VERSION}")
        if not headers.get("Sec-WebSocket-Key"):
            raise HubError(Code.MALFORMED, "Sec-WebSocket-Key is required")

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        made = super().get_websocket_protocol()
        return BoundedProtocol(self, made.params) if isinstance(made, WebSocketProtocol13) else made

    def get_compression_options(self) -> None:
        """None: what is sent is short, and what comes in compressed could unfold without end."""

    @property
    def ping_interval(self) -> float:
        return float(self.settings.get("websocket_ping_interval", limits.PING_INTERVAL_SECONDS))

    @property
    def ping_timeout(self) -> float:
        return float(self.settings.get("websocket_ping_timeout", limits.PING_TIMEOUT_SECONDS))

    @property
    def max_message_size(self) -> int:
        return limits.FRAME_BYTES_MAX

    # --- the socket ---

    def open(self, *args: str, **kwargs: str) -> None:
        """Registering is the last thing done: were anything to fail behind it, no `on_close` would come."""
        self._forget_upgrade()
        try:
            self._begin()
        except Exception:
            log.exception("a socket could not be opened", path=self.request.path)
            if self._connection is not None:
                self._connection.closed()
            self.close(_GOING_WRONG)

    def _forget_upgrade(self) -> None:
        """What was read and sent for it: together 4 KiB of each idle socket."""
        self._headers, self._kept = HTTPHeaders(), None
        self.request.headers, self.request.connection = HTTPHeaders(), None

    def _begin(self) -> None:
        assert self.ws_connection is not None and self.ws_connection.stream is not None
        stream = self.ws_connection.stream
        stream.set_nodelay(True)
        if stream.socket.family in (socket.AF_INET, socket.AF_INET6):
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, limits.SOCKET_UNSENT_BYTES)
        wire = SocketWire(self, stream)
        if isinstance(self.ws_connection, BoundedProtocol):
            self.ws_connection.wire = wire
        self._connection = Connection(self.services, wire, self.address, self.credential, self.identity, self._entrance)
        self._connection.open()

    def is_closing(self) -> bool:
        return self.ws_connection is None or self.ws_connection.is_closing()

    def on_message(self, message: str | bytes) -> None:
        if self._connection is not None:
            self._connection.receive(message)

    def on_ping(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.control()

    def on_pong(self, data: bytes) -> None:
        asked_for = isinstance(self.ws_connection, BoundedProtocol) and self.ws_connection.take_pong()
        if self._connection is not None and not asked_for:
            self._connection.control()

    def on_close(self) -> None:
        if self._connection is not None:
            self._connection.closed()

    def data_received(self, chunk: bytes) -> None:
        """An upgrade has no body."""


def _socket(entrance: Entrance, limit_class: str = "general") -> Route:
    """The upgrade is not counted against a rate limit, for connections have bounds of their own; the questions are, in the
    entrance's class. Who is refused at the upgrade counts in the `limit_class`.
    """
    return Route(entrance.path, Socket, (entrance.api,), limit_class, counted=False, extra={"entrance": entrance})


ROUTES = [
    _socket(_MAIN_ENTRANCE),
    _socket(Entrance("/ws/admin", channels=ADMIN_CHANNELS)),
    _socket(Entrance("/v1/ai/stream", "ai_playground", "ai", bare_chat=PLAYGROUND_DEFAULTS), "ai"),
]
