"""Stripe, by its own library's asynchronous client: payment intents, and the webhook that has news of them.

Pure translation between Stripe's objects and the contract; it knows no wallet. An intent is created unconfirmed and then
confirmed, each with an idempotency key of its own. One that was refunded stays `succeeded` for Stripe: its charge tells.
"""

import time
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

import aiohttp
import stripe

from config import limits
from hub.errors import Code, HubError
from hub.payments.base import CURRENCY, Charge, ChargeStatus, Order, PaymentRefused, PaymentUnavailable

T = TypeVar("T")

stripe.enable_telemetry = False  # it would add the timing of earlier calls to each one

_STATUS: Final[dict[str, ChargeStatus]] = {
    "requires_confirmation": "unconfirmed",
    "requires_action": "requires_action",
    "processing": "pending",
    "requires_capture": "pending",
    "succeeded": "succeeded",
    "requires_payment_method": "failed",
    "canceled": "failed",
}
_EVENTS: Final = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.refunded",
        "charge.dispute.created",
    }
)


class StripePayments:
    """One per process."""

    name = "stripe"

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
        params: Any = {
            "amount": order.cents,
            "currency": CURRENCY,
            "payment_method": order.method,
            "payment_method_types": ["card"],
            "metadata": {"user_id": order.user, "payment_id": order.id, "title": order.title},
        }
        options: Any = {"idempotency_key": f"{order.id}:create"}
        intent = await _asked(self._client.v1.payment_intents.create_async(params, options))
        return str(intent.id)

    async def confirm(self, payment: str) -> Charge:
        options: Any = {"idempotency_key": f"{payment}:confirm"}
        try:
            return _charge(await _asked(self._client.v1.payment_intents.confirm_async(payment, None, options)))
        except PaymentRefused as error:
            found = await self.look_up(payment)  # already confirmed, perhaps: what became of it is what counts
            if found.status in ("failed", "unconfirmed"):
                return Charge(payment, "failed", reason=str(error))
            return found

    async def look_up(self, payment: str) -> Charge:
        params: Any = {"expand": ["latest_charge"]}
        try:
            return _charge(await _asked(self._client.v1.payment_intents.retrieve_async(payment, params)))
        except PaymentRefused as error:
            return Charge(payment, "failed", reason=str(error))

    async def cancel(self, payment: str) -> Charge:
        try:
            return _charge(await _asked(self._client.v1.payment_intents.cancel_async(payment)))
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
        return _payment_of(event.data.object) if event.type in _EVENTS else None

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


def _charge(intent: stripe.StripeObject) -> Charge:
    shown = intent.to_dict()
    status = _STATUS.get(shown["status"], "pending")
    returned = status == "succeeded" and _is_returned(shown.get("latest_charge"))
    return Charge(
        payment=str(shown["id"]),
        status="returned" if returned else status,
        cents=int(shown.get("amount_received") or 0),
        currency=str(shown["currency"]).lower(),
        user=(shown.get("metadata") or {}).get("user_id", ""),
        reason="it was refunded or is disputed" if returned else (shown.get("last_payment_error") or {}).get("message"),
        client_secret=shown.get("client_secret"),
    )


def _is_returned(charge: Any) -> bool:
    """Only `look_up` has the charge itself; just confirmed it is not returned yet."""
    return isinstance(charge, dict) and bool(charge.get("amount_refunded") or charge.get("disputed"))


def _payment_of(shown: stripe.StripeObject) -> str | None:
    """The intent that an event is about: refunds and disputes name theirs, if they have any."""
    about = shown.to_dict()
    payment = about.get("id") if about.get("object") == "payment_intent" else about.get("payment_intent")
    return payment if isinstance(payment, str) else None


def _check_not_ahead(signature: str) -> None:
    """The library looks only for signatures that are too old. The header has been verified by now."""
    stamp = next(int(part[2:]) for part in signature.split(",") if part.startswith("t="))
    if stamp > time.time() + limits.PAYMENT_EVENT_AGE_SECONDS_MAX:
        raise ValueError("the signature is from the future")
