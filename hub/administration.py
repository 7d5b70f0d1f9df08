"""What administrators do to users: their role, their status, their tier, their credits.

Each change is one operation of the ledger, made in the transaction that writes it: the user as they are, the entry, the
notification, the events, the revocation and the row of the audit log stand together or not at all. Changes of roles and
states also update one lock document, so that two administrators who demote each other at once meet there, and the one who
comes second is judged by what the first has done.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hub import account_changes, notifications, two_factor
from hub.audit_trail import Actor, row
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.mail_jobs import MailJobs
from hub.operations import Applied, Composed, Delete, Insert, Leg, NewEvent, Operation, Update, in_turn
from hub.prices import credits_number
from hub.revocations import Revocations
from hub.user_events import updated
from models import logins, revocations, users, wallets
from models.clock import now
from models.database import Document, Transaction
from models.ids import new_id

ADJUSTMENTS: Final = ("bonus", "gift", "refund", "reward", "adjustment")


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` in micro-credits is signed; only an `adjustment` takes credits away."""

    amount: int
    kind: Any
    reason: str


class Administration:
    """One per process. All methods raise `HubError`: FORBIDDEN, NOT_FOUND, CONFLICT, and what the ledger raises."""

    def __init__(self, ledger: Ledger, revocation: Revocations, mail: MailJobs) -> None:
        self._ledger = ledger
        self._revocations = revocation
        self._mail = mail

    async def change_user(self, actor: Actor, user: str, changes: Mapping[str, Any], credits: int | None) -> None:
        """Set `role`, `status` and `tier`, and the balance in micro-credits; what is the same already changes nothing."""
        if credits is not None and user == actor.user:
            raise _self_grant()
        change = _Change(actor, user, changes, credits)
        await self._ledger.commit(Composed(new_id("admin"), change.compose))
        if change.revocation is not None:
            self._revocations.announce(change.revocation)

    async def adjust_credits(
        self, actor: Actor, user: str, adjustment: Adjustment, also: Sequence[Insert] = ()
    ) -> Applied:
        """Give or take credits. `also` stands with it: the record of an idempotency key."""
        if user == actor.user:
            raise _self_grant()
        operation = _adjusting(actor, user, adjustment, also)
        return await self._ledger.commit(operation)

    async def reset_two_factor(self, actor: Actor, user: str) -> None:
        """Switch off the second factor of somebody who has lost it; they are told by mail."""
        if user == actor.user:
            raise HubError(Code.FORBIDDEN, "An administrator's own second factor is another administrator's matter")

        async def compose(transaction: Transaction) -> tuple[Operation, Document]:
            await _acting(transaction, actor)
            if await users.within(transaction, user) is None:
                raise _no_user()
            operation, revocation = await two_factor.switched_off(transaction, user, now())
            operation.inserts = [*operation.inserts, row(actor, "two_factor.reset", user)]
            return operation, revocation

        await account_changes.commit(self._ledger, self._revocations, self._mail, compose)


def _self_grant() -> HubError:
    return HubError(Code.FORBIDDEN, "An administrator's own credits are another administrator's matter")


def _adjusting(actor: Actor, user: str, adjustment: Adjustment, also: Sequence[Insert]) -> Composed:
    operation_id, amount = new_id("admin"), adjustment.amount
    parts = _told(user, amount)

    async def compose(transaction: Transaction) -> Operation:
        await _acting(transaction, actor)
        wallet = await _wallet(transaction, user)
        balance = wallet["credits"] + amount
        _check_held(wallet, balance)
        before, after = {"credits": wallet["credits"]}, {"credits": balance}
        why, kind = adjustment.reason, adjustment.kind
        trail = row(actor, "credits.adjust", user, before=before, after=after, reason=why, kind=kind)
        leg = Leg(user, "credit", kind, amount, why, {"by": actor.user})
        return Operation(operation_id, legs=[leg], inserts=[trail, parts[0], *also], events=parts[1])

    return Composed(operation_id, compose)


class _Change:
    """One change of a user. The transaction may run `compose` several times; the last run is the one that stands."""

    def __init__(self, actor: Actor, user: str, changes: Mapping[str, Any], credits: int | None) -> None:
        self._actor = actor
        self._user = user
        self._changes = changes
        self._credits = credits
        self._operation = new_id("admin")
        self._moment = now()
        self.revocation: Document | None = None

    async def compose(self, transaction: Transaction) -> Operation:
        self.revocation = None
        await _acting(transaction, self._actor)
        user = await users.within(transaction, self._user)
        if user is None:
            raise _no_user()
        changed = {name: value for name, value in self._changes.items() if user[name] != value}
        operation = Operation(self._operation)
        if changed:
            await self._check_last(transaction, user, changed)
            await self._change(transaction, operation, changed)
        before, after = {name: user[name] for name in changed}, dict(changed)
        if self._credits is not None:
            wallet = await _wallet(transaction, self._user)
            if wallet["credits"] != self._credits:
                before["credits"], after["credits"] = wallet["credits"], self._credits
                self._set_balance(operation, wallet, self._credits)
        if after:
            trail = row(self._actor, "user.change", self._user, before=before, after=after)
            operation.inserts = [*operation.inserts, trail]
        return operation

    async def _check_last(self, transaction: Transaction, user: Document, changed: Document) -> None:
        """Somebody has to be left who can undo this."""
        after = user | changed
        stays = after["role"] == "admin" and after["status"] == "active"
        if not stays and not await users.other_administrators(transaction, self._user):
            raise HubError(Code.CONFLICT, "The last administrator can be neither demoted nor suspended")

    async def _change(self, transaction: Transaction, operation: Operation, changed: Document) -> None:
        """The user's document, what revokes their credentials or has them read again, and the lock."""
        suspended = changed.get("status") == "suspended"
        reason = "suspended" if suspended else revocations.CHANGED
        self.revocation = revocations.new_revocation(self._user, reason, self._moment, None, None)
        set_fields = {"$set": {**changed, "updated_at": self._moment}}
        operation.updates = [
            Update(users.USERS, {"_id": self._user}, set_fields),
            in_turn("administrators"),
        ]
        operation.inserts = [Insert(revocations.REVOCATIONS, self.revocation)]
        operation.events = [updated(self._user, changed, self._moment)]
        if suspended:
            ended = await logins.ids_of(transaction, self._user)
            operation.deletes = [Delete(logins.LOGINS, {"_id": login}) for login in ended]

    def _set_balance(self, operation: Operation, wallet: Document, balance: int) -> None:
        _check_held(wallet, balance)
        amount = balance - wallet["credits"]
        insert, events = _told(self._user, amount)
        metadata = {"by": self._actor.user}
        operation.legs = [Leg(self._user, "credit", "adjustment", amount, "Balance set by an administrator", metadata)]
        operation.inserts = [*operation.inserts, insert]
        operation.events = [*operation.events, *events]


async def _acting(transaction: Transaction, actor: Actor) -> None:
    """Who was demoted while the request was on its way does nothing more."""
    user = await users.within(transaction, actor.user)
    if user is None or user["role"] != "admin" or user["status"] != "active":
        raise HubError(Code.FORBIDDEN, "Only an administrator may do this")


async def _wallet(transaction: Transaction, user: str) -> Document:
    wallet = await wallets.wallet_within(transaction, user)
    if wallet is None:
        raise _no_user()
    return wallet


def _check_held(wallet: Document, balance: int) -> None:
    """Below zero, or below what running answers may still cost."""
    if balance < wallet["credits_held"]:
        lowest = credits_number(wallet["credits_held"])
        raise HubError(Code.CONFLICT, f"The balance cannot go below {lowest} credits now")


def _told(user: str, amount: int) -> tuple[Insert, list[NewEvent]]:
    """What the owner of the wallet hears of it."""
    credits = credits_number(abs(amount))
    title = "Credits added" if amount > 0 else "Credits removed"
    verb = "added" if amount > 0 else "removed"
    message = f"An administrator {verb} {credits} credits."
    insert, event = notifications.notice(user, "info", "billing", title, message)
    adjusted = NewEvent(user, "credit.adjusted", {"user_id": user, "amount": credits_number(amount)})
    return insert, [adjusted, event]


def _no_user() -> HubError:
    return HubError(Code.NOT_FOUND, "No such user")
