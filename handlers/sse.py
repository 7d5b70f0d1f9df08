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

    tail: Tail | None = None

    def on_connection_close(self) -> None:
        super().on_connection_close()
        if self.tail is not None:
            self.tail.hang_up()


async def outcome_of(handler: StreamHandler, chat: Chat, stream: Stream) -> Outcome | None:
    """How the stream ended, however long that takes; None when the client has gone.

    Raises the `HubError` of a generation that failed.
    """
    handler.tail = tail = Tail(stream)
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

    Raises the `HubError` of a generation that failed before its first delta, unless that is to be an event too.
    """
    handler.tail = tail = Tail(stream)
    try:
        await tail.beyond(after)
        failed = stream.outcome is not None and stream.outcome.error
        if failed and not stream.deltas and early_failure_is_status:
            raise failed
        _begin(handler, stream)
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


def _begin(handler: RequestHandler, stream: Stream) -> None:
    handler.set_status(200)
    handler.set_header("Content-Type", "text/event-stream; charset=utf-8")
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("X-Accel-Buffering", "no")


async def _relay(handler: StreamHandler, stream: Stream, tail: Tail, encoder: SseEncoder, cursor: int) -> None:
    handler.write(encoder.begin())
    heart = _Heart(handler)
    try:
        while not tail.closed:
            deltas, outcome = stream.deltas[cursor:], stream.outcome
            if deltas:
                cursor += len(deltas)
                handler.write(encoder.deltas(deltas, cursor))
            if outcome is not None:
                handler.write(encoder.end(outcome))
                return
            await handler.flush()
            heart.beaten = time.monotonic()
            await tail.beyond(cursor)
    finally:
        heart.stop()


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
