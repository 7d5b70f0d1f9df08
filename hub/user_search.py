"""What an administrator's list of users is filtered and sorted by: words of the API to a query of the database.

Only what stands here can be asked: no field's name and no operator ever comes from outside.
"""

import re
from collections import ChainMap
from collections.abc import Mapping
from typing import Any, Final

from config import limits
from hub import identity_input
from hub.errors import invalid
from hub.fields import together

ROLES: Final = ("user", "admin")
STATUSES: Final = ("active", "suspended")
SORTS: Final[Mapping[str, str]] = {"createdAt": "created_at", "lastActiveAt": "last_active_at", "email": "email_key"}
ORDERS: Final[Mapping[str, int]] = {"asc": 1, "desc": -1}


def query(role: str | None, status: str | None, search: str | None) -> dict[str, Any]:
    """Raises `HubError` INVALID."""
    parts = together(
        lambda: {} if role is None else {"role": {"$eq": one_of("role", role, ROLES)}},
        lambda: {} if status is None else {"status": {"$eq": one_of("status", status, STATUSES)}},
        lambda: {"$or": _search(search)} if search else {},
    )
    return dict(ChainMap(*parts))


def _search(text: str) -> list[dict[str, Any]]:
    """The text anywhere in the address or a name, taken literally; the database's time for it is bounded."""
    if len(text) > limits.NAME_CHARS_MAX or "\0" in text:
        raise invalid("search", f"must have at most {limits.NAME_CHARS_MAX} characters and no NUL")
    literal, key = re.escape(text.strip()), re.escape(identity_input.key(text.strip()))
    names = [{name: {"$regex": literal, "$options": "i"}} for name in ("first_name", "last_name")]
    return [{"email_key": {"$regex": key}}, {"username_key": {"$regex": key}}, *names]


def sort(by: str | None, order: str | None) -> list[tuple[str, int]]:
    """The newest first unless asked otherwise; the id makes the order total, so that pages do not overlap."""
    default = "asc" if by == "email" else "desc"
    field, direction = together(
        lambda: SORTS[one_of("sort", by or "createdAt", SORTS)],
        lambda: ORDERS[one_of("order", order or default, ORDERS)],
    )
    return [(field, direction), ("_id", direction)]


def one_of(name: str, value: str, allowed: Any) -> str:
    if value not in allowed:
        raise invalid(name, f"must be one of {', '.join(allowed)}", value)
    return value
