"""What documents look like in replies. Pure functions from a stored document to plain JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from config import limits
from hub.chat_records import outcome_of, receipt_view
from hub.errors import Code, HubError
from hub.ledger import balance_view
from hub.providers.base import Json, Usage
from hub.realtime.frames import error_view, usage_view
from hub.streams import Stream
from models.clock import timestamp
from models.database import Document

__all__ = ["balance_view", "conversation_view", "fitting", "message_view", "user_view"]


def user_view(user: Mapping[str, Any], user_id: str) -> Json:
    return {
        "id": user_id,
        "email": user.get("email"),
        "username": user.get("username"),
        "first_name": user.get("first_name", ""),
        "last_name": user.get("last_name", ""),
        "role": user.get("role"),
        "tier": user.get("tier"),
    }


def conversation_view(conversation: Document) -> Json:
    return {
        "id": conversation["_id"],
        "title": conversation["title"],
        "model": conversation["model"],
        "message_count": conversation["message_count"],
        "last_message": conversation["last_message"],
        "project_id": conversation.get("project"),
        "created_at": timestamp(conversation["created_at"]),
        "updated_at": timestamp(conversation["updated_at"]),
    }


def message_view(message: Document, running: Stream | None) -> Json:
    """A message; while it is being written, with the cursor at which `content` ends, to be resumed from."""
    view: Json = {
        "id": message["_id"],
        "role": message["role"],
        "content": _text(message["content"]),
        "status": message["status"],
        "created_at": timestamp(message["created_at"]),
    }
    if "stream" not in message:
        return view
    usage = message.get("usage")
    view |= {
        "model": message["model"],
        "stream_id": message["stream"],
        "epoch": message["epoch"],
        "offset": len(message.get("lengths", ())),
        "finish_reason": message.get("finish_reason"),
        "detail": message.get("detail"),
        "usage": usage_view(Usage(usage["prompt_tokens"], usage["completion_tokens"])) if usage else None,
        "receipt": _receipt(message),
        "rating": message.get("rating"),
    }
    if message.get("error"):
        view["error"] = error_view(outcome_of(message).error or HubError(Code.INTERNAL, "The answer broke off"))
    if running is not None and message["status"] == "streaming":
        view["content"], view["offset"] = running.text(), running.offset
    return view


def _receipt(message: Document) -> Json | None:
    if not message.get("receipt"):
        return None
    outcome = outcome_of(message)
    return receipt_view(outcome.receipt, outcome.usage_source)


def _text(content: Any) -> str:
    """What a program sent in parts is shown as its text."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def fitting(newest_last: Sequence[Json]) -> list[Json]:
    """As many of the last items as one reply carries, at least one."""
    size, start = 0, len(newest_last)
    while start > 0:
        size += len(orjson.dumps(newest_last[start - 1]))
        if size > limits.REPLY_BYTES_MAX and start < len(newest_last):
            break
        start -= 1
    return list(newest_last[start:])
