"""The payments company of development: takes no money and keeps nothing, so that it knows after a crash what it knew before.

Succeeds for `pm_...`, `card` and `stripe`, fails for `pm_fail...`; any `pi_...` counts as paid, whatever its amount. That
each is used once is the ledger's matter. Its checkouts are paid on our own page, and whether one was stands in our own rows.
"""

import re
from datetime import datetime
from typing import Final

from hub.errors import Code, HubError
from hub.payments.base import Charge, CheckoutPage, KeptMethod, Order, PaymentRefused

_METHOD: Final = re.compile(r"pm_[A-Za-z0-9_]{1,200}|card|stripe")
_FAILING: Final = "sandbox_fail_"
_CHECKOUT: Final = "cs_test_"


class SandboxPayments:
    """A payment's id says how it ends."""

    name = "sandbox"
    pays_here = True

    async def prepare(self, order: Order) -> str:
        _check_method(order.method)
        return f"{_FAILING if order.method.startswith('pm_fail') else 'sandbox_'}{order.id}"

    async def confirm(self, payment: str, *, away: bool = False) -> Charge:
        if payment.startswith(_FAILING):
            return Charge(payment, "failed", reason="The card was declined")
        return Charge(payment, "succeeded")

    async def open_checkout(self, order: Order, page: str, expires_at: datetime) -> CheckoutPage:
        """It is paid on our own page, whose last part names it."""
        return CheckoutPage(page.rpartition("/")[2], page)

    async def keep_method(self, user: str, method: str, customer: str | None) -> KeptMethod:
        _check_method(method)
        return KeptMethod(method, customer)

    async def look_up(self, payment: str) -> Charge:
        return Charge(payment, "pending") if payment.startswith(_CHECKOUT) else await self.confirm(payment)

    async def cancel(self, payment: str) -> Charge:
        return Charge(payment, "expired") if payment.startswith(_CHECKOUT) else await self.confirm(payment)

    def notified(self, body: bytes, signature: str | None) -> str | None:
        raise HubError(Code.UNAVAILABLE, "The sandbox has no webhooks", retry_after_seconds=60)

    async def close(self) -> None:
        """There is nothing to let go of."""


def _check_method(method: str) -> None:
    if not _METHOD.fullmatch(method):
        raise PaymentRefused("there is no such payment method")
