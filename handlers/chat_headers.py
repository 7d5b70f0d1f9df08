"""The request headers by which a caller says how a request is to be taken: its key, and what its end means."""

from typing import Any, Final, Literal

from config import limits
from handlers.base import ApiHandler
from handlers.terms import Parameter, header
from hub.errors import invalid
from hub.fields import Check
from hub.idempotency import IdempotencyKey

IDEMPOTENCY_KEY: Final = header(
    "Idempotency-Key",
    "A repeat with the same key gets the first answer, and nothing is charged or moved twice",
    {"type": "string", "minLength": 1, "maxLength": limits.IDEMPOTENCY_KEY_CHARS_MAX},
)
ON_DISCONNECT: Final[Parameter] = header(
    "X-Hub-On-Disconnect",
    "Whether the answer goes on without its reader; by default it ends after a grace",
    {"type": "string", "enum": ["continue", "cancel"]},
)


def key_of(handler: ApiHandler, body: Any, owner: str | None = None) -> IdempotencyKey | None:
    """`Idempotency-Key`, or None. Keys are the caller's own, or those of `owner` where that is somebody else.

    Raises `HubError` INVALID for one that is empty, too long or not printable ASCII.
    """
    key = handler.header(IDEMPOTENCY_KEY.name)
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
    word = handler.header(ON_DISCONNECT.name)
    if word == "continue":
        return "continue"
    if word not in (None, "cancel"):
        raise invalid(ON_DISCONNECT.name, "must be continue or cancel", word)
    return "cancel"
