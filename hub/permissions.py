"""Permissions: what an API key may be given, one for each kind of thing that is shown, changed or spent."""

from collections.abc import Collection
from typing import Final

SCOPES: Final = frozenset(
    {"ai:read", "ai:write", "usage:read", "credits:read", "credits:write", "webhooks:read", "webhooks:write"}
    | {"account:read", "account:write"}
)
_ACCOUNT_ADMINISTRATION: Final = "account:write"
_UNNAMED: Final = SCOPES - {_ACCOUNT_ADMINISTRATION}


def of_key(named: Collection[str] | None) -> Collection[str]:
    """What a key may do: what was named, and where nothing was all but administrate the account."""
    return _UNNAMED if named is None else named
