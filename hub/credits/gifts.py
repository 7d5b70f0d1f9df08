"""Gifts: credits from one wallet to another, with a message.

    sender  -amount  gift  \
                            one operation: both entries, the gift, the recipient's notification, an event for each
    recipient  +amount  gift  /

All that a gift depends on is read in the transaction that writes it, and each gift writes its sender's wallet: of two at
once the second is composed anew, so that no more is given than there is, or than a day allows. Wallets are written in the
order of their ids, so that two who give each other do not wait for each other.

Welcome credits are not to be collected in one wallet by whoever signs up a hundred times. So only who has confirmed their
address or has bought something may give, and who has never bought anything may give no more than what they have beyond the
welcome credits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final

from config import assistant
from hub import identity_input, signup
from hub.calendar_days import end_of, zone_of
from hub.errors import Code, HubError, invalid
from hub.idempotency import IdempotencyKey
from hub.ledger import Ledger
from hub.notifications import notice
from hub.operations import Applied, Composed, Insert, Leg, NewEvent, Operation
from hub.prices import MICRO_PER_CREDIT, credits_number, credits_text
from models import gifts, payments, users, wallets
from models.clock import now
from models.database import Document, Transaction
from models.ids import new_id

RECIPIENT: Final = "recipient_email"


@dataclass(frozen=True, slots=True)
class Gift:
    """`amount` micro-credits of `sender`, for whoever has the address `email`."""

    sender: str
    email: str
    amount: int
    message: str


class Gifts:
    """One per process."""

    def __init__(self, ledger: Ledger, clock: Callable[[], datetime] = now) -> None:
        self._ledger = ledger
        self._clock = clock

    async def give(self, gift: Gift, key: IdempotencyKey | None = None) -> Document:
        """`{gift, recipient, amount, balance}`: the recipient's address, micro-credits, what the sender has left.

        Raises `HubError`: INVALID for a gift to oneself, FORBIDDEN for who may not give yet, NOT_FOUND where nobody with
        this address may receive one, INSUFFICIENT_CREDITS, RATE_LIMITED for more than a day allows, `KeyTaken`.
        """
        giving = _Giving(gift, self._clock(), key)
        return giving.reply(await self._ledger.commit(Composed(giving.id, giving.compose)))


class _Giving:
    """One gift. The transaction may compose it several times; the last run is the one that stands."""

    def __init__(self, gift: Gift, moment: datetime, key: IdempotencyKey | None) -> None:
        self.id = new_id("gift")
        self._gift = gift
        self._moment = moment
        self._key = key
        self._address = ""

    async def compose(self, transaction: Transaction) -> Operation:
        gift = self._gift
        sender = await users.within(transaction, gift.sender)
        if sender is None:
            raise HubError(Code.NOT_FOUND, "No such user")
        recipient = await users.by_email_within(transaction, identity_input.key(gift.email))
        if recipient is not None and recipient["_id"] == gift.sender:
            raise invalid(RECIPIENT, "must be somebody else's", gift.email)
        bought = await payments.has_bought_within(transaction, gift.sender)
        if not (bought or sender["email_verified"]):
            raise HubError(Code.FORBIDDEN, "Confirm your e-mail address, or buy credits, before you give any away")
        if recipient is None or recipient["status"] != "active":
            raise HubError(Code.NOT_FOUND, "Nobody with this address can receive a gift")
        await self._check_day(transaction)
        if not bought:
            await self._check_welcome(transaction)
        self._address = recipient["email"]
        return self._operation(sender, recipient)

    async def _check_day(self, transaction: Transaction) -> None:
        """Raises `HubError` RATE_LIMITED until the day, by UTC, is over."""
        most, day = assistant.GIFTS_PER_DAY_MAX, self._moment.astimezone(UTC).date()
        since = datetime.combine(day, time(), UTC)
        given = await gifts.amounts_within(transaction, self._gift.sender, since, most)
        if len(given) < most and sum(given) + self._gift.amount <= assistant.GIFT_MICRO_PER_DAY_MAX:
            return
        allowed = f"{most} gifts of {credits_text(assistant.GIFT_MICRO_PER_DAY_MAX)} credits in all"
        seconds = (end_of(day, zone_of("UTC")) - self._moment).total_seconds()
        raise HubError(Code.RATE_LIMITED, f"A day allows {allowed}", retry_after_seconds=max(1.0, seconds))

    async def _check_welcome(self, transaction: Transaction) -> None:
        """What an account is welcomed with stays there. Raises `HubError` INSUFFICIENT_CREDITS."""
        welcome = await wallets.entries_within(transaction, [signup.operation_id(self._gift.sender)])
        wallet = await wallets.wallet_within(transaction, self._gift.sender)
        kept = sum(entry["amount"] for entry in welcome)
        if wallet is not None and wallet["credits"] - wallet["credits_held"] - self._gift.amount < kept:
            message = "Not enough credits: welcome credits cannot be given away before you have bought any"
            raise HubError(Code.INSUFFICIENT_CREDITS, message)

    def _operation(self, sender: Document, recipient: Document) -> Operation:
        gift, moment = self._gift, self._moment
        row = gifts.new_gift(self.id, gift.sender, recipient["_id"], gift.amount, gift.message, moment)
        note, noted = _told(recipient["_id"], sender["email"], gift)
        told = {"gift_id": self.id, "amount": credits_number(gift.amount), "message": gift.message}
        return Operation(
            id=self.id,
            legs=[
                Leg(gift.sender, "credit", "gift", -gift.amount, f"Gift to {recipient['email']}", {"gift": self.id}),
                Leg(recipient["_id"], "credit", "gift", gift.amount, f"Gift from {sender['email']}", {"gift": self.id}),
            ],
            inserts=[Insert(gifts.GIFTS, row), note, *([self._key.done(self.reply)] if self._key else [])],
            events=[
                NewEvent(gift.sender, "gift.sent", {"user_id": gift.sender, **told, "recipient": recipient["email"]}),
                NewEvent(
                    recipient["_id"], "gift.received", {"user_id": recipient["_id"], **told, "sender": sender["email"]}
                ),
                noted,
            ],
            created_at=moment,
        )

    def reply(self, applied: Applied) -> Document:
        left = applied.wallets[self._gift.sender].credits
        return {"gift": self.id, "recipient": self._address, "amount": self._gift.amount, "balance": left}


def _told(user: str, sender: str, gift: Gift) -> tuple[Insert, NewEvent]:
    """Who it is from is said by the address alone: a name could be anybody's."""
    amount = f"{credits_text(gift.amount)} credit{'' if gift.amount == MICRO_PER_CREDIT else 's'}"
    said = f": \u201c{gift.message}\u201d" if gift.message else "."
    return notice(user, "success", "billing", f"A gift of {amount}", f"{sender} gave you {amount}{said}")
