"""A stream read by REST: what it has beyond a cursor, whichever transport it began on."""

from typing import Any, Final

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.routing import Route
from hub.chat_records import receipt_view
from hub.realtime.frames import error_view, usage_view
from hub.streams import Outcome, Stream

PATH: Final = "/api/streams/([A-Za-z0-9_]{1,64})"
_AFTER_MAX: Final = 10**9


class StreamState(ApiHandler):
    """The text after `after` deltas. A cursor into another log (another `epoch`), or beyond what a crash left of this one,
    is void: all text is answered. Who asks again and again follows it: an answer that is to end without a reader goes on."""

    @scope("ai:read")
    async def get(self, stream_id: str) -> None:
        after = self.query_integer("after", 0, 0, _AFTER_MAX)
        epoch = self.query("epoch")
        stream = await self.services.chat.find(self.caller, stream_id)
        self.services.chat.prolong(stream)
        self.set_header("X-Hub-Stream-Id", stream.id)
        self.set_header("X-Hub-Stream-Epoch", stream.epoch)
        good = epoch in (None, stream.epoch) and after <= stream.offset
        self.answer(stream_view(stream, after if good else 0))


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
