"""Conversations and their messages as the AI Assistant shows them, and as files: JSON, and Markdown to be read by people."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from handlers.terms import JSON
from hub.realtime import views
from hub.streams import Stream
from models.database import Document

MARKDOWN: Final = "text/markdown"
Json = dict[str, Any]


def message_view(message: Document, running: Stream | None) -> Json:
    """An answer tells what it was made by and what it cost; one that is still being written has what there is of it."""
    shown = views.message_view(message, running)
    view = {name: shown[name] for name in ("id", "role", "content", "status", "created_at")}
    if "stream" not in message:
        return view
    usage, receipt = shown["usage"] or {}, shown["receipt"] or {}
    view |= {
        "model": shown["model"],
        "stream_id": shown["stream_id"],
        "finish_reason": shown["finish_reason"],
        "tokens_used": usage.get("total_tokens", 0),
        "credits_consumed": receipt.get("charged", 0),
        "rating": message.get("rating"),
    }
    return view | ({"error": shown["error"]} if "error" in shown else {})


class JsonFile:
    """`{"conversation": {...}, "messages": [...]}`, written message by message."""

    ending = "json"
    media = JSON
    _before = b""

    def begin(self, conversation: Document) -> bytes:
        return orjson.dumps({"conversation": views.conversation_view(conversation)})[:-1] + b',"messages":['

    def message(self, view: Json) -> bytes:
        before, self._before = self._before, b","
        return before + orjson.dumps(view)

    def end(self) -> bytes:
        return b"]}"


class MarkdownFile:
    """A heading for the conversation and one for each turn; what was said stands below as it is."""

    ending = "md"
    media = f"{MARKDOWN}; charset=utf-8"

    def begin(self, conversation: Document) -> bytes:
        view = views.conversation_view(conversation)
        return f"# {view['title']}\n\n*{view['created_at']}, {view['model']}*\n".encode()

    def message(self, view: Json) -> bytes:
        who = view.get("model") or {"user": "You"}.get(view["role"], view["role"].capitalize())
        unlike_whole = "" if view["status"] == "complete" else f" ({view['status']})"
        return f"\n## {who}{unlike_whole}\n\n*{view['created_at']}*\n\n{view['content']}\n".encode()

    def end(self) -> bytes:
        return b""


FILES: Final[dict[str, Callable[[], JsonFile | MarkdownFile]]] = {"json": JsonFile, "markdown": MarkdownFile}
