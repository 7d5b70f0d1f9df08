"""What the tests of Stripe have in common: requests, and webhooks as Stripe would sign them."""

import json
import time
from datetime import timedelta
from typing import Any

import stripe as library

from config import limits
from models.payments import PAYMENTS
from tests.buyers import Buyer, buyer, keyed
from tests.site import Site
from tests.stand_ins.stripe_server import WEBHOOK_SECRET, LocalStripe, StripeLine

PURCHASE, POINTS, WEBHOOK = "/api/credits/purchase", "/api/v1/points/purchase", "/api/webhooks/stripe"
ORDER = {"packageId": "pro", "paymentMethodId": "pm_card_visa", "amount": 1000}
LATER = timedelta(seconds=limits.PAYMENT_PENDING_SECONDS + 1)


def points(intent: str) -> dict[str, Any]:
    return {"pointsAmount": 10_000, "paymentDetails": {"stripePaymentIntentId": intent, "amount": 10}}


def event(intent: str, name: str = "payment_intent.succeeded", **fields: Any) -> bytes:
    shown = {"id": intent, "object": "payment_intent", "status": "succeeded", "amount": 5_000, "currency": "usd"}
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": name, "data": {"object": {**shown, "metadata": {}, **fields}}}
    ).encode()


async def bought_unheard(site: Site, line: StripeLine, request: str = "/confirm", silent: bool = False) -> Buyer:
    """Who bought with the key `k`, while the answer to one of the hub's requests was lost; the line stays cut."""
    user = await buyer(site)
    line.cut(request, silent)
    unknown = await user.client.post(PURCHASE, ORDER, headers=keyed("k"), status=503)
    assert unknown.headers["Retry-After"] and line.withheld == 1
    return user


async def paid_after_all(user: Buyer, stripe: LocalStripe) -> str:
    """The id at Stripe of a purchase that failed here, and that its payer paid for later."""
    await user.client.post(PURCHASE, {**ORDER, "paymentMethodId": "pm_card_chargeCustomerFail"}, status=422)
    paid = str((await stripe.intent(amount=5_000))["id"])
    rows = user.site.services.database[PAYMENTS]
    assert await rows.update_one({"user": user.id}, {"$set": {"payment": paid}})
    return paid


def signed(body: bytes, age_seconds: int = 0, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    moment = int(time.time()) - age_seconds
    sign = library.WebhookSignature.generate_signature_header
    return {"Stripe-Signature": sign(body.decode(), secret, moment), "Content-Type": "application/json"}


async def owner_says(stripe: LocalStripe, intent: str, client_secret: str, agreed: str) -> None:
    """A card's owner says yes ("true") or no."""
    said = {"client_secret": client_secret, "success": agreed}
    await stripe.ask("POST", f"/v1/payment_intents/{intent}/_authenticate", said)
