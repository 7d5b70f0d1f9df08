"""Purchases: from what a user wants to pay for to the credits or points in the wallet, once.

    buy: row pending -> prepare -> its id noted -> confirm (charged) -> credited        each arrow may be the last one
    sweep, webhook, repeat: a pending row with an id -> what does the company say? -> credited, failed, or still pending

Nothing is charged before its id stands in the row, so a crash at any moment leaves either no charge or one that the sweep
finds. It believes neither a client about money, nor a webhook, whose news may be old: the company is asked.
"""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import structlog

from config import assistant, limits
from config.settings import Settings
from hub.errors import Code, HubError, invalid
from hub.idempotency import IdempotencyKey
from hub.ledger import Ledger
from hub.operations import Composed, Insert, Operation
from hub.payments import records
from hub.payments.base import CURRENCY, Charge, PaymentProvider, PaymentRefused, PaymentUnavailable
from hub.payments.records import METHOD_FIELD, Purchase
from hub.payments.sandbox import SandboxPayments
from hub.payments.stripe import StripePayments
from models import payments
from models.clock import now
from models.database import Database, DatabaseError, Document, Transaction
from models.ids import new_id
from models.payments import PAYMENTS

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0
_LOST: Final = ("failed", "returned", "expired")


def open_provider(settings: Settings) -> PaymentProvider | None:
    """Stripe where it has a key, else the sandbox in development, else nobody."""
    if settings.stripe_api_key is not None:
        return StripePayments(settings.stripe_api_key, settings.stripe_api_base, settings.stripe_webhook_secret)
    return None if settings.production else SandboxPayments()


class _Settled(HubError):
    """The row is where it was to be brought: somebody else was faster."""

    def __init__(self) -> None:
        super().__init__(Code.CONFLICT, "This payment was settled before")


class Purchases:
    """One per process."""

    def __init__(self, database: Database, ledger: Ledger, provider: PaymentProvider | None) -> None:
        self._database = database
        self._ledger = ledger
        self._provider = provider

    async def close(self) -> None:
        if self._provider is not None:
            await self._provider.close()

    # --- buying --------------------------------------------------------------------------------------------

    async def buy(self, purchase: Purchase, key: IdempotencyKey | None = None) -> Document:
        """Charge and credit; `records.reply`, or with `status` requires_action or pending what is known so far.

        A method `pi_...` names a payment that was made before: it is looked up, and counts once, ever. Raises `HubError`:
        INVALID for a refused payment, CONFLICT for one that was used, UNAVAILABLE (nothing was charged), OUTCOME_UNKNOWN
        (it will be credited if it was charged), `KeyTaken`, IN_FLIGHT for an attempt that has a row.
        """
        provider = self.provider
        if purchase.method.startswith("pi_"):
            return await self._count_in(provider, purchase, key)
        row = records.new_row(purchase, provider.name, key)
        inserts = [records.inserted(row), *([key.begun(row["_id"])] if key else [])]
        await self._ledger.commit(Operation(new_id("op"), inserts=inserts))
        payment = await self._prepare(provider, row, purchase)
        try:
            charge = await provider.confirm(payment, away=purchase.away)
        except (PaymentUnavailable, PaymentRefused) as error:
            log.warning("payment unanswered", payment=row["_id"], error=str(error)[:200])
            raise _unknown() from error
        return await self._conclude(row, charge, purchase.field)

    async def so_far(self, record: Document, field: str = METHOD_FIELD) -> Document | None:
        """What the purchase of an idempotency record has come to; None while its first request is at work.

        `field` is the input that named the method. Raises `HubError` as `buy` does.
        """
        row = await payments.by_id(self._database, record["payment"])
        return None if row is None else await self._come_to(row, field)

    async def attempted(self, attempt: str) -> Document | None:
        """What an attempt's purchase has come to, whenever it was: a reply as `buy`'s, with `status` pending while it is not
        known. None where nothing was tried: then it may be bought. Raises `HubError` as `buy` does.
        """
        row = await payments.by_attempt(self._database, attempt)
        if row is None:
            return None
        if row["status"] == "failed":
            raise invalid(METHOD_FIELD, row["reason"])
        return await self._come_to(row, METHOD_FIELD) or records.unpaid_reply(row, "pending")

    async def _come_to(self, row: Document, field: str) -> Document | None:
        provider = self.provider
        if row["status"] == "succeeded":
            reply: Document = row["reply"]
            return reply
        if row["status"] != "pending" or row["provider"] != provider.name or "payment" not in row:
            return None
        charge = await _looked_up(provider, row["payment"])
        return None if charge.status == "unconfirmed" else await self._conclude(row, charge, field)

    @property
    def provider(self) -> PaymentProvider:
        """Who takes payments. Raises `HubError` UNAVAILABLE where nobody does."""
        if self._provider is None:
            message = "Payments are not set up on this hub"
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=60)
        return self._provider

    async def _prepare(self, provider: PaymentProvider, row: Document, purchase: Purchase) -> str:
        """The company's id of the payment, noted. Whatever fails here, nothing was charged."""
        order = records.order_of(row, purchase.method, purchase.customer)
        try:
            payment = await provider.prepare(order)
        except PaymentRefused as error:
            await self._fail(row["_id"], str(error))
            raise invalid(purchase.field, str(error)) from error
        except PaymentUnavailable as error:
            await self._fail(row["_id"], "the payments company did not answer", records.untried)
            raise away(error) from error
        if not await payments.note(self._database, row, payment):
            raise _unknown()  # so slow that the sweep has taken it for abandoned
        return payment

    async def _conclude(self, row: Document, charge: Charge, field: str) -> Document:
        if charge.status == "succeeded":
            try:
                return await self.credit(row["_id"])
            except (HubError, DatabaseError) as error:  # it is paid: "nothing was written" would have it paid twice
                log.warning("paid and not credited yet", payment=row["_id"], error=str(error)[:200])
                raise _unknown() from error
        if charge.status in _LOST:
            reason = charge.reason or "the payment was refused"
            await self._fail(row["_id"], reason)
            raise invalid(field, reason)
        waiting = records.unpaid_reply(row, charge.status)
        return {**waiting, "client_secret": charge.client_secret}

    async def _count_in(self, provider: PaymentProvider, purchase: Purchase, key: IdempotencyKey | None) -> Document:
        """Credit a payment that was made before, if the company says that it was, and for this."""
        charge = await _looked_up(provider, purchase.method)
        _check(charge, purchase)
        row = records.new_row(purchase, provider.name, key)
        row |= {"payment": charge.payment, "status": "succeeded"}
        insert = Insert(
            PAYMENTS, row, ("payment",), _used, result=lambda applied: {"reply": records.reply(row, applied)}
        )
        applied = await self._ledger.commit(records.paid_before(row, key, insert))
        return records.reply(row, applied)

    # --- what became of it ---------------------------------------------------------------------------------

    async def credit(self, payment_id: str, intent: str | None = None) -> Document:
        """Credit a row that is paid, unless it is credited; its reply either way. Raises `HubError` as the ledger does."""

        async def compose(transaction: Transaction) -> Operation:
            row = await payments.within(transaction, payment_id)
            if row is None or row["status"] == "succeeded":
                raise _Settled()
            return records.credited(row, intent)

        await self._settle(Composed(new_id("op"), compose))
        row = await payments.by_id(self._database, payment_id)
        if row is None or row["reply"] is None:
            raise _unknown()
        reply: Document = row["reply"]
        return reply

    async def lapse(self, payment_id: str, reason: str) -> None:
        """Let a pending checkout end unpaid; one that was paid meanwhile stays."""
        await self._fail(payment_id, reason, records.lapsed)

    async def end(self, row: Document) -> bool:
        """Have the company close a checkout's page; whether the row is pending no more. Raises `HubError` UNAVAILABLE."""
        try:
            charge = await self.provider.cancel(row["payment"])
        except PaymentUnavailable as error:
            raise away(error) from error
        await self._follow(row, charge)
        return charge.status in ("succeeded", *_LOST)

    async def _fail(self, payment_id: str, reason: str, failed: records.Failing = records.failed) -> None:
        """Let a pending row fail; one that succeeded meanwhile stays."""

        async def compose(transaction: Transaction) -> Operation:
            row = await payments.within(transaction, payment_id)
            if row is None or row["status"] != "pending":
                raise _Settled()
            return failed(row, reason)

        await self._settle(Composed(new_id("op"), compose))

    async def _settle(self, operation: Composed) -> None:
        try:
            await self._ledger.commit(operation)
        except _Settled:
            log.debug("payment settled before")

    async def notified(self, body: bytes, signature: str | None) -> bool:
        """A webhook of the company; whether it had news of a payment of ours. Raises `HubError`: MALFORMED, UNAVAILABLE."""
        provider = self.provider
        payment = provider.notified(body, signature)
        row = await payments.by_payment(self._database, payment) if payment else None
        if row is None:
            return False
        await self.ask(row)
        return True

    async def ask(self, row: Document) -> None:
        """Bring a row to where the company says that it stands. Raises `HubError` UNAVAILABLE, and as the ledger does."""
        await self._follow(row, await _looked_up(self.provider, row["payment"]))

    async def _follow(self, row: Document, charge: Charge) -> None:
        if charge.status == "succeeded":
            await self.credit(row["_id"], charge.intent)
        elif charge.status == "expired":
            await self.lapse(row["_id"], charge.reason or "its checkout ended unpaid")
        elif charge.status in _LOST:
            failed = records.untried if charge.reason is None else records.failed
            await self._fail(row["_id"], charge.reason or "the payment was not completed", failed)
        if charge.status == "returned" and row["status"] == "succeeded":
            # what it bought may be spent by now: a person decides
            log.warning("a credited payment was refunded or is disputed", payment=row["_id"], user=row["user"])

    # --- what was left in the middle -----------------------------------------------------------------------

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(limits.PAYMENT_SWEEP_SECONDS)
            try:
                await self.sweep(now())
            except (DatabaseError, HubError) as error:
                log.warning("payments not swept", error=str(error)[:200])

    async def sweep(self, moment: datetime) -> int:
        """Look after pending payments whose time has come by `moment`, some at once; how many were taken up."""
        if self._provider is None:
            return 0
        provider, free = self._provider, asyncio.Semaphore(limits.PAYMENTS_SWEPT_AT_ONCE)

        async def looked_after(row: Document) -> bool:
            async with free:
                return await self._look_after(provider, row, moment)

        rows = await payments.due(self._database, moment, limits.PAYMENT_SWEEP_MAX)
        return sum(await asyncio.gather(*(looked_after(row) for row in rows)))

    async def _look_after(self, provider: PaymentProvider, row: Document, moment: datetime) -> bool:
        age = (moment - row["created_at"]).total_seconds()
        try:
            taken = await payments.take(self._database, row, moment + _pause(row, age))
            if taken is not None:
                await self._finish(provider, taken, age > limits.PAYMENT_ABANDONED_SECONDS)
            return taken is not None
        except (PaymentUnavailable, PaymentRefused, HubError, DatabaseError) as error:
            log.warning("payment still pending", payment=row["_id"], error=str(error)[:200])
            return True

    async def _finish(self, provider: PaymentProvider, row: Document, abandoned: bool) -> None:
        """Without an id nothing was charged. An intent that nobody confirmed is cancelled: its payer heard of no success."""
        if row["provider"] != provider.name:
            log.warning("payment of another provider", payment=row["_id"], provider=row["provider"])
        elif "payment" not in row:
            failed = records.lapsed if "checkout" in row else records.untried
            await self._fail(row["_id"], "it was interrupted before anything was charged", failed)
        else:
            charge = await provider.look_up(row["payment"])
            if charge.status == "unconfirmed" or (abandoned and charge.status not in ("succeeded", *_LOST)):
                charge = await provider.cancel(row["payment"])
            await self._follow(row, charge)


def _pause(row: Document, age: float) -> timedelta:
    """Until a payment of so many seconds is looked after once more."""
    least = assistant.CHECKOUT_PENDING_SECONDS if "checkout" in row else limits.PAYMENT_PENDING_SECONDS
    return timedelta(seconds=min(max(age, least), limits.PAYMENT_PENDING_SECONDS_MAX))


async def _looked_up(provider: PaymentProvider, payment: str) -> Charge:
    try:
        return await provider.look_up(payment)
    except PaymentUnavailable as error:
        message = "The payments company does not answer; ask again"
        raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS) from error


def away(error: PaymentUnavailable) -> HubError:
    """What a payer is told while nothing can have been charged."""
    log.warning("payments company away", error=str(error)[:200])
    message = "The payments company does not answer; nothing was charged"
    return HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS)


def _check(charge: Charge, purchase: Purchase) -> None:
    """Raises `HubError` INVALID for a payment that is not paid, not for this price, or not said to be this user's."""
    if charge.status != "succeeded":
        raise invalid(purchase.field, "this payment has not succeeded")
    if charge.currency != CURRENCY or charge.cents not in (None, purchase.cents):
        raise invalid(purchase.field, "this payment is of another amount")
    if charge.user not in (None, purchase.user):
        raise invalid(purchase.field, "this payment has not succeeded")


def _used(_: str) -> Exception:
    return HubError(Code.CONFLICT, "This payment has been used before")


def _unknown() -> HubError:
    message = "It is not known yet whether this was paid: it will be credited if it was. Ask again with the same key"
    return HubError(Code.OUTCOME_UNKNOWN, message, retry_after_seconds=_RETRY_SECONDS)
