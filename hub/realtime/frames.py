"""The frames that leave: replies, pushes and how errors, receipts and outcomes look in them.

Plain functions from facts to bytes; nothing here sends. `chat.delta` is built by hand, because it is most of what the
hub sends; everything else goes through orjson.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from hub.chat_records import receipt_view
from hub.errors import Code, HubError
from hub.prices import credits_number
from hub.providers.base import Json, Usage
from hub.realtime.wire import text_frame
from hub.streams import Outcome, Stream
from models.clock import timestamp

CommandId = int | str

# The WebSocket's words for what went wrong: Smart AI Hub's documented codes and a few beyond them. Total.
ERROR_CODES: Final[Mapping[Code, str]] = {
    Code.MALFORMED: "VALIDATION_ERROR",
    Code.INVALID: "VALIDATION_ERROR",
    Code.TOO_LARGE: "VALIDATION_ERROR",
    Code.UNAUTHENTICATED: "AUTHENTICATION_FAILED",
    Code.BAD_CREDENTIALS: "AUTHENTICATION_FAILED",
    Code.FORBIDDEN: "AUTHORIZATION_FAILED",
    Code.NOT_FOUND: "RESOURCE_NOT_FOUND",
    Code.MODEL_NOT_FOUND: "RESOURCE_NOT_FOUND",
    Code.METHOD_NOT_ALLOWED: "VALIDATION_ERROR",
    Code.CONFLICT: "RESOURCE_CONFLICT",
    Code.IN_FLIGHT: "RESOURCE_CONFLICT",
    Code.KEY_REUSED: "VALIDATION_ERROR",
    Code.INSUFFICIENT_CREDITS: "INSUFFICIENT_CREDITS",
    Code.RATE_LIMITED: "RATE_LIMIT_EXCEEDED",
    Code.PROVIDER_FAILED: "SERVICE_UNAVAILABLE",
    Code.PROVIDER_REFUSED: "VALIDATION_ERROR",
    Code.UNAVAILABLE: "SERVICE_UNAVAILABLE",
    Code.OUTCOME_UNKNOWN: "SERVICE_UNAVAILABLE",
    Code.INTERNAL: "INTERNAL_ERROR",
}


def frame(content: Mapping[str, Any]) -> bytes:
    return text_frame(orjson.dumps(content))


def addressed(command_id: CommandId | None, content: Mapping[str, Any]) -> Json:
    """A reply's content with the id of its command, if that had one."""
    return {**content} if command_id is None else {"id": command_id, **content}


def reply(command_id: CommandId | None, result: Mapping[str, Any]) -> bytes:
    """The form of every reply that has none of its own."""
    return frame(addressed(command_id, {"type": "ok", "result": result}))


def error_reply(command_id: CommandId | None, error: HubError) -> bytes:
    """A command that failed; without an id where what came could not be understood that far."""
    return frame(addressed(command_id, {"error": error_view(error)}))


def error_push(error: HubError) -> bytes:
    """What is wrong with the connection itself, before it is closed."""
    return frame({"type": "error", "error": error_view(error)})


def moving(reconnect_ms: int) -> bytes:
    """The node is about to close the connection; what is to be waited before the next one."""
    return frame({"type": "moving", "reconnect_ms": reconnect_ms})


def error_view(error: HubError) -> Json:
    view: Json = {"code": ERROR_CODES[error.code], "message": error.message, "temporary": error.temporary}
    if error.details:
        view["details"] = [{"field": detail.field, "message": detail.message} for detail in error.details]
    if error.retry_after_seconds is not None:
        view["retry_after_seconds"] = error.retry_after_seconds
    if error.exhausted is not None:
        view["resets_at"] = timestamp(error.exhausted.resets_at)
    return view


def usage_view(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }


def outcome_frame(stream: Stream, outcome: Outcome) -> bytes:
    return frame(outcome_view(stream, outcome))


def outcome_view(stream: Stream, outcome: Outcome) -> Json:
    """The last push of a stream: `chat.completed` or `chat.failed`."""
    head: Json = {"type": "chat.completed", "stream_id": stream.id, "offset": stream.offset}
    head["message_id"] = stream.message
    if outcome.error is not None:
        head["type"] = "chat.failed"
        head["error"] = error_view(outcome.error)
    else:
        head["finish_reason"] = outcome.finish_reason
    if outcome.detail is not None:
        head["detail"] = outcome.detail
    head["usage"] = usage_view(outcome.usage)
    head["receipt"] = receipt_view(outcome.receipt, outcome.usage_source)
    return head


class DeltaEncoder:
    """Builds the `chat.delta` frames of one stream: everything that does not change is encoded once."""

    __slots__ = ("_head",)

    def __init__(self, stream_id: str) -> None:
        self._head = b'{"type":"chat.delta","stream_id":' + orjson.dumps(stream_id) + b',"offset":'

    def encode(self, offset: int, content: str, cost_micro: int, extra: Json | None) -> bytes:
        """`offset` counts the deltas up to and with this one; `cost_micro` is what the stream has spent so far."""
        return text_frame(self.payload(offset, content, cost_micro, extra))

    def payload(self, offset: int, content: str, cost_micro: int, extra: Json | None) -> bytes:
        """The frame's JSON alone, for other transports."""
        tail = b"}" if extra is None else b',"extra":' + orjson.dumps(extra) + b"}"
        cost = repr(credits_number(cost_micro)).encode()
        return b'%b%d,"content":%b,"cost":%b%b' % (self._head, offset, orjson.dumps(content), cost, tail)
