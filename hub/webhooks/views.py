"""How deliveries and their attempts are shown to their owner: by REST and, live, on the WebSocket."""

from typing import Any

from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]


def delivery_view(delivery: Document) -> Json:
    """A delivery with its attempts, the last one first; with its payload where that was read."""
    payload = {"payload": delivery["body"]} if "body" in delivery else {}
    ended = delivery.get("ended_at")
    return {
        "id": delivery["_id"],
        "webhook_id": delivery["endpoint"],
        "message_id": delivery["webhook_id"],
        "event": delivery["event"],
        "status": delivery["status"],
        "tries": delivery["tries"],
        "attempts": [_attempt(made) for made in reversed(delivery["attempts"])],
        "event_at": timestamp(delivery["event_at"]),
        "created_at": timestamp(delivery["created_at"]),
        "ended_at": None if ended is None else timestamp(ended),
        **payload,
    }


def attempt_view(endpoint: Document, delivery: Document, made: Document, status: str) -> Json:
    """The live push of one attempt. `status` is the delivery's after it."""
    return {
        "webhook_id": endpoint["_id"],
        "delivery_id": delivery["_id"],
        "event": delivery["event"],
        "delivery_status": status,
        "tries": delivery["tries"] + 1,
        "attempt": _attempt(made),
    }


def _attempt(made: Document) -> Json:
    return {**made, "at": timestamp(made["at"])}
