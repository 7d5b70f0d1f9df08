"""API keys of users: made, changed, withdrawn, each as one operation of the ledger with all that must be true with it.

    create --> document, counters of its budget in the wallet; the secret for who asked, once
    change --> document, the counters of a new period, `changed` for every node's cache
    revoke --> document and counters gone, a revocation: sockets and answers of this key end everywhere

It recognises no credential (`hub/identity.py` does) and enforces no limit: budgets are the ledger's, the rest is
`hub/key_limits.py`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from config import limits
from hub import budgets, key_secrets
from hub.budgets import BudgetChange, EndBudget, OpenBudget
from hub.errors import Code, HubError, invalid
from hub.key_secrets import Prefix
from hub.ledger import Ledger
from hub.operations import Composed, Delete, Insert, Operation, Update, in_turn
from hub.revocations import Revocations
from models import api_keys, revocations, wallets
from models.api_keys import API_KEYS
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id

WITHDRAWN = "key_withdrawn"
_PERIOD = "total"  # of a credit limit that names none
_NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is asked for; `limits` holds those of `models/api_keys.py` that are wanted."""

    prefix: Prefix
    name: str
    permissions: list[str] | None = None
    expires_at: datetime | None = None
    limits: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """A key as its owner sees it. `spent` is of the current period of its budget, None where nothing is counted."""

    document: Document
    spent: Document | None
    held: int


class ApiKeys:
    """One per process. All methods raise `HubError` where the ledger does, and let `DatabaseError`s of reads out."""

    def __init__(self, database: Database, ledger: Ledger, revocation: Revocations) -> None:
        self._database = database
        self._ledger = ledger
        self._revocations = revocation

    async def create(self, user: str, wanted: NewKey) -> tuple[ListedKey, str]:
        """The key, and its secret, which nobody sees again. Raises `HubError`: INVALID, CONFLICT (there are too many)."""
        secret, moment = key_secrets.new_secret(wanted.prefix), now()
        made = api_keys.new_key(
            *(new_id("key"), user, key_secrets.digest(secret), key_secrets.shown(secret), wanted.name),
            *(wanted.permissions, _with_period(wanted.limits), wanted.expires_at, moment),
        )

        async def compose(transaction: Transaction) -> Operation:
            if await api_keys.count_within(transaction, user) >= limits.KEYS_PER_USER_MAX:
                raise HubError(Code.CONFLICT, f"There are {limits.KEYS_PER_USER_MAX} API keys already")
            turn = in_turn(f"api_keys:{user}")
            return Operation(made["_id"], inserts=[Insert(API_KEYS, made)], updates=[turn], budgets=_opened(made))

        await self._ledger.commit(Composed(made["_id"], compose))
        return await self.find(user, made["_id"]), secret

    async def change(
        self,
        user: str,
        key_id: str,
        *,
        name: str | None = None,
        permissions: list[str] | None = None,
        changes: Mapping[str, Any] = _NO_CHANGES,
    ) -> ListedKey:
        """Set a name, permissions (None keeps them) and some of the limits. Raises `HubError`: NOT_FOUND, INVALID."""
        operation_id, moment = new_id("apikey"), now()
        changed = revocations.new_revocation(user, revocations.CHANGED, moment, None, None)

        async def compose(transaction: Transaction) -> Operation:
            before = _there(await api_keys.within(transaction, user, key_id))
            after = {
                "name": name or before["name"],
                "permissions": permissions or before["permissions"],
                "limits": _with_period({**before["limits"], **changes}),
            }
            update = Update(API_KEYS, {"_id": key_id}, {"$set": {**after, "updated_at": moment}})
            inserts = [Insert(revocations.REVOCATIONS, changed)]
            return Operation(operation_id, inserts=inserts, updates=[update], budgets=_opened({**before, **after}))

        await self._ledger.commit(Composed(operation_id, compose))
        self._revocations.announce(changed)
        return await self.find(user, key_id)

    async def revoke(self, user: str, key_id: str) -> None:
        """End a key on every node, with its sockets and its answers. Raises `HubError` NOT_FOUND."""
        operation_id = new_id("apikey")
        ended = revocations.new_revocation(user, WITHDRAWN, now(), None, key_id)

        async def compose(transaction: Transaction) -> Operation:
            _there(await api_keys.within(transaction, user, key_id))
            return Operation(
                operation_id,
                inserts=[Insert(revocations.REVOCATIONS, ended)],
                deletes=[Delete(API_KEYS, {"_id": key_id})],
                budgets=[EndBudget(user, key_id)],
            )

        await self._ledger.commit(Composed(operation_id, compose))
        self._revocations.announce(ended)

    async def find(self, user: str, key_id: str) -> ListedKey:
        """Raises `HubError` NOT_FOUND, for somebody else's too."""
        found = _there(await api_keys.by_id(self._database, user, key_id))
        (listed,) = await self._listed(user, [found])
        return listed

    async def page(self, user: str, *, newest_first: bool = True, skip: int, limit: int) -> tuple[list[ListedKey], int]:
        """In the order in which they were made, and how many there are in all."""
        found, total = await api_keys.page(self._database, user, newest_first=newest_first, skip=skip, limit=limit)
        return await self._listed(user, found), total

    async def _listed(self, user: str, found: Sequence[Document]) -> list[ListedKey]:
        wallet = await wallets.wallet(self._database, user) or {}
        counted, moment = wallet.get("budgets", {}), now()
        return [_listed(document, counted.get(document["_id"]), moment) for document in found]


def _listed(document: Document, counters: Document | None, moment: datetime) -> ListedKey:
    if counters is None:
        return ListedKey(document, None, 0)
    return ListedKey(document, budgets.spent(counters, moment), counters["held"])


def _with_period(wanted: Mapping[str, Any]) -> Document:
    """A credit limit has a period, and nothing else has. Raises `HubError` INVALID where only the period is named."""
    if wanted.get("credit_micro") is not None:
        return {**wanted, "period": wanted.get("period") or _PERIOD}
    if wanted.get("period") is not None:
        raise invalid("creditLimitPeriod", "needs a creditLimit")
    return dict(wanted)


def _opened(key: Document) -> list[BudgetChange]:
    """What the wallet has to count for a key."""
    period = key["limits"].get("period")
    return [OpenBudget(key["user"], key["_id"], period)] if period is not None else []


def _there(key: Document | None) -> Document:
    if key is None:
        raise HubError(Code.NOT_FOUND, "No such API key")
    return key
