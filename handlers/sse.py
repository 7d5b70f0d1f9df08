"""A stream over HTTP: as server-sent events while it runs, or as one answer at its end.

    Stream (log) --cursor--> encoder of the API --bytes--> Outbox --> socket     one write per wake-up, whatever it brings

Deltas go from the generation's task straight into the socket, by the same bounded queue that WebSockets have: no task is
woken for them, and a client that reads slowly costs its cursor. The response begins with the first delta: a generation that
fails before it is an ordinary error with its status. A client that hangs up is a follower that has left; what becomes of the
generation is for `hub/chat.py` to say.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Protocol

from tornado.iostream import IOStream, StreamClosedError

from config import limits
from handlers.base import ApiHandler
from handlers.write_through import write_through
from hub.chat import Chat
from hub.errors import HubError
from hub.providers.base import Delta, Trail, Usage
from hub.realtime.outbox import Outbox
from hub.streams import Outcome, Stream

HEARTBEAT: Final = b": ping\n\n"  # a comment: no event, and no `id:` line, which would break OpenAI's decoder
DONE: Final = b"data: [DONE]\n\n"


class SseEncoder(Protocol):
    """How one API writes the events of a stream. Every method returns complete events."""

    def begin(self) -> bytes:
        """What comes before the first delta."""
        ...

    def deltas(self, deltas: list[Delta], offset: int) -> bytes:
        """`offset` counts the deltas up to and with the last of these."""
        ...

    def end(self, outcome: Outcome) -> bytes:
        """What comes after the last delta: the finish, or one error."""
        ...


class Tail:
    """Waits for a stream's next news; one per reader, and cheap to wait with again and again."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._news: asyncio.Future[None] | None = None
        self._wake_me = self._wake
        self.on_news: Callable[[], None] | None = None  # called instead of ending a wait
        self.closed = False
        self.refused: HubError | None = None
        stream.follow(self._wake_me)

    def _wake(self) -> None:
        if self.on_news is not None:
            self.on_news()
        elif self._news is not None and not self._news.done():
            self._news.set_result(None)

    def hang_up(self) -> None:
        """The client has gone: whoever waits returns."""
        self.closed = True
        self._wake()

    def refuse(self, error: HubError) -> None:
        """The client may read no more, and is told why."""
        self.refused = error
        self._wake()

    async def beyond(self, cursor: int) -> None:
        """Return when the log goes beyond `cursor`, the stream has ended, or the client has gone. Raises `HubError`."""
        while len(self._stream.deltas) <= cursor and not self._is_over:
            await self._next()
        self._check()

    async def end(self) -> None:
        """Return when the stream has ended or the client has gone. Raises `HubError`."""
        while not self._is_over:
            await self._next()
        self._check()

    @property
    def _is_over(self) -> bool:
        return self._stream.outcome is not None or self.closed or self.refused is not None

    async def _next(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        await self._news

    def _check(self) -> None:
        if self.refused is not None:
            raise self.refused

    def leave(self, chat: Chat) -> None:
        self._stream.unfollow(self._wake_me)
        chat.left(self._stream)


STREAM_ID: Final = ("X-Hub-Stream-Id", "X-Hub-Stream-Epoch")
TRAIL: Final = ("X-Hub-Route", "X-Hub-Attempts", "X-Hub-Overhead-Ms", "X-Hub-Sandbox")


class StreamHandler(ApiHandler):
    """A handler that answers with a stream: hears of a client that hangs up."""

    tells: ClassVar[Sequence[str]] = (*STREAM_ID, *TRAIL)
    _tail: Tail | None = None
    _hung_up = False

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._hung_up = True
        if self._tail is not None:
            self._tail.hang_up()

    @contextmanager
    def following(self, stream: Stream) -> Iterator[Tail]:
        """The client's place in the stream for as long as the block runs. It may have hung up while the stream was being
        started, and is refused more of it when its credential is withdrawn.
        """
        self._tail = tail = Tail(stream)
        tail.closed = self._hung_up
        reader = self.services.readers.add(self.caller, tail.refuse)
        try:
            yield tail
        finally:
            self.services.readers.remove(reader)
            tail.leave(self.services.chat)


async def outcome_of(handler: StreamHandler, stream: Stream) -> Outcome | None:
    """How the stream ended, however long that takes; None when the client has gone.

    Raises the `HubError` of a generation that failed.
    """
    with handler.following(stream) as tail:
        await tail.end()
    trail_headers(handler, stream.trail)
    if stream.outcome is not None and stream.outcome.error is not None:
        raise stream.outcome.error
    return None if tail.closed else stream.outcome


async def relay(
    handler: StreamHandler,
    stream: Stream,
    encoder: SseEncoder,
    *,
    after: int = 0,
    early_failure_is_status: bool = True,
) -> None:
    """Write a stream's events as they come, from the delta after `after` to the end.

    Raises the `HubError` of a generation that failed before its first delta, unless that is to be an event too: then
    the answer begins at once, whenever the first event comes.
    """
    with handler.following(stream) as tail:
        if early_failure_is_status:
            await tail.beyond(after)
            trail_headers(handler, stream.trail)
            if stream.outcome is not None and stream.outcome.error and not stream.deltas:
                raise stream.outcome.error
        _begin(handler)
        try:
            await _Relay(handler, stream, tail, encoder, after).run()
        except StreamClosedError:
            pass  # the client has gone between two writes


def stream_headers(handler: ApiHandler, stream: Stream, *, repeated: bool) -> None:
    """What every answer made of a stream carries: how to resume it, and whether it is real."""
    handler.set_header("X-Hub-Stream-Id", stream.id)
    handler.set_header("X-Hub-Stream-Epoch", stream.epoch)
    if stream.sandbox:
        handler.set_header("X-Hub-Sandbox", "true")
    if repeated:
        handler.set_header("Idempotency-Hit", "true")


def trail_headers(handler: ApiHandler, trail: Trail) -> None:
    """Who answered, how often somebody was asked, and what the hub itself took until the answer began, in milliseconds.

    A failure has them too. Of a stream of another node, or of an earlier one, they are not known, and where nobody was
    asked there is nothing to tell.
    """
    if trail.attempts:
        handler.keep_header("X-Hub-Route", trail.route)
        handler.keep_header("X-Hub-Attempts", str(trail.attempts))
    if trail.overhead_seconds is not None:
        handler.keep_header("X-Hub-Overhead-Ms", f"{trail.overhead_seconds * 1_000:.1f}")


def _begin(handler: ApiHandler) -> None:
    handler.set_status(200)
    handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("X-Accel-Buffering", "no")


class _Relay:
    """Writes one response: a source of its outbox, with a cursor into the stream."""

    def __init__(self, handler: StreamHandler, stream: Stream, tail: Tail, encoder: SseEncoder, cursor: int) -> None:
        self._handler = handler
        self._stream = stream
        self._tail = tail
        self._encoder = encoder
        self._cursor = cursor
        connection: Any = handler.request.connection
        self._socket: IOStream = connection.stream
        self._chunked = handler.request.version != "HTTP/1.0"
        self._outbox = Outbox(self, self._socket.close)
        self._over = asyncio.get_running_loop().create_future()
        self.wrote_at = time.monotonic()

    async def run(self) -> None:
        """Return when all is written or the client has gone."""
        self._handler.write(self._encoder.begin() + self._events())
        heart = _Heart(self)
        try:
            if not self._over.done():
                await sent(self._handler, self._handler.flush())
                self._tail.on_news = self._news
                self._news()
                await self._over
            if not self._tail.closed:
                await sent(self._handler, self._handler.finish())
        finally:
            heart.stop()
            self._outbox.close()

    def _news(self) -> None:
        if self._tail.closed:
            self._end()
        else:
            self._outbox.dirty(self)

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _events(self) -> bytes:
        """What comes next: deltas, as many as one write should have, then the end, then nothing."""
        stream = self._stream
        if self._tail.refused is not None:
            return self._refusal(self._tail.refused)
        deltas = self._deltas()
        self._cursor += len(deltas)
        events = self._encoder.deltas(deltas, self._cursor) if deltas else b""
        if stream.outcome is not None and self._cursor >= stream.offset and not self._over.done():
            self._end()
            events += self._encoder.end(stream.outcome)
        return events

    def _refusal(self, error: HubError) -> bytes:
        """The end of what this client may read, once."""
        if self._over.done():
            return b""
        self._end()
        return self._encoder.end(Outcome(None, Usage(0, 0), "counted", None, error=error))

    def _deltas(self) -> list[Delta]:
        """As many as one write should have; a single one may be longer than that."""
        deltas = self._stream.deltas[self._cursor : self._cursor + limits.SSE_DELTAS_AT_ONCE]
        chars = 0
        for number, delta in enumerate(deltas):
            chars += len(delta.content)
            if chars > limits.DELTA_CHARS_MAX:
                return deltas[: max(1, number)]
        return deltas

    def take(self) -> bytes:
        events = self._events()
        return self._framed(events) if events else b""

    def _framed(self, events: bytes) -> bytes:
        """As one chunk of the chunked transfer coding (RFC 9112, section 7.1); HTTP/1.0 has none."""
        return b"%x\r\n%b\r\n" % (len(events), events) if self._chunked else events

    def write(self, data: bytes) -> "asyncio.Future[None] | None":
        self.wrote_at = time.monotonic()
        return write_through(self._socket, data)

    def beat(self) -> None:
        if not self._socket.writing():
            self._outbox.push(self._framed(HEARTBEAT))


async def sent(handler: ApiHandler, writing: asyncio.Future[None]) -> None:
    """Wait until the kernel has taken what was written. A client that takes nothing for too long is cut off: a close
    would wait behind what it does not read. Raises `StreamClosedError`."""
    if not writing.done():  # the usual case needs no timer
        await asyncio.wait([writing], timeout=limits.WRITE_SECONDS_MAX)
    if not writing.done():
        connection: Any = handler.request.connection
        connection.stream.close()
    await writing


class _Heart:
    """Has a comment written when nothing was for a while, so that no proxy takes the silence for an end."""

    def __init__(self, relay: _Relay) -> None:
        self._relay = relay
        self._timer = self._wait(limits.SSE_HEARTBEAT_SECONDS)

    def _wait(self, seconds: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._beat)

    def _beat(self) -> None:
        silent = time.monotonic() - self._relay.wrote_at
        if silent >= limits.SSE_HEARTBEAT_SECONDS:
            self._relay.beat()
            silent = 0.0
        self._timer = self._wait(limits.SSE_HEARTBEAT_SECONDS - silent)

    def stop(self) -> None:
        self._timer.cancel()
