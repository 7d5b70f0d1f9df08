"""Webhooks of the hub as a whole: `/api/admin/webhooks`. A secret is shown once, in the answer to who set it."""

from typing import Any, Final

from handlers.access import admin
from handlers.actor import actor_of
from handlers.chat_headers import key_check
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, takes
from handlers.webhook_deliveries import DELIVERY, LOG, REPLAY, OfEndpoint, ReplayInput, TestInput
from handlers.webhook_endpoints import EndpointInput, EventNames, NewEndpointInput, endpoint_view, told_once
from models import webhook_endpoints
from models.database import Document

_API: Final = "smart_ai_hub"


class NewWebhookInput(NewEndpointInput):
    events = EventNames(_API, required=True)


class WebhookInput(EndpointInput):
    events = EventNames(_API)


class _OfHub(OfEndpoint):
    @property
    def owner(self) -> None:
        return None

    async def answer_endpoint(self, endpoint: Document, secret: str | None = None) -> None:
        queues = await self.services.webhooks.deliveries.queues([endpoint])
        told = {} if secret is None else told_once(secret)
        self.answer({**endpoint_view(endpoint, queues[endpoint["_id"]]), **told})


class Webhooks(_OfHub):
    @admin
    @asks(*PAGE)
    async def get(self) -> None:
        """The hub's webhooks, without their secrets."""
        limit, offset = self.page_window()
        found, total = await webhook_endpoints.page(self.services.database, None, _API, skip=offset, limit=limit)
        queues = await self.services.webhooks.deliveries.queues(found)
        shown = [endpoint_view(endpoint, queues[endpoint["_id"]]) for endpoint in found]
        self.answer_page("webhooks", shown, Page(limit, offset, total))

    @admin
    @takes(NewWebhookInput())
    @answers(201)
    async def post(self) -> None:
        """Add a webhook; its secret is shown once."""
        given: dict[str, Any] = self.load_body(self.services.webhooks.endpoints.check)
        made = await self.services.webhooks.endpoints.create(
            actor_of(self), None, _API, given["url"], given["events"], given.get("secret"), given["active"]
        )
        await self.answer_endpoint(made, made["secret"])


class Webhook(_OfHub):
    @admin
    async def get(self, endpoint_id: str) -> None:
        """One webhook."""
        await self.answer_endpoint(await self.services.webhooks.endpoints.find(None, _API, endpoint_id))

    @admin
    @takes(WebhookInput())
    async def put(self, endpoint_id: str) -> None:
        """Change a webhook."""
        given = self.load_body(self.services.webhooks.endpoints.check)
        changed = await self.services.webhooks.endpoints.change(actor_of(self), None, _API, endpoint_id, given)
        await self.answer_endpoint(changed, given.get("secret"))

    @admin
    async def delete(self, endpoint_id: str) -> None:
        """Remove a webhook, with its log."""
        await self.services.webhooks.endpoints.remove(actor_of(self), None, _API, endpoint_id)
        self.answer(message="Webhook deleted successfully")


class Rotate(_OfHub):
    @admin
    async def post(self, endpoint_id: str) -> None:
        """Make a new secret, shown once; the old one is good for a day beside it."""
        changed = await self.services.webhooks.endpoints.rotate(actor_of(self), None, _API, endpoint_id)
        await self.answer_endpoint(changed, changed["secret"])


class Deliveries(_OfHub):
    @admin
    @asks(*LOG)
    async def get(self, endpoint_id: str) -> None:
        """The log of a webhook's deliveries, with their last attempts."""
        await self.answer_log(endpoint_id)


class Delivery(_OfHub):
    @admin
    async def get(self, endpoint_id: str, delivery_id: str) -> None:
        """One delivery, with its payload."""
        await self.answer_one(endpoint_id, delivery_id)


class Resend(_OfHub):
    @admin
    async def post(self, endpoint_id: str, delivery_id: str) -> None:
        """Send a delivery again, at once and under the same id; the first that waits is tried now."""
        await self.resend(endpoint_id, delivery_id)


class Test(_OfHub):
    @admin
    @takes(TestInput(), optional=True)
    async def post(self, endpoint_id: str) -> None:
        """Send a sample of an event at once, and say what came of it."""
        await self.test(endpoint_id, self.load_body())


class Replay(_OfHub):
    @admin
    @asks(*REPLAY)
    @takes(ReplayInput())
    async def post(self, endpoint_id: str) -> None:
        """Deliver once more what happened in a span of time."""
        await self.replay(endpoint_id, self.load_body(key_check(self)))


_ONE: Final = "/api/admin/webhooks/([A-Za-z0-9_]{1,64})"

ROUTES = [
    Route("/api/admin/webhooks", Webhooks, (_API,), "admin"),
    Route(_ONE, Webhook, (_API,), "admin"),
    Route(f"{_ONE}/rotate-secret", Rotate, (_API,), "admin"),
    Route(f"{_ONE}/test", Test, (_API,), "admin"),
    Route(f"{_ONE}/replay", Replay, (_API,), "admin"),
    Route(f"{_ONE}/deliveries", Deliveries, (_API,), "admin"),
    Route(f"{_ONE}/deliveries/{DELIVERY}", Delivery, (_API,), "admin"),
    Route(f"{_ONE}/deliveries/{DELIVERY}/resend", Resend, (_API,), "admin"),
]
