"""A stream by REST, whichever transport it began on: what it has beyond a cursor, and its end."""

from typing import Any, Final

from handlers.access import scope
from handlers.routing import Route
from handlers.sse import STREAM_ID, StreamHandler
from handlers.terms import Parameter, asks, whole_number
from hub.chat_records import receipt_view
from hub.fields import together
from hub.realtime.frames import error_view, usage_view
from hub.streams import Outcome, Stream

PATH: Final = "/api/streams/([A-Za-z0-9_]{1,64})"
_AFTER_MAX: Final = 10**9
AFTER: Final = Parameter("after", "How many deltas the caller has already", whole_number(0))
EPOCH: Final = Parameter("epoch", "Of which log they are, as the stream's headers told it")


class StreamState(StreamHandler):
    tells = STREAM_ID

    @scope("ai:read")
    @asks(AFTER, EPOCH)
    async def get(self, stream_id: str) -> None:
        """The text after `after` deltas. A cursor into another log (another `epoch`), or beyond what a crash left of this
        one, is void: all text is answered. Who asks again and again follows it: an answer that is to end without a reader
        goes on.
        """
        after, epoch = together(
            lambda: self.query_integer(AFTER.name, 0, 0, _AFTER_MAX), lambda: self.query(EPOCH.name)
        )
        stream = await self.services.chat.find(self.caller, stream_id, after)
        self.services.chat.prolong(stream)
        good = epoch in (None, stream.epoch) and after <= stream.offset
        self._show(stream, after if good else 0)

    @scope("ai:write")
    async def delete(self, stream_id: str) -> None:
        """Stop it, and tell what it came to once that is settled."""
        stream = await self.services.chat.stop(self.caller, stream_id)
        with self.following(stream) as tail:
            await tail.end()
        if not tail.closed:
            self._show(stream, 0)

    def _show(self, stream: Stream, after: int) -> None:
        self.set_header("X-Hub-Stream-Id", stream.id)
        self.set_header("X-Hub-Stream-Epoch", stream.epoch)
        self.answer(stream_view(stream, after))


def stream_view(stream: Stream, after: int) -> dict[str, Any]:
    view: dict[str, Any] = {
        "stream_id": stream.id,
        "epoch": stream.epoch,
        "offset": stream.offset,
        "status": "streaming",
        "content": stream.text(after),
        "finish_reason": None,
        "usage": None,
        "receipt": None,
    }
    return view if stream.outcome is None else {**view, **_ended(stream.outcome)}


def _ended(outcome: Outcome) -> dict[str, Any]:
    status = "failed" if outcome.error else "cancelled" if outcome.finish_reason == "cancelled" else "completed"
    return {
        "status": status,
        "finish_reason": outcome.finish_reason,
        "detail": outcome.detail,
        "usage": usage_view(outcome.usage),
        "receipt": receipt_view(outcome.receipt, outcome.usage_source),
        "error": error_view(outcome.error) if outcome.error else None,
    }


ROUTES = [Route(PATH, StreamState, ("smart_ai_hub",))]
