"""What an administrator's list of users is filtered and sorted by: words of the API to a query of the database.

Only what stands here can be asked: no field's name and no operator ever comes from outside.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from config import limits
from hub import identity_input
from hub.errors import invalid

ROLES: Final = ("user", "admin")
STATUSES: Final = ("active", "suspended")
SORTS: Final[Mapping[str, str]] = {"createdAt": "created_at", "lastActiveAt": "last_active_at", "email": "email_key"}
ORDERS: Final[Mapping[str, int]] = {"asc": 1, "desc": -1}


def query(role: str | None, status: str | None, search: str | None) -> dict[str, Any]:
    """Raises `HubError` INVALID."""
    found: dict[str, Any] = {}
    for name, value, allowed in (("role", role, ROLES), ("status", status, STATUSES)):
        if value is not None:
            found[name] = {"$eq": one_of(name, value, allowed)}
    if search:
        found["$or"] = _search(search)
    return found


def _search(text: str) -> list[dict[str, Any]]:
    """The text anywhere in the address or a name, taken literally; the database's time for it is bounded."""
    if len(text) > limits.NAME_CHARS_MAX or "\0" in text:
        raise invalid("search", f"must have at most {limits.NAME_CHARS_MAX} characters and no NUL")
    literal, key = re.escape(text.strip()), re.escape(identity_input.key(text.strip()))
    names = [{name: {"$regex": literal, "$options": "i"}} for name in ("first_name", "last_name")]
    return [{"email_key": {"$regex": key}}, {"username_key": {"$regex": key}}, *names]


def sort(by: str | None, order: str | None) -> list[tuple[str, int]]:
    """The newest first unless asked otherwise; the id makes the order total, so that pages do not overlap."""
    field = SORTS[one_of("sort", by or "createdAt", SORTS)]
    default = "asc" if field == "email_key" else "desc"
    direction = ORDERS[one_of("order", order or default, ORDERS)]
    return [(field, direction), ("_id", direction)]


def one_of(name: str, value: str, allowed: Any) -> str:
    if value not in allowed:
        raise invalid(name, f"must be one of {', '.join(allowed)}", value)
    return value
