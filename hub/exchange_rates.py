"""Exchange rates: how they are changed, and what an amount is worth by them.

`creating`, `updating` and `deleting` give the parts of an operation, read in its own transaction: the caller adds the row
of the audit log. A new active rate ends the old one in the same transaction. Two administrators who meet there are kept
apart by the unique index on active rates: the second is composed anew, from what the first has done.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from hub.errors import Code, HubError
from hub.operations import Delete, Insert, Update
from models import exchange_rates as rates
from models.clock import now
from models.database import Database, Document, Transaction
from models.exchange_rates import EXCHANGE_RATES
from models.ids import new_id

RATE_UNIT: Final = 10**6  # a rate of 1 as it is stored
DEFAULT_POINTS_PER_CREDIT: Final = 1_000


@dataclass(slots=True)
class Parts:
    """What a change of the rates adds to an operation; `before` and `after` are the rate itself."""

    inserts: list[Insert] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    deletes: list[Delete] = field(default_factory=list)
    before: Document | None = None
    after: Document | None = None


async def ensure_default(database: Database) -> None:
    """At start-up: credits can be exchanged for points."""
    rate = DEFAULT_POINTS_PER_CREDIT * RATE_UNIT
    await rates.ensure(database, rates.new_rate(new_id("rate"), "credits", "points", rate, True, now()))


async def creating(
    transaction: Transaction, rate_id: str, from_type: str, to_type: str, rate: int, active: bool, moment: datetime
) -> Parts:
    """A new rate. It is inserted inactive and then activated, after the old one has ended: the index has one place."""
    after = rates.new_rate(rate_id, from_type, to_type, rate, active, moment)
    parts = Parts([Insert(EXCHANGE_RATES, {**after, "active": False})], after=after)
    if active:
        parts.updates += await _ending(transaction, from_type, to_type, rate_id, moment)
        parts.updates.append(Update(EXCHANGE_RATES, {"_id": rate_id}, {"$set": {"active": True}}))
    return parts


async def updating(
    transaction: Transaction, rate_id: str, rate: int | None, active: bool | None, moment: datetime
) -> Parts:
    """Another figure, or another state; None leaves it. Raises `HubError` NOT_FOUND."""
    before = await _standing(transaction, rate_id)
    after = {**before, "updated_at": moment}
    after["rate"] = before["rate"] if rate is None else rate
    after["active"] = before["active"] if active is None else active
    parts = Parts(before=before, after=after)
    if after["active"] and not before["active"]:
        parts.updates += await _ending(transaction, before["from"], before["to"], rate_id, moment)
    change = {"$set": {name: after[name] for name in ("rate", "active", "updated_at")}}
    parts.updates.append(Update(EXCHANGE_RATES, {"_id": rate_id}, change))
    return parts


async def deleting(transaction: Transaction, rate_id: str) -> Parts:
    """An inactive rate goes. Raises `HubError`: NOT_FOUND, CONFLICT for an active one, which is its pair's only one."""
    before = await _standing(transaction, rate_id)
    if before["active"]:
        raise HubError(Code.CONFLICT, "The only active rate of a pair cannot be deleted: activate another one first")
    return Parts(deletes=[Delete(EXCHANGE_RATES, {"_id": rate_id})], before=before)


async def _standing(transaction: Transaction, rate_id: str) -> Document:
    rate = await rates.within(transaction, rate_id)
    if rate is None:
        raise HubError(Code.NOT_FOUND, "No such exchange rate")
    return rate


async def _ending(transaction: Transaction, from_type: str, to_type: str, but: str, moment: datetime) -> list[Update]:
    old = await rates.active_within(transaction, from_type, to_type)
    if old is None or old["_id"] == but:
        return []
    return [Update(EXCHANGE_RATES, {"_id": old["_id"]}, {"$set": {"active": False, "updated_at": moment}})]


async def standing_rate(transaction: Transaction) -> Document:
    """The rate from credits to points, in the transaction that moves both. Raises `HubError` CONFLICT where none is."""
    rate = await rates.active_within(transaction, "credits", "points")
    if rate is None:
        raise HubError(Code.CONFLICT, "Credits cannot be exchanged now: no rate from credits to points is active")
    return rate


def points_for(micro: int, rate: Document) -> int:
    """Whole points for so many micro-credits, rounded down."""
    return int(micro * rate["rate"] // (RATE_UNIT * 10**6))
