"""A connection's cursor into one stream. Everything beyond the cursor becomes the next frame, whenever that is."""

from collections.abc import Callable

from config import limits
from hub.providers.base import Delta
from hub.realtime import frames
from hub.realtime.outbox import Outbox
from hub.streams import Stream


class Follower:
    """Follows a stream for an outbox from `after` on; calls `ended` once its outcome was handed over."""

    __slots__ = ("_cursor", "_encoder", "_ended", "_finished", "_outbox", "_wake_outbox", "stream")

    def __init__(self, stream: Stream, after: int, outbox: Outbox, ended: Callable[["Follower"], None]) -> None:
        assert 0 <= after <= stream.offset, "a cursor lies inside its log"
        self.stream = stream
        self._cursor = after
        self._outbox = outbox
        self._ended = ended
        self._finished = False
        self._encoder = frames.DeltaEncoder(stream.id)
        self._wake_outbox = self._wake  # one bound method, so that `unfollow` finds what `follow` was given

    def start(self) -> None:
        self.stream.follow(self._wake_outbox)
        self._wake()

    def stop(self) -> None:
        self._finished = True
        self.stream.unfollow(self._wake_outbox)
        self._outbox.forget(self)

    def _wake(self) -> None:
        self._outbox.dirty(self)

    def take(self) -> bytes:
        """The next frame: merged deltas, then the outcome, then nothing."""
        if self._finished:
            return b""
        deltas, cursor = self.stream.deltas, self._cursor
        if cursor + 1 == len(deltas):  # one delta is the usual case
            return self._encode(cursor + 1, deltas[cursor].content, deltas[cursor])
        if cursor < len(deltas):
            return self._merge(deltas, cursor)
        return self._finish()

    def _merge(self, deltas: list[Delta], start: int) -> bytes:
        """As many deltas as fit one frame. One with `extra` stands alone, for there is no way to join two."""
        first = deltas[start]
        if first.extra is not None:
            return self._encode(start + 1, first.content, first)
        end, chars = start, 0
        while end < len(deltas) and deltas[end].extra is None and chars < limits.DELTA_CHARS_MAX:
            chars += len(deltas[end].content)
            end += 1
        return self._encode(end, "".join([delta.content for delta in deltas[start:end]]), first)

    def _encode(self, cursor: int, content: str, first: Delta) -> bytes:
        self._cursor = cursor
        return self._encoder.encode(cursor, content, self.stream.cost_micro, first.extra)

    def _finish(self) -> bytes:
        outcome = self.stream.outcome
        if outcome is None:
            return b""
        self.stop()
        self._ended(self)
        return frames.outcome_frame(self.stream, outcome)
