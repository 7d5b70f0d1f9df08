"""What comes in on one connection: counted, parsed, and run a few at a time in the order in which it came.

    receive() -> bucket -> JSON -> Command -> waiting (bounded) -> task (at most 16) -> Connection.run

Receiving never waits and never raises; every failure becomes an error reply.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from config import limits
from hub.errors import Code, HubError, invalid
from hub.json_input import loads
from hub.realtime import close_codes
from hub.realtime.frames import CommandId
from hub.realtime.rates import Bucket, Window
from hub.tasks import Tasks
from models.database import DatabaseError

log = structlog.get_logger(__name__)

_ID_MAX: Final = 2**53
_MINUTE: Final = 60.0
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Command:
    """A frame that asks for something; `id` is None only where a bare chat came without one."""

    id: CommandId | None
    name: str
    data: dict[str, Any]
    size_bytes: int


class Owner(Protocol):
    """What the intake needs of its connection."""

    id: str
    is_closed: bool

    async def run(self, command: Command) -> None: ...

    def failed(self, command_id: CommandId | None, error: HubError) -> None: ...

    def close(self, code: int) -> None: ...


class Intake:
    """`names` are the commands there are. With `bare_chat` a frame of `messages` without a type is a `chat.start`, which has
    those fields that it does not say itself.
    """

    __slots__ = (
        "_bare_chat",
        "_bucket",
        "_connecting",
        "_names",
        "_now",
        "_owner",
        "_running",
        "_tasks",
        "_unreadable",
        "_waiting",
        "_waiting_bytes",
    )

    def __init__(self, owner: Owner, tasks: Tasks, names: Container[str], bare_chat: Fields | None) -> None:
        self._owner = owner
        self._tasks = tasks
        self._names = names
        self._bare_chat = bare_chat
        self._now: Callable[[], float] = asyncio.get_running_loop().time
        self._bucket = Bucket(limits.COMMAND_BURST, limits.COMMANDS_PER_SECOND, self._now())
        self._unreadable = Window(limits.BAD_FRAMES_PER_MINUTE_MAX, _MINUTE)
        self._waiting: deque[Command] | None = None  # while any do: an empty deque takes 0.6 KiB
        self._waiting_bytes = 0
        self._running = 0
        self._connecting = False

    def receive(self, text: str | bytes) -> None:
        if not self.allow():
            return
        command_id: CommandId | None = None
        try:
            frame = self._parse(text)
            if frame is None:
                return
            command_id = _command_id(frame)
            self._enqueue(self._command(command_id, frame, len(text)))
        except HubError as error:
            self._owner.failed(command_id, error)
        except Exception:
            log.exception("a frame could not be taken", connection=self._owner.id)
            self._owner.failed(command_id, _internal())

    def allow(self) -> bool:
        """Count one frame of any kind; too many close the connection."""
        if self._bucket.take(self._now()):
            return True
        self._owner.close(close_codes.TOO_MANY_MESSAGES)
        return False

    def close(self) -> None:
        self._waiting = None

    def _parse(self, text: str | bytes) -> dict[str, Any] | None:
        """The frame's object. None after something that is none: it was answered and counted."""
        try:
            if isinstance(text, bytes):
                raise HubError(Code.MALFORMED, "Frames are JSON text; this one was binary")
            frame = loads(text.encode(), limits.FRAME_BYTES_MAX)
            if not isinstance(frame, dict):
                raise HubError(Code.MALFORMED, "A frame is one JSON object")
            return frame
        except HubError as error:
            self._owner.failed(None, error)
            if self._unreadable.full(self._now()):
                self._owner.close(close_codes.NOT_A_FRAME)
            return None

    def _command(self, command_id: CommandId | None, frame: dict[str, Any], size_bytes: int) -> Command:
        bare = self._bare_chat is not None and "type" not in frame and "messages" in frame
        name = "chat.start" if bare else frame.get("type")
        if command_id is None and not bare:
            raise invalid("id", "is required: a number or a string, which the reply will carry")
        if not isinstance(name, str) or name not in self._names:
            raise invalid("type", "must be the name of a command")
        said = (self._bare_chat or {}) | frame if bare else frame
        data = {key: value for key, value in said.items() if key not in ("id", "type")}
        return Command(command_id, name, data, size_bytes)

    def _enqueue(self, command: Command) -> None:
        too_much = self._waiting_bytes + command.size_bytes > limits.COMMANDS_WAITING_BYTES_MAX
        if self._waiting is None:
            self._waiting = deque()
        if self._waiting and (too_much or len(self._waiting) >= limits.COMMANDS_WAITING_MAX):
            raise HubError(Code.RATE_LIMITED, "Too many commands are waiting on this connection")
        self._waiting.append(command)
        self._waiting_bytes += command.size_bytes
        self._start_waiting()

    def _start_waiting(self) -> None:
        """In order, a few at once; what comes behind `connect` waits until that is answered."""
        while self._waiting and self._running < limits.COMMANDS_AT_ONCE_MAX and not self._connecting:
            command = self._waiting.popleft()
            self._waiting_bytes -= command.size_bytes
            self._connecting = command.name == "connect"
            self._running += 1
            self._tasks.start(self._run(command), f"{self._owner.id} {command.name}")
        self._waiting = self._waiting or None

    async def _run(self, command: Command) -> None:
        try:
            await self._answered(command.id, self._owner.run(command))
        finally:
            self._running -= 1
            self._connecting = self._connecting and command.name != "connect"
            if not self._owner.is_closed:
                self._start_waiting()

    async def _answered(self, command_id: CommandId | None, running: Awaitable[None]) -> None:
        try:
            await running
        except HubError as error:
            self._owner.failed(command_id, error)
        except DatabaseError as error:
            log.warning("the database failed a command", error=str(error))
            self._owner.failed(command_id, HubError(Code.UNAVAILABLE, "The database cannot be reached; try again"))
        except Exception:  # whatever it was, the client hears of it and the connection goes on
            log.exception("a command failed", connection=self._owner.id)
            self._owner.failed(command_id, _internal())


def _command_id(frame: dict[str, Any]) -> CommandId | None:
    """Raises `HubError` INVALID for an id that could not be given back as it came."""
    command_id = frame.get("id")
    if command_id is None:
        return None
    if type(command_id) is int and abs(command_id) <= _ID_MAX:
        return command_id
    if isinstance(command_id, str) and 1 <= len(command_id) <= limits.FRAME_ID_CHARS_MAX:
        return command_id
    raise invalid("id", f"must be a whole number or a string of 1 to {limits.FRAME_ID_CHARS_MAX} characters")


def _internal() -> HubError:
    return HubError(Code.INTERNAL, "The hub failed; this has been logged")
