"""The request headers that every face of the completion path takes."""

from typing import Any, Literal

from handlers.base import ApiHandler
from hub.errors import invalid
from hub.idempotency import IdempotencyKey


def key_of(handler: ApiHandler, body: Any) -> IdempotencyKey | None:
    """`Idempotency-Key`, or None. Raises `HubError` INVALID for one that is empty, too long or not printable ASCII."""
    key = handler.request.headers.get("Idempotency-Key")
    if key is None:
        return None
    request = handler.request
    return IdempotencyKey.of(handler.caller.user_id, key, str(request.method), request.path, body)


def on_disconnect(handler: ApiHandler) -> Literal["continue", "cancel"]:
    """`X-Hub-On-Disconnect`: whether the answer goes on without its reader; by default it is cancelled, after a grace.

    Raises `HubError` INVALID for any other word.
    """
    word = handler.request.headers.get("X-Hub-On-Disconnect", "cancel")
    if word == "continue":
        return "continue"
    if word != "cancel":
        raise invalid("X-Hub-On-Disconnect", "must be continue or cancel", word)
    return "cancel"
