"""The cache of identities: who a credential stands for, so that a request reads nothing from the database.

An entry lives 30 seconds, never beyond its credential, and not past a revocation of its user. The credentials themselves
are not kept: the key is their SHA-256.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from config import limits
from hub import permissions
from hub.budgets import Period

IdentityKind = Literal["token", "cookie", "key", "service", "workflow"]


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request came with: an `Authorization: Bearer` value (or its documented like), or our cookie's value."""

    kind: Literal["bearer", "cookie"]
    value: str


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What an API key may spend and ask for, each None where its owner set no limit.

    `credit_micro` micro-credits in each `period`; `models` are ids of the catalogue.
    """

    credit_micro: int | None
    period: Period | None
    models: frozenset[str] | None
    requests_per_minute: int | None
    tokens_per_minute: int | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking. `user` is the user's document without the password, empty for the service.

    `permissions` bounds what an API key may do, and `limits` how much; None is no bound. `expires_at` is the access
    token's or the key's, or as far as a cookie's login has been put off by now; epoch seconds. A `workflow` comes with no
    request: it acts for the user whose it is.
    """

    user_id: str
    role: str
    tier: str
    kind: IdentityKind
    login_id: str | None
    key_id: str | None
    permissions: frozenset[str] | None
    expires_at: float | None
    user: Mapping[str, Any]
    limits: KeyLimits | None = None

    def may(self, permission: str) -> bool:
        """Logins may everything, a key what it was given."""
        return self.kind != "key" or permission in permissions.of_key(self.permissions)

    @property
    def credential_id(self) -> str | None:
        """The API key or login that it comes with; the service has neither."""
        return self.key_id or self.login_id


def cache_key(credential: Credential) -> bytes:
    """Differs between a cookie and a bearer of the same text. The value is ASCII by now."""
    return hashlib.sha256(f"{credential.kind}:{credential.value}".encode()).digest()


class IdentityCache:
    """Least recently used go first. `drops` grows with every revocation, so that who reads can tell one came meanwhile."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._entries: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()
        self._of_user: dict[str, set[bytes]] = {}
        self.drops = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> Identity | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        until, identity = entry
        expired = identity.expires_at is not None and identity.expires_at <= self._wall()
        if expired or until <= self._monotonic():
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        return identity

    def put(self, key: bytes, identity: Identity) -> None:
        self._remove(key)
        self._entries[key] = (self._monotonic() + limits.IDENTITY_CACHE_SECONDS, identity)
        self._of_user.setdefault(identity.user_id, set()).add(key)
        if len(self._entries) > limits.IDENTITY_CACHE_ENTRIES:
            self._remove(next(iter(self._entries)))

    def drop(self, user: str, login: str | None = None, key_id: str | None = None) -> None:
        """Forget a user's identities: those of one login or API key, or with neither all."""
        self.drops += 1
        for key in tuple(self._of_user.get(user, ())):
            if _concerns(self._entries[key][1], login, key_id):
                self._remove(key)

    def clear(self) -> None:
        self.drops += 1
        self._entries.clear()
        self._of_user.clear()

    def _remove(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        keys = self._of_user[entry[1].user_id]
        keys.discard(key)
        if not keys:
            del self._of_user[entry[1].user_id]


def _concerns(identity: Identity, login: str | None, key_id: str | None) -> bool:
    if login is None and key_id is None:
        return True
    return (login is not None and identity.login_id == login) or (key_id is not None and identity.key_id == key_id)
