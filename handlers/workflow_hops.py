"""`X-Hub-Hops`: how many workflows led to a request, which the hub's requests to itself tell. A bound on it ends loops."""

from typing import Final

from handlers.base import ApiHandler
from handlers.terms import header, whole_number
from hub import safe_http
from hub.errors import invalid

HOPS: Final = header(safe_http.HOPS, "How many workflows led here: more than three are refused", whole_number(0))
_DIGITS_MAX: Final = 3


def hops_of(handler: ApiHandler) -> int:
    """Raises `HubError` INVALID for what is no number."""
    text = handler.header(HOPS.name)
    if text is None:
        return 0
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS_MAX:
        raise invalid(HOPS.name, "must be a small whole number", text)
    return int(text)
