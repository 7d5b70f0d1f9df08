"""`/api/v1/webhooks`: webhooks of one user whose deliveries have the AI Playground's form."""

from typing import Any, Final

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, takes
from handlers.webhook_endpoints import EndpointInput, EventNames, NewEndpointInput, told_once
from models import webhook_endpoints
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]
_API: Final = "ai_playground"


class NewWebhookInput(NewEndpointInput):
    events = EventNames(_API, required=True)


class WebhookInput(EndpointInput):
    events = EventNames(_API)


class Webhooks(ApiHandler):
    """The caller's own endpoints, newest first."""

    @scope("webhooks:read")
    @asks(*PAGE)
    async def get(self) -> None:
        """The caller's webhooks, without their secrets."""
        limit, offset = self.page_window()
        found, total = await webhook_endpoints.page(
            self.services.database, self.caller.user_id, _API, skip=offset, limit=limit
        )
        self.answer_page("webhooks", [_view(endpoint) for endpoint in found], Page(limit, offset, total))

    @scope("webhooks:write")
    @takes(NewWebhookInput())
    @answers(201)
    async def post(self) -> None:
        """Add a webhook; its secret, made here where none is given, is shown once."""
        given = self.load_body(self.services.webhook_endpoints.check)
        made = await self.services.webhook_endpoints.create(
            None, self.caller.user_id, _API, given["url"], given["events"], given.get("secret"), given["active"]
        )
        shown = {**_view(made), **told_once(made["secret"])}
        self.answer({"webhook": shown}, message="Webhook created successfully")


class Webhook(ApiHandler):
    """One of them; somebody else's does not exist."""

    @scope("webhooks:write")
    @takes(WebhookInput())
    async def put(self, endpoint_id: str) -> None:
        """Change a webhook."""
        given = self.load_body(self.services.webhook_endpoints.check)
        changed = await self.services.webhook_endpoints.change(None, self.caller.user_id, _API, endpoint_id, given)
        told = told_once(given["secret"]) if "secret" in given else {}
        self.answer({"webhook": {**_view(changed), **told}}, message="Webhook updated successfully")

    @scope("webhooks:write")
    async def delete(self, endpoint_id: str) -> None:
        """Remove a webhook."""
        await self.services.webhook_endpoints.remove(None, self.caller.user_id, _API, endpoint_id)
        self.answer(message="Webhook deleted successfully")


def _view(endpoint: Document) -> Json:
    return {
        "id": endpoint["_id"],
        "url": endpoint["url"],
        "events": endpoint["events"],
        "active": endpoint["active"],
        "created_at": timestamp(endpoint["created_at"]),
        "updated_at": timestamp(endpoint["updated_at"]),
        "last_delivery": None,  # the hub delivers nothing yet
    }


ROUTES = [
    Route("/api/v1/webhooks", Webhooks, (_API,), "webhooks"),
    Route("/api/v1/webhooks/([A-Za-z0-9_]{1,64})", Webhook, (_API,), "webhooks"),
]
