"""Streams that run on other nodes, as far as somebody follows them here.

    find(message) --> Stream, like one of ours --followers--> SSE, WebSocket, JSON
                        ^-- its log in Redis, every 40 ms    the text, as it comes
                        ^-- its message, every second        the end with its receipt; without Redis the text too

Only the database says that an answer has ended and what it came to. Of a node that died it may have less than was relayed:
then the stream is cut to what is stored and paid for, and its end says so by its offset.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from config import limits
from config.catalogue import AiModel
from hub.chat_records import outcome_of
from hub.errors import Code, HubError
from hub.prices import charge_micro
from hub.providers.base import Usage
from hub.redis.stream_logs import Logged, StreamLogs
from hub.streams import Outcome, Stream, deltas_of, replayed
from hub.tasks import Tasks
from models import conversations, followers
from models.clock import now
from models.database import Database, DatabaseError, Document

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Remote:
    """One stream with what is to be remembered about following it. Times are of the monotonic clock."""

    stream: Stream
    since: float = field(default_factory=time.monotonic)
    asked: float = field(default_factory=time.monotonic)
    marked: float = float("-inf")
    ended: bool = False  # its log says so; what it came to stands in the message


class RemoteStreams:
    """Of this process. `logs` is none where there is no Redis: then the database alone tells of them."""

    def __init__(
        self, database: Database, logs: StreamLogs | None, catalogue: Mapping[str, AiModel], tasks: Tasks
    ) -> None:
        self._database = database
        self._logs = logs
        self._catalogue = catalogue
        self._tasks = tasks
        self._remotes: dict[str, _Remote] = {}
        self._ending = asyncio.Event()  # a log says that its stream has ended

    def __len__(self) -> int:
        return len(self._remotes)

    async def find(self, message: Document, after: int) -> Stream:
        """The stream of a message that another node is writing, as far as it is now, and that is `after` deltas if it has
        these in a moment; it goes on growing for a while after this, and as long as it has followers. Raises `HubError`
        UNAVAILABLE when there are too many, and `DatabaseError`.
        """
        remote = self._remotes.get(message["stream"])
        if remote is None:
            remote = self._follow(message)
        remote.asked = time.monotonic()
        await self._mark_followed([remote])
        await self._read_logs([remote])
        if remote.stream.offset < after:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.REMOTE_CATCH_UP_SECONDS):
                    await remote.stream.reached(after)
        return remote.stream

    def _follow(self, message: Document) -> _Remote:
        if len(self._remotes) >= limits.REMOTE_STREAMS_MAX:
            raise HubError(
                Code.UNAVAILABLE, "This node follows as many answers of others as it can", retry_after_seconds=1
            )
        remote = _Remote(replayed(message, None))
        remote.stream.on_disconnect = message.get("on_disconnect", "continue")
        self._absorb(remote.stream, message)
        first = not self._remotes
        self._remotes[remote.stream.id] = remote
        if first:
            self._tasks.start(self._follow_logs(), "logs of others' streams")
            self._tasks.start(self._follow_messages(), "messages of others' streams")
        return remote

    # --- the text, as it comes ---

    async def _follow_logs(self) -> None:
        while self._remotes and self._logs is not None:
            await self._read_logs(self._remotes.values())
            await asyncio.sleep(limits.REMOTE_POLL_SECONDS)

    async def _read_logs(self, remotes: Iterable[_Remote]) -> None:
        if self._logs is None:
            return
        growing = {remote.stream.id: remote for remote in remotes if not remote.ended}
        found = await self._logs.read({name: remote.stream.offset for name, remote in growing.items()})
        for name, logged in found.items():
            _grow(growing[name].stream, logged)
            if logged.ended:
                growing[name].ended = True
                self._ending.set()

    # --- the end, and all of it where there is no log ---

    async def _follow_messages(self) -> None:
        while self._remotes:
            await self._until_due()
            try:
                await self._read_messages()
                await self._mark_followed(self._remotes.values())
            except DatabaseError as error:
                log.warning("others' streams cannot be read", error=str(error)[:200])
            self._forget()

    async def _until_due(self) -> None:
        """Every second, and at once when a log says that its stream has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.REMOTE_CHECK_SECONDS):
                await self._ending.wait()
        self._ending.clear()

    async def _read_messages(self) -> None:
        statuses = await conversations.statuses(self._database, list(self._remotes))
        for name in self._remotes.keys() - statuses.keys():
            _give_up(self._remotes[name].stream, HubError(Code.NOT_FOUND, "This answer was deleted"))
        without_log = self._logs is None or self._logs.failing
        wanted = [name for name, status in statuses.items() if without_log or status != "streaming"]
        for message in await conversations.messages_of_streams(self._database, wanted) if wanted else ():
            if (remote := self._remotes.get(message["stream"])) is not None:
                self._absorb(remote.stream, message)

    def _absorb(self, stream: Stream, message: Document) -> None:
        """Take over what is stored: of a running answer what the log has not brought, of an ended one all and its end."""
        stored = deltas_of(message)
        if message["status"] != "streaming":
            del stream.deltas[len(stored) :]
        if len(stored) > stream.offset:
            stream.append(stored[stream.offset :], max(stream.cost_micro, self._cost_micro(message)))
        if message["status"] != "streaming" and stream.outcome is None:
            stream.finish(outcome_of(message))

    def _cost_micro(self, message: Document) -> int:
        model, usage = self._catalogue.get(message["model"]), message["usage"]
        return 0 if model is None else charge_micro(model, usage["prompt_tokens"], usage["completion_tokens"])

    async def _mark_followed(self, remotes: Iterable[_Remote]) -> None:
        """Tell the owners of answers that end without a reader that they have one here."""
        moment = time.monotonic()
        ending = [remote for remote in remotes if remote.stream.on_disconnect == "cancel"]
        due = [remote for remote in ending if moment - remote.marked >= limits.FOLLOWED_SECONDS]
        await followers.mark(self._database, [remote.stream.id for remote in due], now())
        for remote in due:
            remote.marked = moment

    def _forget(self) -> None:
        moment = time.monotonic()
        for name, remote in tuple(self._remotes.items()):
            if moment - remote.since > limits.REMOTE_SECONDS_MAX:
                _give_up(remote.stream, HubError(Code.INTERNAL, "The answer broke off, and nobody has settled it"))
            lingers = remote.stream.followers or moment - remote.asked < limits.REMOTE_LINGER_SECONDS
            if remote.stream.outcome is not None or not lingers:
                del self._remotes[name]


def _grow(stream: Stream, logged: Logged) -> None:
    """A log with a gap behind what is here has lost its beginning: the message has it."""
    fresh = logged.deltas[stream.offset - logged.start :] if logged.start <= stream.offset else ()
    if fresh and stream.outcome is None:
        stream.append(list(fresh), logged.cost_micro)


def _give_up(stream: Stream, error: HubError) -> None:
    if stream.outcome is None:
        stream.finish(Outcome(None, Usage(0, 0), "counted", None, error=error))
