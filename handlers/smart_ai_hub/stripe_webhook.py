"""POST /api/webhooks/stripe: Stripe tells what became of a payment. Its signature is the credential."""

from config import limits
from handlers.access import public
from handlers.base import ApiHandler
from handlers.routing import Route


class StripeWebhook(ApiHandler):
    """What is none of ours is taken too: Stripe would send it again for days."""

    body_bytes_max = limits.PAYMENT_EVENT_BYTES_MAX

    @public
    async def post(self) -> None:
        signature = self.request.headers.get("Stripe-Signature")
        known = await self.services.purchases.notified(self.request.body, signature)
        self.answer({"received": True, "known": known})


ROUTES = [Route("/api/webhooks/stripe", StripeWebhook, ("smart_ai_hub",), counted=False)]
