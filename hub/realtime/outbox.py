"""The outgoing queue of one connection: bounded, without a task, and the only writer of frames to its socket.

    replies, events --push()-->  frames   in order, bounded; too many: the connection is too slow    \\
    balance, metrics --state()-> state    the newest of each type                                     > pump() -> wire
    followers --dirty()------->  streams  a cursor each; all since the cursor becomes one frame      /

While the socket takes everything, a frame goes straight into it, and no lane is touched. Once bytes stay behind, nothing
is written until they have left, and what happens meanwhile is merged instead of stored: a slow client costs its cursor. A
connection whose bytes do not leave in time is cut.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from config import limits
from hub.realtime.wire import Sink

log = structlog.get_logger(__name__)

_ALREADY_SENT: Final = b""


class Source(Protocol):
    """A stream's follower, as the queue sees it."""

    def take(self) -> bytes:
        """The next frame and the cursor behind it; empty when there is nothing more for now."""
        ...


class Outbox:
    """One connection's three lanes. `too_slow` is called once when it must be cut.

    `_free`: it may write, and the lanes are empty but while they are being pumped, which nothing pushes into.
    """

    __slots__ = ("_closed", "_deadline", "_dirty", "_frames", "_free", "_state", "_too_slow", "_wire", "queued_bytes")

    def __init__(self, wire: Sink, too_slow: Callable[[], None]) -> None:
        self._wire = wire
        self._too_slow = too_slow
        self._frames: deque[bytes] | None = None  # made when a frame first has to wait: an empty one takes 0.6 KiB
        self._state: dict[str, bytes] = {}
        self._dirty: dict[Source, None] = {}
        self._deadline: asyncio.TimerHandle | None = None
        self._free = True
        self._closed = False
        self.queued_bytes = 0  # in the first two lanes; streams keep their own log

    def push(self, frame: bytes) -> None:
        """Send a reply or an event, in order."""
        if self._free:
            left = self._wire.write(frame)  # as `_write` does, but without a call more for each of thousands
            if left is not None:
                self._wait(left, len(frame))
        elif not self._closed:
            self._queue(frame)

    def _queue(self, frame: bytes) -> None:
        if self._frames is None:
            self._frames = deque()
        if not self._fits(len(frame)) or len(self._frames) >= limits.QUEUE_ITEMS_MAX:
            self._give_up()
            return
        self._frames.append(frame)
        self.queued_bytes += len(frame)

    def state(self, key: str, frame: bytes) -> None:
        """Send a state of which only the newest counts."""
        if self._free:
            self._write(frame)
        elif not self._closed:
            self._replace(key, frame)

    def _replace(self, key: str, frame: bytes) -> None:
        older = len(self._state.get(key, b""))
        if not self._fits(len(frame) - older):
            self._give_up()
            return
        self._state[key] = frame
        self.queued_bytes += len(frame) - older

    def dirty(self, source: Source) -> None:
        """There is more to send from this stream."""
        if self._free:
            self._pump(source.take)
        if not (self._free or self._closed):
            self._dirty[source] = None

    def forget(self, source: Source) -> None:
        """Nothing more of this stream."""
        self._dirty.pop(source, None)

    def close(self) -> None:
        """Drop what is queued and send nothing more."""
        self._closed = True
        self._free = False
        self._frames = None
        self._state.clear()
        self._dirty.clear()
        self.queued_bytes = 0
        self._stop_clock()

    def _fits(self, more: int) -> bool:
        """One frame alone always fits: a reply is bounded by whoever makes it."""
        return self.queued_bytes == 0 or self.queued_bytes + more <= limits.QUEUE_BYTES_MAX

    def _pump(self, take: Callable[[], bytes]) -> None:
        """Write while the socket takes everything. Runs inside whoever had something to send, so nothing gets out."""
        try:
            while self._free and (data := take()):
                self._write(data)
        except Exception:  # a stream's task must not end because one of its followers could not be served
            log.exception("sending failed")
            self._give_up()

    def _write(self, data: bytes) -> None:
        left = self._wire.write(data)
        if left is not None:
            self._wait(left, len(data))

    def _next(self) -> bytes:
        if self._frames:
            return self._next_frames(self._frames)
        if self._state:
            return self._next_state()
        return self._next_streams() if self._dirty else _ALREADY_SENT

    def _next_frames(self, frames: deque[bytes]) -> bytes:
        """Up to a write's worth of them at once: a system call costs more than joining."""
        data = frames.popleft()
        if frames:
            parts, size = [data], len(data)
            while frames and size + len(frames[0]) <= limits.WRITE_BYTES:
                parts.append(frames.popleft())
                size += len(parts[-1])
            data = b"".join(parts)
        self.queued_bytes -= len(data)
        return data

    def _next_state(self) -> bytes:
        data = b"".join(self._state.values())
        self._state.clear()
        self.queued_bytes -= len(data)
        return data

    def _next_streams(self) -> bytes:
        """One frame of each stream that has more, in turn; one that has no more leaves the lane."""
        if len(self._dirty) == 1:
            (source,) = self._dirty
            data = source.take()
            if not data:
                self._dirty.pop(source, None)
            return data
        parts = []
        for source in tuple(self._dirty):
            part = source.take()
            if part:
                parts.append(part)
            else:
                self._dirty.pop(source, None)
        return b"".join(parts)

    def _wait(self, left: "asyncio.Future[None]", size: int) -> None:
        """Bytes stayed behind: go on when they have left, and not much later than that."""
        self._free = False
        seconds = limits.WRITE_SECONDS_MAX * (1 + size // limits.WRITE_BYTES_PER_DEADLINE)
        self._deadline = asyncio.get_running_loop().call_later(seconds, self._give_up)
        left.add_done_callback(self._left)

    def _left(self, left: "asyncio.Future[None]") -> None:
        self._stop_clock()
        if self._closed or left.cancelled() or left.exception() is not None:
            return  # the socket is gone, and its owner hears of that by itself
        self._free = True
        self._pump(self._next)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self._closed:
            self.close()
            self._too_slow()
