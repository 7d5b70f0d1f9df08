"""The request headers by which a caller says how a request is to be taken: its key, and what its end means."""

from typing import Any, Literal

from handlers.base import ApiHandler
from hub.errors import invalid
from hub.fields import Check
from hub.idempotency import IdempotencyKey


def key_of(handler: ApiHandler, body: Any, owner: str | None = None) -> IdempotencyKey | None:
    """`Idempotency-Key`, or None. Keys are the caller's own, or those of `owner` where that is somebody else.

    Raises `HubError` INVALID for one that is empty, too long or not printable ASCII.
    """
    key = handler.request.headers.get("Idempotency-Key")
    if key is None:
        return None
    request = handler.request
    return IdempotencyKey.of(owner or handler.caller.user_id, key, str(request.method), request.path, body)


def key_check(handler: ApiHandler) -> Check:
    """For `fields.load`: a wrong key is told together with what is wrong with the body."""
    return lambda _: key_of(handler, None)


def on_disconnect_check(handler: ApiHandler) -> Check:
    return lambda _: on_disconnect(handler)


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
