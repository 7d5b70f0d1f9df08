"""Exchange rates as administrators change them: each change is one operation with its row of the audit log."""

from collections.abc import Awaitable, Callable

from hub import audit_trail, exchange_rates
from hub.audit_trail import Actor
from hub.exchange_rates import Parts
from hub.ledger import Ledger
from hub.operations import Composed, Operation
from hub.prices import credits_number
from models.clock import now, timestamp
from models.database import Document, Transaction
from models.ids import new_id


class RateAdministration:
    """One per process. All methods raise `HubError`: NOT_FOUND, CONFLICT, and what the ledger raises."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def create(self, actor: Actor, from_type: str, to_type: str, rate: int, active: bool) -> Document:
        """A new rate; when it is active it ends the pair's old one."""
        rate_id, moment = new_id("rate"), now()

        async def parts(transaction: Transaction) -> Parts:
            return await exchange_rates.creating(transaction, rate_id, from_type, to_type, rate, active, moment)

        return await self._commit(actor, "rate.create", rate_id, parts)

    async def update(self, actor: Actor, rate_id: str, rate: int | None, active: bool | None) -> Document:
        moment = now()

        async def parts(transaction: Transaction) -> Parts:
            return await exchange_rates.updating(transaction, rate_id, rate, active, moment)

        return await self._commit(actor, "rate.update", rate_id, parts)

    async def delete(self, actor: Actor, rate_id: str) -> None:
        async def parts(transaction: Transaction) -> Parts:
            return await exchange_rates.deleting(transaction, rate_id)

        await self._commit(actor, "rate.delete", rate_id, parts)

    async def _commit(
        self, actor: Actor, action: str, rate_id: str, make: Callable[[Transaction], Awaitable[Parts]]
    ) -> Document:
        """The rate as it then stands, or as it was; the last run of `compose` is the one that stands."""
        operation_id, made = new_id("rates"), Parts()

        async def compose(transaction: Transaction) -> Operation:
            nonlocal made
            made = await make(transaction)
            trail = audit_trail.row(actor, action, rate_id, before=_kept(made.before), after=_kept(made.after))
            inserts = [*made.inserts, trail]
            return Operation(operation_id, inserts=inserts, updates=made.updates, deletes=made.deletes)

        await self._ledger.commit(Composed(operation_id, compose))
        return made.after or made.before or {}


def _kept(rate: Document | None) -> Document | None:
    """A rate as the audit log shows it."""
    if rate is None:
        return None
    shown = view(rate)
    return {name: shown[name] for name in ("fromType", "toType", "rate", "isActive")}


def view(rate: Document) -> Document:
    return {
        "id": rate["_id"],
        "fromType": rate["from"],
        "toType": rate["to"],
        "rate": credits_number(rate["rate"]),
        "isActive": rate["active"],
        "createdAt": timestamp(rate["created_at"]),
        "updatedAt": timestamp(rate["updated_at"]),
    }
