"""Points: exchanged for credits, given as a daily reward, and deducted by our own services.

Each is one operation of the ledger. What depends on a rate or on a user's rule is composed inside the transaction that
writes it, so that it goes by the rate that is active in the very snapshot that is committed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub import reward_days
from hub.calendar_days import end_of, zone_of
from hub.errors import Code, HubError, invalid
from hub.exchange_rates import points_for, standing_rate
from hub.idempotency import IdempotencyKey
from hub.ledger import Ledger
from hub.notifications import notice
from hub.operations import Applied, Composed, Leg, Operation
from hub.prices import credits_number
from models import users, wallets
from models.clock import now
from models.database import Database, Document, Transaction
from models.exchange_rates import active_within
from models.ids import new_id


@dataclass(frozen=True, slots=True)
class Deduction:
    """What a service takes: `amount` points, with what for."""

    user: str
    amount: int
    description: str
    metadata: Document


class Points:
    """One per process. `reward` is what a day gives. All methods raise `HubError` where the ledger does."""

    def __init__(self, database: Database, ledger: Ledger, reward: int, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._ledger = ledger
        self._clock = clock
        self.reward = reward

    # --- exchange ------------------------------------------------------------------------------------------

    async def exchange(self, user: str, micro: int, key: IdempotencyKey | None = None) -> Document:
        """Credits for points: `{spent, received, credits, points}`, in micro-credits and points.

        Raises `HubError`: INSUFFICIENT_CREDITS, INVALID for less than one point, CONFLICT without an active rate.
        """
        exchange = _Exchange(user, micro, key)
        return exchange.reply(await self._ledger.commit(Composed(exchange.id, exchange.compose)))

    # --- deductions ----------------------------------------------------------------------------------------

    async def deduct(self, deduction: Deduction, key: IdempotencyKey | None = None) -> Document:
        """Take points: `{balance, transaction, topped_up}`.

        When they are short and the user allows it, the credits that the user named are exchanged in the same transaction,
        once. Raises `HubError` INSUFFICIENT_CREDITS, NOT_FOUND.
        """
        taking = _Taking(deduction, key)
        try:
            return taking.reply(await self._ledger.commit(taking.operation()))
        except HubError as error:
            if error.code is not Code.INSUFFICIENT_CREDITS or not await self._may_top_up(deduction.user):
                raise
        return taking.reply(await self._ledger.commit(Composed(taking.id, taking.compose)))

    async def _may_top_up(self, user: str) -> bool:
        """A hint that spares who has no such rule the composed operation, which asks again."""
        found = await users.by_id(self._database, user)
        return found is not None and _top_up_micro(found) > 0

    # --- the daily reward ----------------------------------------------------------------------------------

    async def claim_reward(self, user: str, key: IdempotencyKey | None = None) -> Document:
        """The reward of the user's present day, by their own clock, once: `{points, balance}`.

        Raises `HubError`: CONFLICT until the day of the last claim is over, NOT_FOUND.
        """
        claim = _Claim(user, self.reward, self._clock(), key)
        return claim.reply(await self._ledger.commit(Composed(claim.id, claim.compose)))

    async def reward_status(self, user: Mapping[str, Any]) -> tuple[bool, datetime]:
        """Whether it can be claimed now, and from when on the next one can: after it, or the first where it cannot."""
        moment, zone = self._clock(), zone_of(user["timezone"])
        ids = reward_days.operation_ids(user["_id"], moment)
        claims = await wallets.entries_by_operation(self._database, ids)
        due = reward_days.next_claim([claim["metadata"] for claim in claims], zone, moment)
        if due > moment:
            return False, due
        return True, end_of(moment.astimezone(zone).date(), zone)


class _Claim:
    """One claim of a day's reward. The transaction may compose it several times; the last run is the one that stands.

    Two nodes that claim at once both write the wallet: one of them is composed again, and finds the other's entry.
    """

    def __init__(self, user: str, reward: int, moment: datetime, key: IdempotencyKey | None) -> None:
        self.id = new_id("claim")
        self._user = user
        self._reward = reward
        self._moment = moment
        self._key = key

    async def compose(self, transaction: Transaction) -> Operation:
        user = await users.within(transaction, self._user)
        if user is None:
            raise HubError(Code.NOT_FOUND, "No such user")
        zone = zone_of(user["timezone"])
        claims = await wallets.entries_within(transaction, reward_days.operation_ids(self._user, self._moment))
        if reward_days.next_claim([claim["metadata"] for claim in claims], zone, self._moment) > self._moment:
            raise HubError(Code.CONFLICT, "Today's reward has been claimed already")
        day = self._moment.astimezone(zone).date()
        leg = Leg(self._user, "point", "reward", self._reward, "Daily reward", reward_days.claimed(day, zone))
        record = [self._key.done(self.reply)] if self._key else []
        return Operation(reward_days.operation_id(self._user, day), legs=[leg], inserts=record)

    def reply(self, applied: Applied) -> Document:
        return {"points": self._reward, "balance": applied.wallets[self._user].points}


class _Exchange:
    """One exchange. The transaction may compose it several times; the last run is the one that stands."""

    def __init__(self, user: str, micro: int, key: IdempotencyKey | None) -> None:
        self.id = new_id("exchange")
        self._user = user
        self._micro = micro
        self._key = key
        self._received = 0

    async def compose(self, transaction: Transaction) -> Operation:
        rate = await standing_rate(transaction)
        self._received = points_for(self._micro, rate)
        if self._received == 0:
            raise invalid("creditAmount", "is worth less than one point", credits_number(self._micro))
        record = [self._key.done(self.reply)] if self._key else []
        return Operation(self.id, legs=_exchange_legs(self._user, self._micro, rate, {}), inserts=record)

    def reply(self, applied: Applied) -> Document:
        state = applied.wallets[self._user]
        spent = {"spent": self._micro, "received": self._received}
        return {**spent, "credits": state.credits, "points": state.points, "transactions": list(applied.entry_ids)}


class _Taking:
    """One deduction: as it is, or with a top-up before it."""

    def __init__(self, deduction: Deduction, key: IdempotencyKey | None) -> None:
        self.id = new_id("deduct")
        self._deduction = deduction
        self._key = key
        self._topped_up = False

    def operation(self) -> Operation:
        taken = self._deduction
        leg = Leg(taken.user, "point", "usage", -taken.amount, taken.description, taken.metadata)
        record = [self._key.done(self.reply)] if self._key else []
        return Operation(self.id, legs=[leg], inserts=record)

    async def compose(self, transaction: Transaction) -> Operation:
        operation, user_id = self.operation(), self._deduction.user
        wallet = await wallets.wallet_within(transaction, user_id)
        user = await users.within(transaction, user_id)
        micro = _top_up_micro(user) if user is not None else 0
        rate = await active_within(transaction, "credits", "points")
        short = wallet is not None and wallet["points"] < self._deduction.amount
        self._topped_up = short and micro > 0 and rate is not None
        if rate is None or not self._topped_up:
            return operation  # there are points again, or no rule or rate any more: the batch decides
        operation.legs = [*_exchange_legs(user_id, micro, rate, {"auto_topup": True}), *operation.legs]
        text = f"{credits_number(micro):,} credits were exchanged for {points_for(micro, rate):,} points."
        insert, event = notice(user_id, "info", "billing", "Points topped up", text)
        operation.inserts, operation.events = [*operation.inserts, insert], [event]
        return operation

    def reply(self, applied: Applied) -> Document:
        state = applied.wallets[self._deduction.user]
        return {"balance": state.points, "transaction": applied.entry_ids[-1], "topped_up": self._topped_up}


def _exchange_legs(user: str, micro: int, rate: Document, metadata: Document) -> list[Leg]:
    """Both sides under one operation, the credits first. `rate_micro` is the rate as it was: the rate may be changed."""
    points = points_for(micro, rate)
    by = {"rate": rate["_id"], "rate_micro": rate["rate"]}
    metadata = {**metadata, **by, "spent_micro": micro, "points": points}
    text = f"Exchanged {credits_number(micro):,} credits for {points:,} points"
    return [
        Leg(user, "credit", "exchange", -micro, text, metadata),
        Leg(user, "point", "exchange", points, text, metadata),
    ]


def _top_up_micro(user: Mapping[str, Any]) -> int:
    """How many micro-credits a user lets us exchange when points are short."""
    rule = user.get("auto_topup") or {}
    return int(rule["credits_micro"]) if rule.get("enabled") else 0
