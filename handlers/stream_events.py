"""`GET /api/streams/{id}/events`: any stream of one's own as server-sent events, from any point of it.

The data are the WebSocket's pushes (`chat.delta`, `chat.completed`, `chat.failed`), each with `id: <epoch>:<offset>`, so
that a browser's `EventSource` resumes by itself through `Last-Event-ID`.
"""

import orjson

from handlers import streams
from handlers.access import scope
from handlers.routing import Route
from handlers.sse import StreamHandler, relay, stream_headers
from handlers.streams import AFTER, EPOCH
from handlers.terms import EVENTS, answers, asks, header
from hub.errors import Code, HubError
from hub.fields import together
from hub.providers.base import Delta
from hub.realtime import frames
from hub.streams import Outcome, Stream

_OFFSET_DIGITS_MAX = 9
_LAST_EVENT = header("Last-Event-ID", "`<epoch>:<offset>` of the last event that the caller has")


class PushEncoder:
    """The WebSocket's pushes as events; deltas that come together are merged into one."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._encoder = frames.DeltaEncoder(stream.id)

    def begin(self) -> bytes:
        return b""

    def deltas(self, deltas: list[Delta], offset: int) -> bytes:
        if all(delta.extra is None for delta in deltas):
            return self._delta("".join([delta.content for delta in deltas]), offset, None)
        first = offset - len(deltas) + 1
        return b"".join([self._delta(delta.content, first + n, delta) for n, delta in enumerate(deltas)])

    def _delta(self, content: str, offset: int, delta: Delta | None) -> bytes:
        extra = delta.extra if delta is not None else None
        return self._event(self._encoder.payload(offset, content, self._stream.cost_micro, extra), offset)

    def end(self, outcome: Outcome) -> bytes:
        return self._event(orjson.dumps(frames.outcome_view(self._stream, outcome)), self._stream.offset)

    def _event(self, payload: bytes, offset: int) -> bytes:
        return b"id: %b:%d\ndata: %b\n\n" % (self._stream.epoch.encode(), offset, payload)


class StreamEvents(StreamHandler):
    """Follows a stream that was begun elsewhere; hanging up stops nothing that was to continue."""

    @scope("ai:read")
    @asks(AFTER, EPOCH, _LAST_EVENT)
    @answers(200, EVENTS, enveloped=False)
    async def get(self, stream_id: str) -> None:
        """The WebSocket's pushes of a stream as server-sent events, from any point of it."""
        epoch, after = self._cursor()
        stream = await self.services.chat.find(self.caller, stream_id, after)
        if epoch not in (None, stream.epoch) or after > stream.offset:
            after = 0  # a cursor into another log: everything from the beginning, as the first event's id shows
        stream_headers(self, stream, repeated=False)
        encoder = PushEncoder(stream)
        await relay(self, stream, encoder, after=after, early_failure_is_status=False)

    def _cursor(self) -> tuple[str | None, int]:
        """`Last-Event-ID: <epoch>:<offset>`, else `?after=` and `?epoch=`. Raises `HubError` MALFORMED or INVALID."""
        last = self.header(_LAST_EVENT.name)
        if last is None:
            epoch, after = together(
                lambda: self.query(EPOCH.name), lambda: self.query_integer(AFTER.name, 0, 0, 10**_OFFSET_DIGITS_MAX)
            )
            return epoch, after
        epoch, _, offset = last.partition(":")
        if not epoch.isalnum() or not offset.isascii() or not offset.isdigit() or len(offset) > _OFFSET_DIGITS_MAX:
            raise HubError(Code.MALFORMED, "Last-Event-ID must be <epoch>:<offset>")
        return epoch, int(offset)


ROUTES = (Route(streams.PATH + "/events", StreamEvents, ("smart_ai_hub",)),)
