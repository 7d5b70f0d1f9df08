"""Webhooks of one user: `/v1/webhooks`."""

from handlers.access import scope
from handlers.routing import Route
from handlers.user_webhooks import ONE, Webhook, Webhooks


class ReadableWebhook(Webhook):
    """Shown by its id too."""

    @scope("webhooks:read")
    async def get(self, endpoint_id: str) -> None:
        """One webhook."""
        found = await self.services.webhook_endpoints.find(self.caller.user_id, self.dialect.name, endpoint_id)
        self.answer(self.form.shown(found))


ROUTES = [
    Route("/v1/webhooks", Webhooks, ("ai_aggregator",)),
    Route(f"/v1/webhooks/{ONE}", ReadableWebhook, ("ai_aggregator",)),
]
