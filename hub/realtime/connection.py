"""One open connection: who it is, what it follows, and the commands it runs. It knows no socket and no HTTP.

    text -> Intake -> run() -> commands.py -> Outbox -> wire
    channel -> Feed --^    ^-- Follower <- Stream

Whatever ends a connection goes through `_finish`, once, and leaves nothing registered anywhere.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from config import limits
from hub.errors import Code, HubError
from hub.identity_cache import Credential, Identity
from hub.realtime import channels, close_codes, commands, frames
from hub.realtime.feed import Feed
from hub.realtime.follower import Follower
from hub.realtime.frames import CommandId
from hub.realtime.intake import Command, Intake
from hub.realtime.outbox import Outbox
from hub.realtime.subscriptions import Subscriptions
from hub.realtime.wire import Wire
from hub.streams import Stream
from models.database import DatabaseError
from models.ids import new_id

if TYPE_CHECKING:
    from hub.services import Services

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a path differs from others: the API it belongs to and the class of its rate limits that questions count in,
    what a bare `{messages}` has beside that where it is a `chat.start`, and the channels that are subscribed with `connect`;
    whoever may not listen to these may not enter.
    """

    path: str = "/ws"
    api: str = "smart_ai_hub"
    limit_class: str = "mcp"
    bare_chat: dict[str, Any] | None = None
    channels: Sequence[str] = ()

    def admits(self, identity: Identity) -> bool:
        return all(channels.may_listen(identity, channel) for channel in self.channels)


class Connection:
    """`credential` and `identity` are what the upgrade brought, if it brought them."""

    __slots__ = (  # there are thousands, and a dictionary each would take 1.2 KiB
        "_at_upgrade",
        "_credential",
        "_followers",
        "_intake",
        "_loop",
        "_moving",
        "_patience",
        "_timer",
        "_wire",
        "address",
        "entrance",
        "feed",
        "id",
        "identity",
        "is_closed",
        "is_connected",
        "outbox",
        "services",
        "subscriptions",
    )

    def __init__(
        self,
        services: "Services",
        wire: Wire,
        address: str,
        credential: Credential | None = None,
        identity: Identity | None = None,
        entrance: Entrance = Entrance(),
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.services = services
        self.id = new_id("conn")
        self.address = address
        self.entrance = entrance
        self.identity: Identity | None = None
        self.feed: Feed | None = None
        self.outbox = Outbox(wire, self._cut)
        self._wire = wire
        self._at_upgrade = (credential, identity)
        self._credential: Credential | None = None
        self.subscriptions = Subscriptions(self.outbox, services.broker, services.monitor)
        self._followers: dict[str, Follower] = {}
        self._intake = Intake(self, services.tasks, commands.COMMANDS, entrance.bare_chat)
        self._timer: asyncio.TimerHandle | None = None  # until a credential comes, then until it expires
        self._patience = limits.CONNECT_SECONDS  # left for a credential to come
        self._moving = False
        self.is_closed = False
        self.is_connected = False  # `connect` was answered

    def open(self) -> None:
        """Register; a connection beyond the limits is told so and closed."""
        try:
            self.services.connections.admit(self)
            credential, identity = self._at_upgrade
            if credential is not None and identity is not None:
                self.adopt(credential, identity)
                return
        except HubError as error:
            self._refuse(error)
            return
        self._await_credential()

    def _await_credential(self) -> None:
        self._timer = self._loop.call_later(self._patience, self._not_in_time)

    # --- what comes in ---

    def receive(self, text: str | bytes) -> None:
        """Take one frame. Never waits, never raises."""
        if not self.is_closed:
            self._intake.receive(text)

    def control(self) -> None:
        """Count a control frame or a fragment, which nobody else bounds."""
        if not self.is_closed:
            self._intake.allow()

    async def run(self, command: Command) -> None:
        """Everything is checked again for each command: the fields, then the credential, then what they name."""
        spec = commands.COMMANDS[command.name]
        data = spec.load(command.data)
        if spec.needs_user:
            spec.check(await self.check())
        result = await spec.run(self, command.id, data)
        if result is not None:
            self.outbox.push(frames.reply(command.id, result))

    def failed(self, command_id: CommandId | None, error: HubError) -> None:
        """A command failed, or what came was none."""
        if self.entrance.bare_chat is not None and self.identity is None:
            self.outbox.push(frames.error_push(error))
        else:
            self.outbox.push(frames.error_reply(command_id, error))
        if isinstance(error, CredentialLost):
            self.close(error.close_code)

    # --- who it is ---

    def connected(self) -> None:
        """`connect` was answered. What the credential may do can have changed meanwhile."""
        self.is_connected = not self.is_closed
        try:
            if self.is_connected and self.identity is not None:
                self._check_feed(self.identity)
        except CredentialLost as lost:
            self.close(lost.close_code)

    async def authenticate(self, token: str) -> Identity:
        """Take a token that came in a frame, in turn with all who come at this moment, which is no time of the client's.

        Raises `HubError`; another user's than before is FORBIDDEN.
        """
        credential = Credential("bearer", token)
        pending = self._timer if self.identity is None else None
        if pending is not None:
            self._patience = pending.when() - self._loop.time()
            pending.cancel()
        try:
            async with self.services.recoveries:
                identity = await self.services.identities.resolve(credential)
            self.adopt(credential, identity)
        finally:
            if pending is not None and self.identity is None and not self.is_closed:
                self._await_credential()
        return identity

    def adopt(self, credential: Credential, identity: Identity) -> None:
        """This is who it is from now on. Raises `HubError`."""
        if identity.kind == "service":
            raise HubError(Code.FORBIDDEN, "The service token has no user to connect")
        if self.is_closed:
            raise HubError(Code.UNAUTHENTICATED, "The connection is closed")
        self._check_entrance(identity)
        self._check_feed(identity)
        if self.identity is None:
            self._identify(identity.user_id)
        elif self.identity.user_id != identity.user_id:
            raise HubError(Code.FORBIDDEN, "This connection belongs to another user")
        self._credential, self.identity = credential, identity
        self._until(identity)

    def _check_entrance(self, identity: Identity) -> None:
        if not self.entrance.admits(identity):
            raise CredentialLost(Code.FORBIDDEN, "This is for administrators", close_codes.NOT_ADMINISTRATOR)

    def _check_feed(self, identity: Identity) -> None:
        """What was decided by `connect`: whether it hears of its user's account."""
        if self.is_connected and (self.feed is not None) != channels.may_hear_account(identity):
            raise CredentialLost(Code.FORBIDDEN, "Other permissions: connect anew", close_codes.PERMISSIONS_CHANGED)

    def _identify(self, user: str) -> None:
        try:
            self.services.connections.identify(self, user)
        except HubError as error:
            raise CredentialLost(error.code, error.message, close_codes.TOO_MANY_CONNECTIONS) from None

    async def check(self) -> Identity:
        """The identity as it is now. Raises `HubError`, after which the connection is closed if it was revoked."""
        credential, known = self._credential, self.identity
        if credential is None or known is None:
            raise HubError(Code.UNAUTHENTICATED, "Send `connect` with a token first")
        try:
            self.identity = await self.services.identities.resolve(credential)
        except HubError as error:
            if error.temporary:
                raise
            expired = known.expires_at is not None and known.expires_at <= time.time()
            code = close_codes.TOKEN_EXPIRED if expired else close_codes.CREDENTIAL_REVOKED
            raise CredentialLost(error.code, error.message, code) from None
        self._check_entrance(self.identity)
        self._check_feed(self.identity)
        self.subscriptions.recheck(self.identity)
        return self.identity

    def reauthorise(self) -> None:
        """The user's document changed, or a cookie's login may have ended: what was allowed may be no more."""
        self.services.tasks.start(self._reauthorise(), f"{self.id} reauthorise")

    async def _reauthorise(self) -> None:
        try:
            self._until(await self.check())
        except CredentialLost as lost:
            self.close(lost.close_code)
        except (HubError, DatabaseError):
            self.close(close_codes.STATE_LOST)  # it could not be asked; a new connection will be

    def _until(self, identity: Identity) -> None:
        """End with the token. A cookie's login may have been put off meanwhile, so that it is asked for again."""
        self._stop_timer()
        if identity.expires_at is None or self.is_closed:
            return
        seconds = max(0.0, identity.expires_at - time.time())
        if identity.kind == "cookie":
            self._timer = self._loop.call_later(seconds, self.reauthorise)
        else:
            self._timer = self._loop.call_later(seconds, self.close, close_codes.TOKEN_EXPIRED)

    def _not_in_time(self) -> None:
        if self.entrance.bare_chat is not None:
            error = HubError(Code.UNAUTHENTICATED, "No credential came: send it with the upgrade or by `connect`")
            self.outbox.push(frames.error_push(error))
        self.close(close_codes.NOT_AUTHENTICATED)

    async def count(self, identity: Identity) -> None:
        """Count a question as the same by HTTP would be. Raises `HubError` RATE_LIMITED."""
        entrance = self.entrance
        limited = await self.services.rate_limits.hit(entrance.api, entrance.limit_class, identity, self.address)
        limited.check()

    # --- what it follows ---

    def check_room(self, stream_id: str = "") -> None:
        """Raises `HubError` when it follows as many streams as it may, and this is another."""
        if len(self._followers) >= limits.STREAMS_PER_CONNECTION_MAX and stream_id not in self._followers:
            raise HubError(Code.RATE_LIMITED, "This connection follows too many streams")

    def follow(self, stream: Stream, after: int) -> None:
        """Send a stream's deltas beyond `after`, then its outcome."""
        if self.is_closed:
            self.services.chat.left(stream)
            return
        older = self._followers.pop(stream.id, None)
        if older is not None:
            older.stop()
        follower = Follower(stream, after, self.outbox, self._ended)
        self._followers[stream.id] = follower
        follower.start()

    def _ended(self, follower: Follower) -> None:
        self._followers.pop(follower.stream.id, None)
        if self._moving:
            self._loop.call_soon(self._leave)  # its outcome is being written just now

    def tell(self, frame: bytes) -> None:
        """Send what goes to everybody; who has not connected yet reads it elsewhere."""
        if self.is_connected:
            self.outbox.push(frame)

    # --- how it ends ---

    def move(self, reconnect_ms: int) -> None:
        """Tell it to come back elsewhere after `reconnect_ms`, and end with the last answer of this node that it follows."""
        if not self.is_closed:
            self._moving = True
            self.outbox.push(frames.moving(reconnect_ms))
            self._leave()

    def _leave(self) -> None:
        """An answer of another node goes on there whatever becomes of us, and is resumed from the next connection."""
        ours = [follower.stream for follower in self._followers.values()]
        if not any(stream.task is not None or stream.outcome is not None for stream in ours):
            self.close(close_codes.SHUTTING_DOWN)

    def close(self, code: int) -> None:
        """Say why and end; a second time changes nothing."""
        if not self.is_closed:
            log.info("connection closed by the hub", connection=self.id, code=code)
            self._finish()
            self._wire.close(code, close_codes.REASONS[code])

    def closed(self) -> None:
        """The socket is gone, however that came about."""
        if not self.is_closed:
            self._finish()

    def lost(self) -> None:
        """Its events can no longer be delivered in order."""
        self.close(close_codes.STATE_LOST)

    def _cut(self) -> None:
        if not self.is_closed:
            log.info("connection cut, too slow", connection=self.id, code=close_codes.TOO_SLOW)
            self._finish()
            self._wire.close_hard()

    def _refuse(self, error: HubError) -> None:
        self.outbox.push(frames.error_push(error))
        self.close(error.close_code if isinstance(error, CredentialLost) else close_codes.TOO_MANY_CONNECTIONS)

    def _finish(self) -> None:
        self.is_closed = True
        self._stop_timer()
        self.outbox.close()
        self._intake.close()
        for follower in tuple(self._followers.values()):
            follower.stop()
            self.services.chat.left(follower.stream)
        self._followers.clear()
        if self.feed is not None:
            self.feed.close()
        self.subscriptions.close()
        self.services.connections.remove(self, self.identity.user_id if self.identity else None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class CredentialLost(HubError):
    """The command fails and the connection with it."""

    def __init__(self, code: Code, message: str, close_code: int) -> None:
        super().__init__(code, message)
        self.close_code = close_code
