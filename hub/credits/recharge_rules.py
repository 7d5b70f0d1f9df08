"""Auto-recharge as its user sets it: when more credits are bought, which package, and by what.

The rule's document and `recharge_below` in the wallet are written by one operation of the ledger, so that each commit that
leaves too little tells so by itself. What a rule then does stands in `recharges.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from config.packages import Package
from hub.errors import Code, FieldError, HubError, invalid
from hub.ledger import Ledger
from hub.operations import Composed, Operation, Update
from hub.payments.base import KeptMethod, PaymentRefused, PaymentUnavailable
from hub.payments.purchases import Purchases, away
from models import auto_recharges
from models.auto_recharges import AUTO_RECHARGES
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id

FIELDS: Final = ("threshold", "package", "payment_method")


class RechargeRules:
    """One per process."""

    def __init__(
        self, database: Database, ledger: Ledger, purchases: Purchases, packages: Mapping[str, Package]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._purchases = purchases
        self._packages = packages

    async def of_user(self, user: str) -> Document | None:
        return await auto_recharges.of_user(self._database, user)

    async def change(self, user: str, given: Mapping[str, Any]) -> Document | None:
        """Set the rule: `enabled`, and those of `threshold` (micro-credits), `package` and `payment_method` that are given;
        the others stay. Declines before it count no more. The rule after it; None where there was none to switch off.

        Raises `HubError`: INVALID where something is missing, or the method is refused; UNAVAILABLE.
        """
        standing = await self.of_user(user)
        if standing is None and set(given) == {"enabled"} and not given["enabled"]:
            return None
        wanted = _completed(given, standing)
        if wanted["package"] not in self._packages:
            raise invalid("package", f"must be one of {', '.join(self._packages)}")
        kept = await self._kept(user, wanted["payment_method"], standing)
        change = _Change(user, wanted, kept)
        await self._ledger.commit(Composed(new_id("op"), change.compose))
        return await self.of_user(user)

    async def _kept(self, user: str, method: str, standing: Document | None) -> KeptMethod:
        """The method as the company has it ready; it is asked only about one that is new."""
        customer = standing["customer"] if standing else None
        if standing is not None and standing["method"] == method:
            return KeptMethod(method, customer)
        try:
            return await self._purchases.provider.keep_method(user, method, customer)
        except PaymentRefused as error:
            raise invalid("payment_method", str(error)) from error
        except PaymentUnavailable as error:
            raise away(error) from error


def _completed(given: Mapping[str, Any], standing: Document | None) -> dict[str, Any]:
    """What is given, and the rest as it stands. Raises `HubError` INVALID naming what neither has."""
    stands = standing or {}
    before = {
        "threshold": stands.get("threshold"),
        "package": stands.get("package"),
        "payment_method": stands.get("method"),
    }
    wanted = {name: given.get(name, before[name]) for name in FIELDS}
    missing = [name for name in FIELDS if wanted[name] is None]
    if missing:
        raise _required(missing)
    return {**wanted, "enabled": given["enabled"]}


class _Change:
    """One change of a rule. The transaction may compose it several times."""

    def __init__(self, user: str, wanted: Mapping[str, Any], kept: KeptMethod) -> None:
        self._user = user
        self._wanted = wanted
        self._kept = kept

    async def compose(self, transaction: Transaction) -> Operation:
        standing = await auto_recharges.within(transaction, self._user)
        changes = {
            "enabled": self._wanted["enabled"],
            "threshold": self._wanted["threshold"],
            "package": self._wanted["package"],
            "method": self._kept.method,
            "customer": self._kept.customer,
            "failures": 0,
            "reason": None,
            "updated_at": now(),
            **({} if standing else {"day": "", "count": 0}),
        }
        update = {"$set": changes, "$inc": {"revision": 1}, **_rested(standing)}
        below = self._wanted["threshold"] if self._wanted["enabled"] else 0
        return Operation(
            new_id("op"),
            updates=[Update(AUTO_RECHARGES, {"_id": self._user}, update, upsert=True)],
            recharge_below={self._user: below},
        )


def _rested(standing: Document | None) -> Document:
    """A job that waits for a better day ends: the new rule is looked at at once. One that has begun to buy goes on."""
    if standing is None or "attempt" in standing:
        return {}
    return {"$unset": {"due_at": "", "claim": ""}}


def _required(names: Sequence[str]) -> HubError:
    failures = [FieldError(name, "is required") for name in names]
    return HubError(Code.INVALID, f"{names[0]}: is required", failures)
