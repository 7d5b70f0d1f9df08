"""Webhooks of the hub as a whole: `/api/admin/webhooks`. A secret is shown once, in the answer to who set it."""

from typing import Final

from handlers.access import admin
from handlers.actor import actor_of
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, takes
from handlers.webhook_endpoints import EndpointInput, EventNames, NewEndpointInput, endpoint_view, told_once
from models import webhook_endpoints

_API: Final = "smart_ai_hub"


class NewWebhookInput(NewEndpointInput):
    events = EventNames(_API, required=True)


class WebhookInput(EndpointInput):
    events = EventNames(_API)


class Webhooks(ApiHandler):
    @admin
    @asks(*PAGE)
    async def get(self) -> None:
        """The hub's webhooks, without their secrets."""
        limit, offset = self.page_window()
        found, total = await webhook_endpoints.page(self.services.database, None, _API, skip=offset, limit=limit)
        self.answer_page("webhooks", [endpoint_view(endpoint) for endpoint in found], Page(limit, offset, total))

    @admin
    @takes(NewWebhookInput())
    @answers(201)
    async def post(self) -> None:
        """Add a webhook; its secret is shown once."""
        given = self.load_body(self.services.webhook_endpoints.check)
        made = await self.services.webhook_endpoints.create(
            actor_of(self), None, _API, given["url"], given["events"], given.get("secret"), given["active"]
        )
        self.answer({**endpoint_view(made), **told_once(made["secret"])})


class Webhook(ApiHandler):
    @admin
    async def get(self, endpoint_id: str) -> None:
        """One webhook."""
        self.answer(endpoint_view(await self.services.webhook_endpoints.find(None, _API, endpoint_id)))

    @admin
    @takes(WebhookInput())
    async def put(self, endpoint_id: str) -> None:
        """Change a webhook."""
        given = self.load_body(self.services.webhook_endpoints.check)
        changed = await self.services.webhook_endpoints.change(actor_of(self), None, _API, endpoint_id, given)
        told = told_once(given["secret"]) if "secret" in given else {}
        self.answer({**endpoint_view(changed), **told})

    @admin
    async def delete(self, endpoint_id: str) -> None:
        """Remove a webhook."""
        await self.services.webhook_endpoints.remove(actor_of(self), None, _API, endpoint_id)
        self.answer(message="Webhook deleted successfully")


ROUTES = [
    Route("/api/admin/webhooks", Webhooks, ("smart_ai_hub",), "admin"),
    Route("/api/admin/webhooks/([A-Za-z0-9_]{1,64})", Webhook, ("smart_ai_hub",), "admin"),
]
