"""Checkouts: a purchase that is paid on a page, the payments company's own or, with the sandbox, ours.

    open: row pending -> the company's page -> its session noted -> its address to the buyer      each arrow may be the last
    the payer pays there -> webhook, sweep, or the payer's return to our page -> what does the company say? -> credited once

A page whose session is not noted is known to nobody, so that nobody can pay on it. From there on it is a payment as any
other (`hub/payments/purchases.py`): looked after until it is credited, or until its page has expired. A user has only so
many open; one more ends the oldest, whose payer has left it. Whoever has the
address of our own page may see what is bought there, and with the sandbox pay for it: it is a secret.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

import structlog

from config import assistant
from hub.errors import Code, HubError, invalid
from hub.idempotency import IdempotencyKey, replied
from hub.ledger import Ledger
from hub.operations import Composed, Operation, Update, in_turn
from hub.payments import records
from hub.payments.base import CheckoutPage, PaymentProvider, PaymentRefused, PaymentUnavailable
from hub.payments.purchases import Purchases, away
from hub.payments.records import Purchase
from models import payments
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id
from models.payments import PAYMENTS

log = structlog.get_logger(__name__)

_PAGE_BYTES: Final = 24  # of chance in a page's address
_OPEN_SECONDS: Final = 10
_CANCELLED: Final = "its payer turned back"


class Checkouts:
    """One per process."""

    def __init__(self, database: Database, ledger: Ledger, purchases: Purchases) -> None:
        self._database = database
        self._ledger = ledger
        self._purchases = purchases

    async def open(
        self, purchase: Purchase, pages: str, return_url: str, key: IdempotencyKey | None = None
    ) -> Document:
        """A page to pay on: `{session, url}`. Nothing is charged yet. `pages` is the address of our own pages of checkouts,
        which ends in a slash.

        Raises `HubError`: INVALID for what the company refuses, RATE_LIMITED where very many are open and none of them can
        be ended, UNAVAILABLE, `KeyTaken`.
        """
        provider = self._purchases.provider
        await self._make_room(provider, purchase.user)
        page = f"{'cs_test_' if provider.pays_here else 'page_'}{secrets.token_hex(_PAGE_BYTES)}"
        checkout = {"page": page, "url": None, "return_url": return_url, "looks": 0}
        row = records.new_row(purchase, provider.name, key) | {"checkout": checkout}
        await self._begin(row, key)
        return await self._note(row, await self._opened(provider, row, pages + page, purchase.field), key)

    async def _make_room(self, provider: PaymentProvider, user: str) -> None:
        """Where as many are open as may be, end the oldest that can be: of one whose payment takes days the page stays."""
        most = assistant.CHECKOUTS_OPEN_MAX
        rows = await payments.open_checkouts(self._database, user, most)
        for row in rows if len(rows) >= most else ():
            if "payment" in row and row["provider"] == provider.name and await self._purchases.end(row):
                return

    async def _begin(self, row: Document, key: IdempotencyKey | None) -> None:
        operation_id, user, most = new_id("op"), row["user"], assistant.CHECKOUTS_OPEN_MAX

        async def compose(transaction: Transaction) -> Operation:
            if await payments.open_checkouts_within(transaction, user, most) >= most:
                message = f"{most} checkouts are open, or being opened at this moment, and none of them can be ended"
                raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=_OPEN_SECONDS)
            inserts = [records.inserted(row), *([key.begun(row["_id"])] if key else [])]
            return Operation(operation_id, inserts=inserts, updates=[in_turn(f"checkouts:{user}")])

        await self._ledger.commit(Composed(operation_id, compose))

    async def _opened(self, provider: PaymentProvider, row: Document, page: str, field: str) -> CheckoutPage:
        try:
            return await provider.open_checkout(records.order_of(row, row["method"]), page, _ends_at(row))
        except PaymentRefused as error:
            await self._purchases.lapse(row["_id"], str(error))
            raise invalid(field, str(error)) from error
        except PaymentUnavailable as error:
            await self._purchases.lapse(row["_id"], "the payments company did not answer")
            raise away(error) from error

    async def _note(self, row: Document, page: CheckoutPage, key: IdempotencyKey | None) -> Document:
        """Write the session down, and what a repeat of the request is answered. From then on the key is the checkout's no
        more: what becomes of the payment is another matter.
        """
        told, operation_id = {"session": page.session, "url": page.url}, new_id("op")
        due_at = now() + timedelta(seconds=assistant.CHECKOUT_PENDING_SECONDS)

        async def compose(transaction: Transaction) -> Operation:
            found = await payments.within(transaction, row["_id"])
            if found is None or (found["status"], found["due_at"]) != (
                "pending",
                row["due_at"],
            ):  # so slow that the sweep has taken it for abandoned
                message = "The checkout page came too late; nothing was charged"
                raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=1)
            known = {"payment": page.session, "checkout.url": page.url, "key": None, "due_at": due_at}
            noted = Update(PAYMENTS, {"_id": row["_id"]}, {"$set": known})
            answered = [replied(key.id, lambda applied: told)] if key else []
            return Operation(operation_id, updates=[noted, *answered])

        await self._ledger.commit(Composed(operation_id, compose))
        return told

    # --- the page --------------------------------------------------------------------------------------------

    async def find(self, page: str) -> Document:
        """A checkout's row as it stands now: of one that is pending the company is asked, a few times at most; one of our
        own page ends when it is too old. Raises `HubError`: NOT_FOUND, UNAVAILABLE.
        """
        row = await self._row(page)
        if self._is_pending_at(row, here=True) and _ends_at(row) <= now():
            await self._purchases.lapse(row["_id"], "it was not paid in time")
            return await self._row(page)
        if not self._is_pending_at(row, here=False) or not await payments.look(
            self._database, row["_id"], assistant.CHECKOUT_LOOKS_MAX
        ):
            return row
        try:
            await self._purchases.ask(row)
        except HubError as error:
            log.info("checkout not asked about", payment=row["_id"], error=str(error)[:200])
        return await self._row(page)

    async def _row(self, page: str) -> Document:
        row = await payments.by_page(self._database, page)
        if row is None:
            raise HubError(Code.NOT_FOUND, "No such checkout")
        return row

    def _is_pending_at(self, row: Document, here: bool) -> bool:
        """Whether its payment is waited for `here`, on our own page, or else on the company's."""
        try:
            provider = self._purchases.provider
        except HubError:  # nobody takes payments any more
            return False
        return row["status"] == "pending" and row["provider"] == provider.name and provider.pays_here is here

    def elsewhere(self, row: Document) -> str:
        """The address of the company's page, where its payment is waited for there; else ""."""
        return row["checkout"]["url"] or "" if self._is_pending_at(row, here=False) else ""

    def is_payable_here(self, row: Document) -> bool:
        """Whether our own page takes its payment now."""
        return self._is_pending_at(row, here=True) and now() < _ends_at(row)

    async def pay(self, page: str, method: str) -> None:
        """Pay on our own page, once. Raises `HubError`: NOT_FOUND, CONFLICT where it is not to be paid here or any more,
        INVALID for a method that is declined.
        """
        row = await self._payable(page)
        provider = self._purchases.provider
        try:
            charge = await provider.confirm(await provider.prepare(records.order_of(row, method)))
        except PaymentRefused as error:
            raise invalid("method", str(error)) from error
        if charge.status != "succeeded":
            raise invalid("method", charge.reason or "the payment was refused")
        await self._purchases.credit(row["_id"])

    async def cancel(self, page: str) -> None:
        """Turn back from our own page. Raises `HubError` as `pay` does."""
        row = await self._payable(page)
        await self._purchases.lapse(row["_id"], _CANCELLED)

    async def _payable(self, page: str) -> Document:
        row = await self._row(page)
        if not self.is_payable_here(row):
            raise HubError(Code.CONFLICT, "This checkout is not to be paid here, or not any more")
        return row


def _ends_at(row: Document) -> datetime:
    created_at: datetime = row["created_at"]
    return created_at + timedelta(seconds=assistant.CHECKOUT_SECONDS)
