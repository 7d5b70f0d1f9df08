"""Webhooks of the hub as a whole: `/api/admin/webhooks`. A secret is shown once, in the answer to who set it."""

from typing import Any, Final

from config import limits
from handlers.access import admin
from handlers.actor import actor_of
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from hub import fields
from hub.webhook_endpoints import EVENTS, signing_secret
from models import webhook_endpoints
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]
_API: Final = "smart_ai_hub"


class EventNames(fields.Strict):
    """At least one name of the document's table, each once."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        names = EVENTS[_API]
        if not isinstance(value, list) or not 0 < len(value) <= limits.WEBHOOK_EVENTS_MAX:
            raise self.fail("must be a list of at least one event")
        if not all(isinstance(name, str) and name in names for name in value):
            raise self.fail(f"must be of {', '.join(names)}")
        return list(dict.fromkeys(value))


def _secret(**kwargs: Any) -> fields.Text:
    high = limits.WEBHOOK_SECRET_CHARS_MAX
    return fields.Text(low=8, high=high, pattern=r"[\x21-\x7e]+", says="must be printable ASCII, no spaces", **kwargs)


class NewWebhookInput(fields.Input):
    url = fields.Text(low=1, high=limits.WEBHOOK_URL_CHARS_MAX, required=True)
    events = EventNames(required=True)
    secret = _secret()
    active = fields.Flag(load_default=True)


class WebhookInput(fields.Change):
    url = fields.Text(low=1, high=limits.WEBHOOK_URL_CHARS_MAX)
    events = EventNames()
    secret = _secret()
    active = fields.Flag()


_NEW: Final = NewWebhookInput()
_CHANGE: Final = WebhookInput()


class Webhooks(ApiHandler):
    @admin
    async def get(self) -> None:
        limit, offset = self.page_window()
        found, total = await webhook_endpoints.page(self.services.database, None, _API, skip=offset, limit=limit)
        self.answer_page("webhooks", [_view(endpoint) for endpoint in found], Page(limit, offset, total))

    @admin
    async def post(self) -> None:
        given = self.load(_NEW, self.services.webhook_endpoints.check)
        made = await self.services.webhook_endpoints.create(
            actor_of(self), None, _API, given["url"], given["events"], given.get("secret"), given["active"]
        )
        self.answer({**_view(made), **_told_once(made["secret"])}, status=201)


class Webhook(ApiHandler):
    @admin
    async def get(self, endpoint_id: str) -> None:
        self.answer(_view(await self.services.webhook_endpoints.find(None, _API, endpoint_id)))

    @admin
    async def put(self, endpoint_id: str) -> None:
        given = self.load(_CHANGE, self.services.webhook_endpoints.check)
        changed = await self.services.webhook_endpoints.change(actor_of(self), None, _API, endpoint_id, given)
        told = _told_once(given["secret"]) if "secret" in given else {}
        self.answer({**_view(changed), **told})

    @admin
    async def delete(self, endpoint_id: str) -> None:
        await self.services.webhook_endpoints.remove(actor_of(self), None, _API, endpoint_id)
        self.answer(message="Webhook deleted successfully")


def _view(endpoint: Document) -> Json:
    return {
        "id": endpoint["_id"],
        "url": endpoint["url"],
        "events": endpoint["events"],
        "active": endpoint["active"],
        "createdAt": timestamp(endpoint["created_at"]),
        "updatedAt": timestamp(endpoint["updated_at"]),
    }


def _told_once(secret: str) -> Json:
    standard = signing_secret(secret)
    return {"secret": secret} if standard is None else {"secret": secret, "signing_secret": standard}


ROUTES = [
    Route("/api/admin/webhooks", Webhooks, ("smart_ai_hub",), "admin"),
    Route("/api/admin/webhooks/([A-Za-z0-9_]{1,64})", Webhook, ("smart_ai_hub",), "admin"),
]
