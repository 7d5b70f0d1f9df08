"""The WebSocket transport: the upgrade with its credential, bytes in, bytes out, and every way a socket ends.

    upgrade -> prepare(): credential, origin -> open() -> Connection <- on_message()
                                                             |
                                                  Outbox -> SocketWire -> IOStream

It hands text to a `Connection` and knows no command.
"""

import asyncio
import socket
from typing import Any, Final, Protocol

import orjson
import structlog
from tornado.iostream import IOStream
from tornado.web import HTTPError
from tornado.websocket import WebSocketHandler, WebSocketProtocol, WebSocketProtocol13

from config import limits
from handlers.access import public
from handlers.credentials import address_of, check_upgrade_origin, credential_of
from handlers.dialects import AI_PLAYGROUND, SMART_AI_HUB, Dialect
from handlers.write_through import write_through
from hub.errors import Code, HubError
from hub.identity_cache import Credential, Identity
from hub.realtime import close_codes
from hub.realtime.channels import ADMIN_CHANNELS
from hub.realtime.connection import Connection, Entrance
from hub.services import Services
from models.database import DatabaseError
from models.ids import new_id

log = structlog.get_logger(__name__)

_PING_LOST_BY_TORNADO: Final = "ping timed out"
_GOING_WRONG: Final = 1011  # RFC 6455: the server met an unexpected condition


class Closable(Protocol):
    """What the wire needs of its handler."""

    def is_closing(self) -> bool: ...

    def close(self, code: int | None = None, reason: str | None = None) -> None: ...


class SocketWire:
    """Writes whole frames to a WebSocket's stream: straight into the socket while it takes them."""

    def __init__(self, handler: Closable, stream: IOStream) -> None:
        self._handler = handler
        self._stream = stream

    def write(self, data: bytes) -> "asyncio.Future[None] | None":
        return None if self._handler.is_closing() else write_through(self._stream, data)

    def close(self, code: int, reason: str) -> None:
        self._handler.close(code, reason)

    def close_hard(self) -> None:
        self._stream.close()


class BoundedProtocol(WebSocketProtocol13):
    """Tornado's, with our close code for a lost ping and a bound on the fragments of one message."""

    _fragments = 0
    _pong_due = False

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        if code is None and reason == _PING_LOST_BY_TORNADO:
            code, reason = close_codes.PING_LOST, close_codes.REASONS[close_codes.PING_LOST]
        super().close(code, reason)

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


class SocketHandler(WebSocketHandler):
    """One socket. `dialect` words what refuses the upgrade itself."""

    def initialize(self, services: Services, entrance: Entrance, dialect: Dialect) -> None:
        self._services = services
        self.address = address_of(self.request, services.settings.trusted_proxies)
        self._entrance = entrance
        self._dialect = dialect
        self._credential: Credential | None = None
        self._identity: Identity | None = None
        self._connection: Connection | None = None

    # --- the upgrade ---

    async def prepare(self) -> None:
        """Raises nothing: a refused upgrade is answered in the dialect and goes no further."""
        try:
            await self._authenticate()
        except HubError as error:
            self._refuse(error)
        except DatabaseError:
            self._refuse(HubError(Code.UNAVAILABLE, "The database cannot be reached; try again"))

    async def _authenticate(self) -> None:
        """Header and query credentials must be valid; a cookie needs a page of ours, and may turn out to be old."""
        credential = credential_of(self.request, in_query=True)
        if credential is None:
            return
        if credential.kind == "cookie":
            check_upgrade_origin(self.request, self._services.settings.allowed_origins)
        try:
            identity = await self._services.identities.resolve(credential)
        except HubError as error:
            if credential.kind != "cookie" or error.temporary:
                raise
            return
        if not self._entrance.admits(identity):
            raise HubError(Code.FORBIDDEN, "This is for administrators")
        self._credential, self._identity = credential, identity

    def _refuse(self, error: HubError) -> None:
        status, code = self._dialect.codes[error.code]
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(orjson.dumps(self._dialect.error(error, code, new_id("req"))))

    def check_origin(self, origin: str) -> bool:
        """`prepare` has refused what the cookie may not do; who brings its own credential may come from anywhere."""
        with_cookie = self._credential is not None and self._credential.kind == "cookie"
        return not with_cookie or origin in self._services.settings.allowed_origins

    @public
    async def get(self, *args: Any, **kwargs: Any) -> None:
        await super().get(*args, **kwargs)

    def get_websocket_protocol(self) -> WebSocketProtocol | None:
        made = super().get_websocket_protocol()
        return BoundedProtocol(self, False, made.params) if isinstance(made, WebSocketProtocol13) else made

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
        try:
            self._begin()
        except Exception:
            log.exception("a socket could not be opened", path=self.request.path)
            if self._connection is not None:
                self._connection.closed()
            self.close(_GOING_WRONG)

    def _begin(self) -> None:
        assert self.ws_connection is not None and self.ws_connection.stream is not None
        stream = self.ws_connection.stream
        stream.set_nodelay(True)
        if stream.socket.family in (socket.AF_INET, socket.AF_INET6):
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, limits.SOCKET_UNSENT_BYTES)
        wire = SocketWire(self, stream)
        self._connection = Connection(
            self._services, wire, self.address, self._credential, self._identity, self._entrance
        )
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

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """The path alone: a query may hold a credential."""
        if isinstance(value, HTTPError):
            log.info("upgrade refused", path=self.request.path, status=value.status_code)
        else:
            log.error("socket failed", path=self.request.path, exc_info=(typ, value, tb))


def routes(services: Services) -> list[Any]:
    hub = {"services": services, "entrance": Entrance(), "dialect": SMART_AI_HUB}
    playground = {
        "services": services,
        "entrance": Entrance(api="ai_playground", bare_chat=True),
        "dialect": AI_PLAYGROUND,
    }
    admin = {**hub, "entrance": Entrance(channels=ADMIN_CHANNELS)}
    return [
        ("/ws", SocketHandler, hub),
        ("/ws/admin", SocketHandler, admin),
        ("/v1/ai/stream", SocketHandler, playground),
    ]
