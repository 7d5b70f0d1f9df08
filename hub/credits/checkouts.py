"""Checkouts: a purchase that is paid on a page, the payments company's own or, with the sandbox, ours.

    open: row pending -> the company's page -> its session noted -> its address to the buyer      each arrow may be the last
    the payer pays there -> webhook, sweep, or the payer's return to our page -> what does the company say? -> credited once

A page whose session is not noted is known to nobody, so that nobody can pay on it. From there on it is a payment as any
other (`hub/payments/purchases.py`): looked after until it is credited, or until its page has expired. Whoever has the
address of our own page may see what is bought there, and with the sandbox pay for it: it is a secret.
"""

import secrets
from datetime import timedelta
from typing import Final

import structlog

from config import assistant
from hub.errors import Code, HubError, invalid
from hub.idempotency import IdempotencyKey, replied
from hub.ledger import Ledger
from hub.operations import Composed, Insert, Operation, Update
from hub.payments import records
from hub.payments.base import CheckoutPage, Order, PaymentProvider, PaymentRefused, PaymentUnavailable
from hub.payments.purchases import Purchases, away
from hub.payments.records import Purchase
from models import payments
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id
from models.payments import PAYMENTS

log = structlog.get_logger(__name__)

_PAGE_BYTES: Final = 24  # of chance in a page's address
_OPEN_SECONDS: Final = 60
_CANCELLED: Final = "its payer turned back"


class Checkouts:
    """One per process. `pages` is the address of our own pages of checkouts, which ends in a slash."""

    def __init__(self, database: Database, ledger: Ledger, purchases: Purchases, pages: str) -> None:
        self._database = database
        self._ledger = ledger
        self._purchases = purchases
        self._pages = pages

    async def open(self, purchase: Purchase, return_url: str, key: IdempotencyKey | None = None) -> Document:
        """A page to pay on: `{session, url}`. Nothing is charged yet.

        Raises `HubError`: INVALID for what the company refuses, RATE_LIMITED with very many open, UNAVAILABLE, `KeyTaken`.
        """
        provider, most = self._purchases.provider, assistant.CHECKOUTS_OPEN_MAX
        if await payments.checkouts_open(self._database, purchase.user, most) >= most:
            message = f"{most} checkouts are open: pay for one of them, or turn back from it"
            raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=_OPEN_SECONDS)
        page = f"{'cs_test_' if provider.pays_here else 'page_'}{secrets.token_hex(_PAGE_BYTES)}"
        checkout = {"page": page, "url": None, "return_url": return_url, "looks": 0}
        row = records.new_row(purchase, provider.name, key) | {"checkout": checkout}
        inserts = [Insert(PAYMENTS, row), *([key.begun(row["_id"])] if key else [])]
        await self._ledger.commit(Operation(new_id("op"), inserts=inserts))
        return await self._note(row, await self._opened(provider, row, purchase), key)

    async def _opened(self, provider: PaymentProvider, row: Document, purchase: Purchase) -> CheckoutPage:
        expires_at = row["created_at"] + timedelta(seconds=assistant.CHECKOUT_SECONDS)
        try:
            order, page = records.order_of(row, purchase), self._pages + row["checkout"]["page"]
            return await provider.open_checkout(order, page, expires_at)
        except PaymentRefused as error:
            await self._purchases.lapse(row["_id"], str(error))
            raise invalid(purchase.field, str(error)) from error
        except PaymentUnavailable as error:
            await self._purchases.lapse(row["_id"], "the payments company did not answer")
            raise away(error) from error

    async def _note(self, row: Document, page: CheckoutPage, key: IdempotencyKey | None) -> Document:
        """Write the session down, and what a repeat of the request is answered. From then on the key is the checkout's no
        more: what becomes of the payment is another matter.
        """
        told = {"session": page.session, "url": page.url}

        async def compose(transaction: Transaction) -> Operation:
            found = await payments.within(transaction, row["_id"])
            if found is None or (found["status"], found["due_at"]) != (
                "pending",
                row["due_at"],
            ):  # so slow that the sweep has taken it for abandoned
                message = "The checkout page came too late; nothing was charged"
                raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=1)
            known = {"payment": page.session, "checkout.url": page.url, "key": None}
            noted = Update(PAYMENTS, {"_id": row["_id"]}, {"$set": known})
            answered = [replied(key.id, lambda applied: told)] if key else []
            return Operation(new_id("op"), updates=[noted, *answered])

        await self._ledger.commit(Composed(new_id("op"), compose))
        return told

    # --- the page --------------------------------------------------------------------------------------------

    async def find(self, page: str) -> Document:
        """A checkout's row as it stands now: of one that is pending the company is asked, a few times at most.

        Raises `HubError` NOT_FOUND.
        """
        row = await self._row(page)
        if not self._is_asked_about(row) or not await payments.look(
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

    def _is_asked_about(self, row: Document) -> bool:
        try:
            provider = self._purchases.provider
        except HubError:  # nobody takes payments any more
            return False
        return row["status"] == "pending" and row["provider"] == provider.name and not provider.pays_here

    def is_payable_here(self, row: Document) -> bool:
        """Whether our own page takes its payment now."""
        try:
            provider = self._purchases.provider
        except HubError:
            return False
        ends_at = row["created_at"] + timedelta(seconds=assistant.CHECKOUT_SECONDS)
        here = provider.pays_here and row["provider"] == provider.name
        return here and row["status"] == "pending" and now() < ends_at

    async def pay(self, page: str, method: str) -> None:
        """Pay on our own page, once. Raises `HubError`: NOT_FOUND, CONFLICT where it is not to be paid here or any more,
        INVALID for a method that is declined.
        """
        row = await self._payable(page)
        order = Order(row["_id"], row["user"], row["cents"], method, row["title"])
        try:
            charge = await self._purchases.provider.confirm(await self._purchases.provider.prepare(order))
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
