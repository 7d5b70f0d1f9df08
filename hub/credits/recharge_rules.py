"""Auto-recharge as its user sets it: when more credits are bought, which package, and by what.

The rule's document and `recharge_below` in the wallet are written by one operation of the ledger, so that each commit that
leaves too little tells so by itself. What a rule then does stands in `recharges.py`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
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
    """One per process. `changed` hears whose rule was set."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        purchases: Purchases,
        packages: Mapping[str, Package],
        changed: Callable[[str], Awaitable[None]],
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._purchases = purchases
        self._packages = packages
        self._changed = changed

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
        _completed(given, standing, self._packages)  # before the company is asked
        change = _Change(user, given, await self._kept(user, given, standing), self._packages, now())
        await self._ledger.commit(Composed(change.id, change.compose))
        await self._changed(user)
        return await self.of_user(user)

    async def _kept(self, user: str, given: Mapping[str, Any], standing: Document | None) -> KeptMethod | None:
        """A method that is given, as the company has it ready; it is asked only about one that is new."""
        method, customer = given.get("payment_method"), standing["customer"] if standing else None
        if method is None:
            return None
        if standing is not None and standing["method"] == method:
            return KeptMethod(method, customer)
        try:
            return await self._purchases.provider.keep_method(user, method, customer)
        except PaymentRefused as error:
            raise invalid("payment_method", str(error)) from error
        except PaymentUnavailable as error:
            raise away(error) from error


def _completed(given: Mapping[str, Any], standing: Document | None, packages: Mapping[str, Package]) -> dict[str, Any]:
    """What is given, and the rest as it stands. Raises `HubError` INVALID naming what neither has, and for a package that is
    not sold: a rule whose package has gone can be switched off.
    """
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
    if wanted["package"] not in packages and (given["enabled"] or "package" in given):
        raise invalid("package", f"must be one of {', '.join(packages)}")
    return {**wanted, "enabled": given["enabled"]}


class _Change:
    """One change of a rule, made of the rule as the transaction finds it, which may compose it several times."""

    def __init__(
        self,
        user: str,
        given: Mapping[str, Any],
        kept: KeptMethod | None,
        packages: Mapping[str, Package],
        moment: datetime,
    ) -> None:
        self.id = new_id("op")
        self._user = user
        self._given = given
        self._kept = kept
        self._packages = packages
        self._moment = moment

    async def compose(self, transaction: Transaction) -> Operation:
        standing = await auto_recharges.within(transaction, self._user)
        wanted = _completed(self._given, standing, self._packages)
        changes = {name: wanted[name] for name in ("enabled", "threshold", "package")}
        changes |= {"failures": 0, "reason": None, "updated_at": self._moment}
        if self._kept is not None:
            changes |= {"method": self._kept.method, "customer": self._kept.customer}
        if standing is None:
            changes |= {"day": "", "count": 0}
        return Operation(
            self.id,
            updates=[Update(AUTO_RECHARGES, {"_id": self._user}, self._change(standing, changes), upsert=True)],
            recharge_below={self._user: wanted["threshold"] if wanted["enabled"] else 0},
        )

    def _change(self, standing: Document | None, changes: Document) -> Document:
        """A job that waits for a better day ends: the new rule is looked at at once. One that has begun to buy first finds
        out what became of that.
        """
        change = {"$set": changes, "$inc": {"revision": 1}}
        if standing is None or ("attempt" in standing and "claim" in standing):
            return change
        if "attempt" in standing:
            return {**change, "$set": {**changes, "due_at": self._moment}}
        return {**change, "$unset": {"due_at": "", "claim": ""}}


def _required(names: Sequence[str]) -> HubError:
    failures = [FieldError(name, "is required") for name in names]
    return HubError(Code.INVALID, f"{names[0]}: is required", failures)
