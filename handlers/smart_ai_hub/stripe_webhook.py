"""POST /api/webhooks/stripe: Stripe tells what became of a payment. Its signature is the credential."""

from typing import Final

from config import limits
from handlers.access import public
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import asks, header

_SIGNATURE: Final = header("Stripe-Signature", "By which Stripe shows that it says so", required=True)


class StripeWebhook(ApiHandler):
    """What is none of ours is taken too: Stripe would send it again for days."""

    body_bytes_max = limits.PAYMENT_EVENT_BYTES_MAX

    @public
    @asks(_SIGNATURE)
    async def post(self) -> None:
        """What Stripe tells of a payment."""
        known = await self.services.purchases.notified(self.request.body, self.header(_SIGNATURE.name))
        self.answer({"received": True, "known": known})


ROUTES = [Route("/api/webhooks/stripe", StripeWebhook, ("smart_ai_hub",), counted=False)]
