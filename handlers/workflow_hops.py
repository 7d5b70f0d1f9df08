"""`X-Hub-Hops`: how many workflows led to a request, which the hub's requests to itself tell. A bound on it ends loops."""

from typing import Final

from config import workflows as limits
from handlers.base import ApiHandler
from handlers.terms import header, whole_number
from hub import safe_http
from hub.errors import invalid
from hub.fields import Check

HOPS: Final = header(
    safe_http.HOPS, f"How many workflows led here: beyond {limits.HOPS_MAX} none is begun", whole_number(0)
)


def hops_check(handler: ApiHandler) -> Check:
    """For `fields.load`: a wrong number is told together with what is wrong with the body."""
    return lambda _: hops_of(handler)


def hops_of(handler: ApiHandler) -> int:
    """Raises `HubError` INVALID for what is no number."""
    text = handler.header(HOPS.name)
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > limits.HOPS_DIGITS_MAX:
        raise invalid(HOPS.name, "must be a small whole number", text)
    return int(text)
