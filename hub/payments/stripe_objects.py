"""Stripe's objects in the words of the contract: intents, checkout sessions, and what its events are about. Pure.

An intent that was refunded stays `succeeded` for Stripe: its charge tells. A checkout session has its intent once it is
paid; the intent's metadata name no user, so that nobody can bring it as a payment of its own.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from hub.payments.base import CURRENCY, Charge, ChargeStatus, Order

SESSION_PREFIX: Final = "cs_"
EVENTS: Final = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "charge.refunded",
        "charge.dispute.created",
    }
)
_STATUS: Final[dict[str, ChargeStatus]] = {
    "requires_confirmation": "unconfirmed",
    "requires_action": "requires_action",
    "processing": "pending",
    "requires_capture": "pending",
    "succeeded": "succeeded",
    "requires_payment_method": "failed",
    "canceled": "failed",
}
_RETURNED: Final = "it was refunded or is disputed"

Json = Mapping[str, Any]


def intent_params(order: Order) -> dict[str, Any]:
    """Of an intent that is not confirmed yet."""
    kept_with = {} if order.customer is None else {"customer": order.customer}
    return {
        "amount": order.cents,
        "currency": CURRENCY,
        "payment_method": order.method,
        "payment_method_types": ["card"],
        "metadata": {"user_id": order.user, "payment_id": order.id, "title": order.title},
        **kept_with,
    }


def session_params(order: Order, page: str, expires_at: datetime) -> dict[str, Any]:
    """Of a checkout session, from which the payer comes back to `page`, paid or not."""
    price = {"currency": CURRENCY, "unit_amount": order.cents, "product_data": {"name": order.title}}
    return {
        "mode": "payment",
        "line_items": [{"quantity": 1, "price_data": price}],
        "client_reference_id": order.user,
        "metadata": {"user_id": order.user, "payment_id": order.id},
        "payment_intent_data": {"metadata": {"payment_id": order.id, "title": order.title}},
        "success_url": page,
        "cancel_url": page,
        "expires_at": int(expires_at.timestamp()),
    }


def charge_of_intent(intent: Json) -> Charge:
    status = _STATUS.get(intent["status"], "pending")
    returned = status == "succeeded" and _is_returned(intent.get("latest_charge"))
    return Charge(
        payment=str(intent["id"]),
        status="returned" if returned else status,
        cents=int(intent.get("amount_received") or 0),
        currency=str(intent["currency"]).lower(),
        user=(intent.get("metadata") or {}).get("user_id", ""),
        reason=_RETURNED if returned else _declined(intent),
        client_secret=intent.get("client_secret"),
    )


def _declined(intent: Json) -> str | None:
    """Why its method was declined; None where it was not, or never tried."""
    error = intent.get("last_payment_error")
    if error is None and intent["status"] != "requires_payment_method":
        return None
    return (error or {}).get("message") or "The card was declined"


def charge_of_session(session: Json) -> Charge:
    """A session whose payment takes days is complete and unpaid meanwhile; its intent tells when that comes to nothing."""
    intent = session.get("payment_intent")
    paid = intent if isinstance(intent, dict) else {}
    status = _session_status(session, paid)
    return Charge(
        payment=str(session["id"]),
        status=status,
        cents=int(session.get("amount_total") or 0),
        currency=str(session.get("currency") or CURRENCY).lower(),
        user=(session.get("metadata") or {}).get("user_id", ""),
        reason={"returned": _RETURNED, "expired": "its checkout ended unpaid"}.get(status),
        intent=paid.get("id") or (intent if isinstance(intent, str) else None),
    )


def _session_status(session: Json, intent: Json) -> ChargeStatus:
    if session["status"] == "expired":
        return "expired"
    if session["payment_status"] in ("paid", "no_payment_required"):
        return "returned" if _is_returned(intent.get("latest_charge")) else "succeeded"
    came_to_nothing = session["status"] == "complete" and _STATUS.get(intent.get("status", "")) == "failed"
    return "failed" if came_to_nothing else "pending"


def _is_returned(charge: Any) -> bool:
    """Only a look-up has the charge itself; what was just confirmed is not returned yet."""
    return isinstance(charge, dict) and bool(charge.get("amount_refunded") or charge.get("disputed"))


def payment_of(about: Json) -> str | None:
    """The payment that an event's object is of: refunds and disputes name their intent, if they have any."""
    of_itself = about.get("object") in ("payment_intent", "checkout.session")
    payment = about.get("id") if of_itself else about.get("payment_intent")
    return payment if isinstance(payment, str) else None
