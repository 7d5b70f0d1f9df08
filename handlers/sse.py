"""A stream over HTTP: as server-sent events while it runs, or as one answer at its end.

    Stream (log) --cursor--> encoder of the API --bytes--> socket      one write per wake-up, whatever it brings

The response begins with the first delta: a generation that fails before it is an ordinary error with its status. A client
that hangs up is a follower that has left; what becomes of the generation is for `hub/chat.py` to say.
"""

import asyncio
import time
from typing import Any, Final, Protocol

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from config import limits
from hub.chat import Chat
from hub.providers.base import Delta
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
        self.closed = False
        stream.follow(self._wake_me)

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def hang_up(self) -> None:
        """The client has gone: whoever waits returns."""
        self.closed = True
        self._wake()

    async def beyond(self, cursor: int) -> None:
        """Return when the log goes beyond `cursor`, the stream has ended, or the client has gone."""
        stream = self._stream
        while len(stream.deltas) <= cursor and stream.outcome is None and not self.closed:
            self._news = asyncio.get_running_loop().create_future()
            await self._news

    async def end(self) -> None:
        """Return when the stream has ended or the client has gone."""
        while self._stream.outcome is None and not self.closed:
            self._news = asyncio.get_running_loop().create_future()
            await self._news

    def leave(self, chat: Chat) -> None:
        self._stream.unfollow(self._wake_me)
        chat.left(self._stream)


class StreamHandler(RequestHandler):
    """Mixed into a handler that answers with a stream: hears of a client that hangs up."""

    _tail: Tail | None = None
    _hung_up = False

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self._hung_up = True
        if self._tail is not None:
            self._tail.hang_up()

    def follow(self, stream: Stream) -> Tail:
        """The client's place in the stream; it may have hung up while the stream was being started."""
        self._tail = tail = Tail(stream)
        tail.closed = self._hung_up
        return tail


async def outcome_of(handler: StreamHandler, chat: Chat, stream: Stream) -> Outcome | None:
    """How the stream ended, however long that takes; None when the client has gone.

    Raises the `HubError` of a generation that failed.
    """
    tail = handler.follow(stream)
    try:
        await tail.end()
    finally:
        tail.leave(chat)
    if stream.outcome is not None and stream.outcome.error is not None:
        raise stream.outcome.error
    return None if tail.closed else stream.outcome


async def relay(
    handler: StreamHandler,
    chat: Chat,
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
    tail = handler.follow(stream)
    try:
        if early_failure_is_status:
            await tail.beyond(after)
            if stream.outcome is not None and stream.outcome.error and not stream.deltas:
                raise stream.outcome.error
        _begin(handler)
        await _relay(handler, stream, tail, encoder, after)
    except StreamClosedError:
        pass  # the client has gone between two writes
    finally:
        tail.leave(chat)


def stream_headers(handler: RequestHandler, stream: Stream, *, repeated: bool) -> None:
    """What every answer made of a stream carries: how to resume it, and whether it is real."""
    handler.set_header("X-Hub-Stream-Id", stream.id)
    handler.set_header("X-Hub-Stream-Epoch", stream.epoch)
    if stream.sandbox:
        handler.set_header("X-Hub-Sandbox", "true")
    if repeated:
        handler.set_header("Idempotency-Hit", "true")


def _begin(handler: RequestHandler) -> None:
    handler.set_status(200)
    handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("X-Accel-Buffering", "no")


async def _relay(handler: StreamHandler, stream: Stream, tail: Tail, encoder: SseEncoder, cursor: int) -> None:
    handler.write(encoder.begin())
    heart = _Heart(handler)
    try:
        while not tail.closed:
            deltas = stream.deltas[cursor : cursor + limits.SSE_DELTAS_AT_ONCE]
            if deltas:
                cursor += len(deltas)
                handler.write(encoder.deltas(deltas, cursor))
            if stream.outcome is not None and cursor >= stream.offset:
                await _sent(handler, handler.finish(encoder.end(stream.outcome)))
                return
            await _sent(handler, handler.flush())
            heart.beaten = time.monotonic()
            await tail.beyond(cursor)
    finally:
        heart.stop()


async def _sent(handler: StreamHandler, writing: asyncio.Future[None]) -> None:
    """Wait until the kernel has taken what was written. A client that takes nothing for too long is cut off: a close
    would wait behind what it does not read. Raises `StreamClosedError`."""
    if not writing.done():  # the usual case needs no timer
        await asyncio.wait([writing], timeout=limits.SSE_WRITE_SECONDS_MAX)
    if not writing.done():
        connection: Any = handler.request.connection
        connection.stream.close()
    await writing


class _Heart:
    """Writes a comment when nothing was written for a while, so that no proxy takes the silence for an end."""

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler
        self.beaten = time.monotonic()
        self._timer = self._wait(limits.SSE_HEARTBEAT_SECONDS)

    def _wait(self, seconds: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, self._beat)

    def _beat(self) -> None:
        silent = time.monotonic() - self.beaten
        if silent >= limits.SSE_HEARTBEAT_SECONDS:
            self.beaten = time.monotonic()
            connection: Any = self._handler.request.connection
            if not connection.stream.closed() and not connection.stream.writing():
                connection.write(HEARTBEAT)
            silent = 0.0
        self._timer = self._wait(limits.SSE_HEARTBEAT_SECONDS - silent)

    def stop(self) -> None:
        self._timer.cancel()
