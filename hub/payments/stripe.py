"""Stripe, by its own library's asynchronous client: payment intents, checkout sessions, and the webhook with news of them.

It knows no wallet; what its objects mean stands in `stripe_objects.py`. An intent is created unconfirmed and then confirmed,
each with an idempotency key of its own.
"""

import time
from collections.abc import Awaitable
from datetime import datetime
from typing import Any, Final, TypeVar

import aiohttp
import stripe

from config import limits
from hub.errors import Code, HubError
from hub.payments import stripe_objects as objects
from hub.payments.base import Charge, CheckoutPage, KeptMethod, Order, PaymentRefused, PaymentUnavailable

T = TypeVar("T")

stripe.enable_telemetry = False  # it would add the timing of earlier calls to each one

_ASKS: Final = "Its bank wants its owner to confirm each payment"


class StripePayments:
    """One per process."""

    name = "stripe"
    pays_here = False

    def __init__(self, api_key: str, api_base: str, webhook_secret: str | None) -> None:
        """Within a running event loop: the connections belong to it."""
        timeout = aiohttp.ClientTimeout(total=limits.PAYMENT_CALL_SECONDS_MAX)
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=limits.PAYMENT_CALLS_AT_ONCE))
        http = stripe.AIOHTTPClient(timeout=timeout, session=self._session)
        # no retries of the library's own: they would outlast the deadline, and the sweep repeats what matters
        self._client = stripe.StripeClient(
            api_key, base_addresses={"api": api_base}, http_client=http, max_network_retries=0
        )
        self._webhook_secret = webhook_secret

    async def prepare(self, order: Order) -> str:
        params: Any = objects.intent_params(order)
        options: Any = {"idempotency_key": f"{order.id}:create"}
        intent = await _asked(self._client.v1.payment_intents.create_async(params, options))
        return str(intent.id)

    async def confirm(self, payment: str, *, away: bool = False) -> Charge:
        params: Any = {"off_session": True} if away else None
        options: Any = {"idempotency_key": f"{payment}:confirm"}
        try:
            intent = await _asked(self._client.v1.payment_intents.confirm_async(payment, params, options))
        except PaymentRefused as error:
            found = await self.look_up(payment)  # already confirmed, perhaps: what became of it is what counts
            if found.status in ("failed", "unconfirmed"):
                return Charge(payment, "failed", reason=str(error))
            return found
        charge = objects.charge_of_intent(intent.to_dict())
        return await self._given_up(charge) if away and charge.status == "requires_action" else charge

    async def _given_up(self, charge: Charge) -> Charge:
        """Its owner is not there to be asked. Cancelled, it cannot be agreed to later and charged beside another."""
        found = await self.cancel(charge.payment)
        return Charge(charge.payment, "failed", reason=_ASKS) if found.status == "failed" else found

    async def open_checkout(self, order: Order, page: str, expires_at: datetime) -> CheckoutPage:
        params: Any = objects.session_params(order, page, expires_at)
        options: Any = {"idempotency_key": f"{order.id}:checkout"}
        session = await _asked(self._client.v1.checkout.sessions.create_async(params, options))
        return CheckoutPage(str(session.id), str(session.url))

    async def keep_method(self, user: str, method: str, customer: str | None) -> KeptMethod:
        """Stripe charges a method again only where it is attached to a customer; another customer's is refused."""
        methods = self._client.v1.payment_methods
        found = (await _asked(methods.retrieve_async(method))).to_dict()
        customer = customer or await self._new_customer(user)
        if found.get("customer") == customer:
            return KeptMethod(method, customer)
        if found.get("customer") is not None:
            raise PaymentRefused("there is no such payment method")
        attached = await _asked(methods.attach_async(str(found["id"]), {"customer": customer}))
        return KeptMethod(str(attached.id), customer)

    async def _new_customer(self, user: str) -> str:
        params: Any = {"metadata": {"user_id": user}}
        options: Any = {"idempotency_key": f"{user}:customer"}
        return str((await _asked(self._client.v1.customers.create_async(params, options))).id)

    async def look_up(self, payment: str) -> Charge:
        try:
            if payment.startswith(objects.SESSION_PREFIX):
                return await self._session_charge(payment)
            params: Any = {"expand": ["latest_charge"]}
            intent = await _asked(self._client.v1.payment_intents.retrieve_async(payment, params))
            return objects.charge_of_intent(intent.to_dict())
        except PaymentRefused as error:
            return Charge(payment, "failed", reason=str(error))

    async def _session_charge(self, session: str) -> Charge:
        params: Any = {"expand": ["payment_intent.latest_charge"]}
        found = await _asked(self._client.v1.checkout.sessions.retrieve_async(session, params))
        return objects.charge_of_session(found.to_dict())

    async def cancel(self, payment: str) -> Charge:
        try:
            if payment.startswith(objects.SESSION_PREFIX):
                ended = await _asked(self._client.v1.checkout.sessions.expire_async(payment))
                return objects.charge_of_session(ended.to_dict())
            cancelled = await _asked(self._client.v1.payment_intents.cancel_async(payment))
            return objects.charge_of_intent(cancelled.to_dict())
        except PaymentRefused:
            return await self.look_up(payment)  # it went on meanwhile

    def notified(self, body: bytes, signature: str | None) -> str | None:
        if self._webhook_secret is None:
            message = "STRIPE_WEBHOOK_SECRET is not set, so that nothing can be believed"
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=60)
        try:
            event = stripe.Webhook.construct_event(
                body, signature, self._webhook_secret, tolerance=limits.PAYMENT_EVENT_AGE_SECONDS_MAX
            )
            _check_not_ahead(signature or "")
        except (ValueError, stripe.SignatureVerificationError) as error:
            raise HubError(Code.MALFORMED, "The webhook's signature does not verify, or is too old") from error
        return objects.payment_of(event.data.object.to_dict()) if event.type in objects.EVENTS else None

    async def close(self) -> None:
        await self._session.close()


async def _asked(call: Awaitable[T]) -> T:
    """Stripe's errors as the contract has them. What concerns our own account is no answer to the payer."""
    try:
        return await call
    except stripe.CardError as error:
        raise PaymentRefused(error.user_message or "The card was declined") from error
    except stripe.InvalidRequestError as error:
        raise PaymentRefused(error.user_message or "The payment was refused") from error
    except (stripe.StripeError, aiohttp.ClientError, TimeoutError) as error:
        raise PaymentUnavailable(f"{type(error).__name__}: {error}") from error


def _check_not_ahead(signature: str) -> None:
    """The library looks only for signatures that are too old. The header has been verified by now."""
    stamp = next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
    if stamp > time.time() + limits.PAYMENT_EVENT_AGE_SECONDS_MAX:
        raise ValueError("the signature is from the future")
