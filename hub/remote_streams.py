"""Streams that run on other nodes, as far as somebody follows them here.

    find(message) --> Stream, like one of ours --followers--> SSE, WebSocket, JSON
                        ^-- its log in Redis, every 40 ms    the text, as it comes
                        ^-- its message, every second        the end with its receipt; the text too, where the log has none

Only the database says that an answer has ended and what it came to. Of a node that died it may have less than was relayed:
then the stream is cut to what is stored and paid for, and its end says so by its offset.
"""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

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
from models.database import Database, DatabaseError, Document

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Remote:
    """One stream with what is to be remembered about following it. Times are of the monotonic clock."""

    stream: Stream
    since: float = field(default_factory=time.monotonic)
    asked: float = field(default_factory=time.monotonic)
    grew: float = field(default_factory=time.monotonic)  # by its log
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
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._ending = asyncio.Event()  # a log says that its stream has ended

    def __len__(self) -> int:
        return len(self._remotes)

    async def find(self, message: Document, after: int) -> Stream:
        """The stream of a message that another node is writing, as far as it is now, and that is `after` deltas if it has
        these in a moment; it goes on growing for a while after this, and as long as it has followers. Raises `HubError`
        UNAVAILABLE when there are too many, and `DatabaseError`.
        """
        remote = self._remotes.get(message["stream"]) or self._new(message)
        self._follow(remote)
        await self._mark_first(remote)
        await self._read_logs([remote])
        if remote.stream.offset < after:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limits.REMOTE_CATCH_UP_SECONDS):
                    await remote.stream.reached(after)
        self._follow(remote)  # all this may have taken longer than a stream is kept for nobody
        return remote.stream

    def _new(self, message: Document) -> _Remote:
        if len(self._remotes) >= limits.REMOTE_STREAMS_MAX:
            raise HubError(
                Code.UNAVAILABLE, "This node follows as many answers of others as it can", retry_after_seconds=1
            )
        remote = _Remote(replayed(message, None))
        remote.stream.cost_micro = self._cost_micro(message)
        remote.stream.on_disconnect = message.get("on_disconnect", "continue")
        self._absorb(remote.stream, message)
        return remote

    def _follow(self, remote: _Remote) -> None:
        remote.asked = time.monotonic()
        if remote.stream.outcome is not None:
            return
        self._remotes[remote.stream.id] = remote
        self._run("messages of others' streams", self._follow_messages)
        if self._logs is not None:
            self._run("logs of others' streams", self._follow_logs)

    def _run(self, name: str, loop: Any) -> None:
        running = self._loops.get(name)
        if running is None or running.done():
            work: Coroutine[Any, Any, None] = loop()
            self._loops[name] = self._tasks.start(work, name)

    # --- the text, as it comes ---

    async def _follow_logs(self) -> None:
        while self._remotes:
            await self._read_logs(tuple(self._remotes.values()))
            await asyncio.sleep(limits.REMOTE_POLL_SECONDS)

    async def _read_logs(self, remotes: Iterable[_Remote]) -> None:
        growing = {remote.stream.id: remote for remote in remotes if not remote.ended}
        if self._logs is None or not growing:
            return
        found = await self._logs.read({name: remote.stream.offset for name, remote in growing.items()})
        for name, logged in found.items():
            self._grow(growing[name], logged)

    def _grow(self, remote: _Remote, logged: Logged) -> None:
        """A log with a gap behind what is here has lost something: the message has it, or will have it soon."""
        stream = remote.stream
        if logged.start > stream.offset or stream.outcome is not None:
            return
        if fresh := logged.deltas[stream.offset - logged.start :]:
            stream.append(list(fresh), logged.cost_micro)
            remote.grew = time.monotonic()
        if logged.ended:
            remote.ended = True
            self._ending.set()

    # --- the end, and the text where no log brings it ---

    async def _follow_messages(self) -> None:
        while self._remotes:
            await self._until_due()
            try:
                await self._read_messages()
                await self._mark_again()
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
        """Of what is followed at this moment; the whole of a message only where it has something that is not here."""
        asked = dict(self._remotes)
        stored = await conversations.progress(self._database, list(asked))
        for name in asked.keys() - stored.keys():
            _give_up(asked[name].stream, HubError(Code.NOT_FOUND, "This answer was deleted"))
        wanted = [name for name, (status, deltas) in stored.items() if self._is_news(asked[name], status, deltas)]
        for at in range(0, len(wanted), limits.REMOTE_MESSAGES_AT_ONCE):
            await self._read_some(asked, wanted[at : at + limits.REMOTE_MESSAGES_AT_ONCE])

    def _is_news(self, remote: _Remote, status: str, deltas: int) -> bool:
        """Unless it has ended the log brings it sooner, if that brings anything."""
        if status != "streaming":
            return True
        silent = time.monotonic() - remote.grew >= limits.REMOTE_CHECK_SECONDS
        return deltas > remote.stream.offset and (self._logs is None or silent)

    async def _read_some(self, remotes: Mapping[str, _Remote], names: Sequence[str]) -> None:
        for message in await conversations.messages_of_streams(self._database, names):
            stream = remotes[message["stream"]].stream
            try:
                self._absorb(stream, message)
            except Exception:  # one that a newer version wrote must not keep the others from their end
                log.exception("an answer of another node cannot be read", stream=stream.id)
                _give_up(stream, HubError(Code.INTERNAL, "The answer cannot be read here"))

    def _absorb(self, stream: Stream, message: Document) -> None:
        """Take over what is stored: of a running answer what the log has not brought, of an ended one all and its end."""
        stored, has_ended = len(message["lengths"]), message["status"] != "streaming"
        if has_ended:
            del stream.deltas[stored:]
        if stored > stream.offset:
            stream.append(deltas_of(message, stream.offset), max(stream.cost_micro, self._cost_micro(message)))
        if has_ended and stream.outcome is None:
            stream.finish(outcome_of(message))

    def _cost_micro(self, message: Document) -> int:
        model, usage = self._catalogue.get(message["model"]), message["usage"]
        return 0 if model is None else charge_micro(model, usage["prompt_tokens"], usage["completion_tokens"])

    # --- what the owners of answers that end without a reader are told: they have one here ---

    async def _mark_first(self, remote: _Remote) -> None:
        if remote.stream.on_disconnect == "cancel" and _is_due(remote):
            remote.marked = time.monotonic()
            await followers.mark(self._database, remote.stream.id)

    async def _mark_again(self) -> None:
        ending = [remote for remote in self._remotes.values() if remote.stream.on_disconnect == "cancel"]
        if due := [remote for remote in ending if _is_due(remote)]:
            for remote in due:
                remote.marked = time.monotonic()
            await followers.mark_again(self._database, [remote.stream.id for remote in due])

    def _forget(self) -> None:
        moment = time.monotonic()
        for name, remote in tuple(self._remotes.items()):
            if moment - remote.since > limits.REMOTE_SECONDS_MAX:
                _give_up(remote.stream, HubError(Code.INTERNAL, "The answer broke off, and nobody has settled it"))
            lingers = remote.stream.followers or moment - remote.asked < limits.REMOTE_LINGER_SECONDS
            if remote.stream.outcome is not None or not lingers:
                del self._remotes[name]


def _is_due(remote: _Remote) -> bool:
    return time.monotonic() - remote.marked >= limits.FOLLOWED_SECONDS


def _give_up(stream: Stream, error: HubError) -> None:
    if stream.outcome is None:
        stream.finish(Outcome(None, Usage(0, 0), "counted", None, error=error))
