"""The payments company of development: takes no money and keeps nothing, so that it knows after a crash what it knew before.

Succeeds for `pm_...`, `card` and `stripe`, fails for `pm_fail...`; any `pi_...` counts as paid, whatever its amount. That
each is used once is the ledger's matter.
"""

import re
from typing import Final

from hub.errors import Code, HubError
from hub.payments.base import Charge, Order, PaymentRefused

_METHOD: Final = re.compile(r"pm_[A-Za-z0-9_]{1,200}|card|stripe")
_FAILING: Final = "sandbox_fail_"


class SandboxPayments:
    """A payment's id says how it ends."""

    name = "sandbox"

    async def prepare(self, order: Order) -> str:
        if not _METHOD.fullmatch(order.method):
            raise PaymentRefused("there is no such payment method")
        return f"{_FAILING if order.method.startswith('pm_fail') else 'sandbox_'}{order.id}"

    async def confirm(self, payment: str) -> Charge:
        if payment.startswith(_FAILING):
            return Charge(payment, "failed", reason="The card was declined")
        return Charge(payment, "succeeded")

    async def look_up(self, payment: str) -> Charge:
        return await self.confirm(payment)

    async def cancel(self, payment: str) -> Charge:
        return await self.confirm(payment)

    def notified(self, body: bytes, signature: str | None) -> str | None:
        raise HubError(Code.UNAVAILABLE, "The sandbox has no webhooks", retry_after_seconds=60)

    async def close(self) -> None:
        """There is nothing to let go of."""
