"""Webhooks of one user: `/v1/webhooks`. They take every event name of a user, by whichever document it is called so."""

from typing import Final

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, takes
from handlers.webhook_endpoints import EndpointInput, EventNames, NewEndpointInput, endpoint_view, told_once
from models import webhook_endpoints

_API: Final = "ai_aggregator"


class NewUserWebhookInput(NewEndpointInput):
    events = EventNames(_API, required=True)


class UserWebhookInput(EndpointInput):
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
        self.answer_page("webhooks", [endpoint_view(endpoint) for endpoint in found], Page(limit, offset, total))

    @scope("webhooks:write")
    @takes(NewUserWebhookInput())
    @answers(201)
    async def post(self) -> None:
        """Add a webhook; its secret is shown once."""
        given = self.load_body(self.services.webhook_endpoints.check)
        made = await self.services.webhook_endpoints.create(
            None, self.caller.user_id, _API, given["url"], given["events"], given.get("secret"), given["active"]
        )
        data = {**endpoint_view(made), **told_once(made["secret"])}
        self.answer({"data": data}, message="Webhook created successfully")


class Webhook(ApiHandler):
    """One of them; somebody else's does not exist."""

    @scope("webhooks:read")
    async def get(self, endpoint_id: str) -> None:
        """One webhook."""
        found = await self.services.webhook_endpoints.find(self.caller.user_id, _API, endpoint_id)
        self.answer({"data": endpoint_view(found)})

    @scope("webhooks:write")
    @takes(UserWebhookInput())
    async def put(self, endpoint_id: str) -> None:
        """Change a webhook."""
        given = self.load_body(self.services.webhook_endpoints.check)
        changed = await self.services.webhook_endpoints.change(None, self.caller.user_id, _API, endpoint_id, given)
        told = told_once(given["secret"]) if "secret" in given else {}
        self.answer({"data": {**endpoint_view(changed), **told}}, message="Webhook updated successfully")

    @scope("webhooks:write")
    async def delete(self, endpoint_id: str) -> None:
        """Remove a webhook."""
        await self.services.webhook_endpoints.remove(None, self.caller.user_id, _API, endpoint_id)
        self.answer(message="Webhook deleted successfully")


ROUTES = [
    Route("/v1/webhooks", Webhooks, ("ai_aggregator",)),
    Route("/v1/webhooks/([A-Za-z0-9_]{1,64})", Webhook, ("ai_aggregator",)),
]
