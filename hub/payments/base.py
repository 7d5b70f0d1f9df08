"""The contract of a payments company. Stripe is one, the sandbox of development another.

    prepare(order) -> payment id, nothing charged --(the id is stored)--> confirm(id): charged --> Charge
    open_checkout(order) -> its id, the page --(the id is stored)--> the payer pays there --> look_up(id) --> Charge

In two steps, so that the id of whatever may be charged is known to us before it is: after a crash at any moment `look_up`
tells what became of it. A checkout is asked after as a payment is, by its own id.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

ChargeStatus = Literal["unconfirmed", "requires_action", "pending", "succeeded", "returned", "failed", "expired"]
CURRENCY = "usd"


class PaymentRefused(Exception):
    """The company says no to this payment, for good; the message is for the payer. Nothing was charged."""


class PaymentUnavailable(Exception):
    """The company did not answer, or not usefully: what was asked may or may not have been done."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be paid: `id` is our own and makes a repeated call the same one, `method` what the payer named.

    `customer`: with whom the company keeps the method; then it is charged while its owner is away.
    """

    id: str
    user: str
    cents: int
    method: str
    title: str
    customer: str | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """A payment as the company has it.

    `returned` is one that was paid, and refunded or disputed since, be it in part; `expired` a checkout that nobody paid
    and nobody can pay any more; one that `failed` without a `reason` was never tried. `cents` is what was received, `user`
    whom the payment says it is for ("" where it does not say); None where any will do.
    """

    payment: str
    status: ChargeStatus
    cents: int | None = None
    currency: str = CURRENCY
    user: str | None = None
    reason: str | None = None
    client_secret: str | None = None
    intent: str | None = None  # by which news of it come, where that is not `payment`


@dataclass(frozen=True, slots=True)
class CheckoutPage:
    """Where a payer goes: `session` is the payment's id for as long as we ask after it."""

    session: str
    url: str


@dataclass(frozen=True, slots=True)
class KeptMethod:
    """A method that may be charged while its owner is away; `customer` is who the company keeps it with, if it does."""

    method: str
    customer: str | None


class PaymentProvider(Protocol):
    """A payments company. Every call is bounded in time; all raise `PaymentRefused` or `PaymentUnavailable`."""

    name: str
    pays_here: bool  # its checkouts are paid on our own page

    async def prepare(self, order: Order) -> str:
        """Announce a payment; its id. Nothing is charged. The same order gives the same id."""

    async def confirm(self, payment: str, *, away: bool = False) -> Charge:
        """Charge it; a second call for the same payment charges nothing more. With its owner `away`, who cannot be asked,
        a charge that needs their word is `failed`.
        """

    async def open_checkout(self, order: Order, page: str, expires_at: datetime) -> CheckoutPage:
        """A page on which the order can be paid until then. `page` is the address of our own page of this checkout, to which
        the payer comes back.
        """

    async def keep_method(self, user: str, method: str, customer: str | None) -> KeptMethod:
        """Have a method ready to be charged while its owner is away; `customer` is the user's, if there is one already."""

    async def look_up(self, payment: str) -> Charge:
        """What became of it. An id that does not exist is `failed`."""

    async def cancel(self, payment: str) -> Charge:
        """Make sure that it will not be charged any more, unless it was."""

    def notified(self, body: bytes, signature: str | None) -> str | None:
        """The payment that a webhook of the company has news of, once its signature is right; None for other news.

        Raises `HubError` MALFORMED for a bad or old signature, UNAVAILABLE where no secret is set.
        """

    async def close(self) -> None:
        """Let go of connections."""
