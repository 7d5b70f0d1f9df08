"""Webhooks of one user, as two APIs have them: each with its own names, by its own form. Somebody else's do not exist.

They take every event name of a user, by whichever document it is called so; which API an endpoint was made by decides the
form of what it gets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from handlers.access import scope
from handlers.chat_headers import key_check
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, SORT, answers, asks, takes
from handlers.webhook_deliveries import DELIVERY, LOG, REPLAY, OfEndpoint, ReplayInput, TestInput
from handlers.webhook_endpoints import EndpointInput, EventNames, NewEndpointInput, endpoint_view, told_once
from hub.fields import together
from models import webhook_endpoints
from models.database import Document

Json = dict[str, Any]
ONE: Final = "([A-Za-z0-9_]{1,64})"
_A_USERS: Final = "ai_aggregator"  # whose events are those of every API with users' endpoints


@dataclass(frozen=True, slots=True)
class EndpointForm:
    """How an API shows an endpoint: `view` makes its fields, `name` is what they stand under."""

    name: str
    view: Callable[[Document, Document], Json]

    def shown(self, endpoint: Document, queue: Document, secret: str | None = None) -> Json:
        """With the secret for who has just set it."""
        told = {} if secret is None else told_once(secret)
        return {self.name: {**self.view(endpoint, queue), **told}}


PLAIN: Final = EndpointForm("data", endpoint_view)


class NewUserWebhookInput(NewEndpointInput):
    events = EventNames(_A_USERS, required=True)


class UserWebhookInput(EndpointInput):
    events = EventNames(_A_USERS)


class _OfUser(OfEndpoint):
    """A form other than the plain one comes with the route."""

    def initialize(
        self, apis: Sequence[str], limit_class: str = "general", counted: bool = True, form: EndpointForm = PLAIN
    ) -> None:
        super().initialize(apis, limit_class, counted)
        self.form = form

    async def answer_endpoint(self, endpoint: Document, secret: str | None = None, message: str | None = None) -> None:
        queues = await self.services.webhooks.deliveries.queues([endpoint])
        self.answer(self.form.shown(endpoint, queues[endpoint["_id"]], secret), message=message)


class Webhooks(_OfUser):
    """The caller's own endpoints."""

    @scope("webhooks:read")
    @asks(*PAGE, SORT)
    async def get(self) -> None:
        """The caller's webhooks, without their secrets."""
        (limit, offset), newest_first = together(self.page_window, self.newest_first)
        where = (self.services.database, self.caller.user_id, self.dialect.name)
        found, total = await webhook_endpoints.page(*where, newest_first=newest_first, skip=offset, limit=limit)
        queues = await self.services.webhooks.deliveries.queues(found)
        shown = [self.form.view(endpoint, queues[endpoint["_id"]]) for endpoint in found]
        self.answer_page("webhooks", shown, Page(limit, offset, total))

    @scope("webhooks:write")
    @takes(NewUserWebhookInput())
    @answers(201)
    async def post(self) -> None:
        """Add a webhook; its secret, made here where none is given, is shown once."""
        given = self.load_body(self.services.webhooks.endpoints.check)
        made = await self.services.webhooks.endpoints.create(
            None,
            self.caller.user_id,
            self.dialect.name,
            given["url"],
            given["events"],
            given.get("secret"),
            given["active"],
        )
        await self.answer_endpoint(made, made["secret"], "Webhook created successfully")


class Webhook(_OfUser):
    """One of them."""

    @scope("webhooks:read")
    async def get(self, endpoint_id: str) -> None:
        """One webhook."""
        where = (self.caller.user_id, self.dialect.name)
        await self.answer_endpoint(await self.services.webhooks.endpoints.find(*where, endpoint_id))

    @scope("webhooks:write")
    @takes(UserWebhookInput())
    async def put(self, endpoint_id: str) -> None:
        """Change a webhook."""
        given = self.load_body(self.services.webhooks.endpoints.check)
        where = (None, self.caller.user_id, self.dialect.name)
        changed = await self.services.webhooks.endpoints.change(*where, endpoint_id, given)
        await self.answer_endpoint(changed, given.get("secret"), "Webhook updated successfully")

    @scope("webhooks:write")
    async def delete(self, endpoint_id: str) -> None:
        """Remove a webhook, with its log."""
        await self.services.webhooks.endpoints.remove(None, self.caller.user_id, self.dialect.name, endpoint_id)
        self.answer(message="Webhook deleted successfully")


class Rotate(_OfUser):
    @scope("webhooks:write")
    async def post(self, endpoint_id: str) -> None:
        """Make a new secret, shown once; the old one is good for a day beside it."""
        where = (None, self.caller.user_id, self.dialect.name)
        changed = await self.services.webhooks.endpoints.rotate(*where, endpoint_id)
        await self.answer_endpoint(changed, changed["secret"])


class Deliveries(_OfUser):
    @scope("webhooks:read")
    @asks(*LOG)
    async def get(self, endpoint_id: str) -> None:
        """The log of a webhook's deliveries, with their last attempts."""
        await self.answer_log(endpoint_id)


class Delivery(_OfUser):
    @scope("webhooks:read")
    async def get(self, endpoint_id: str, delivery_id: str) -> None:
        """One delivery, with its payload."""
        await self.answer_one(endpoint_id, delivery_id)


class Resend(_OfUser):
    @scope("webhooks:write")
    async def post(self, endpoint_id: str, delivery_id: str) -> None:
        """Send a delivery again, at once and under the same id; the first that waits is tried now."""
        await self.resend(endpoint_id, delivery_id)


class Test(_OfUser):
    @scope("webhooks:write")
    @takes(TestInput(), optional=True)
    async def post(self, endpoint_id: str) -> None:
        """Send a sample of an event at once, and say what came of it."""
        await self.test(endpoint_id, self.load_body())


class Replay(_OfUser):
    @scope("webhooks:write")
    @asks(*REPLAY)
    @takes(ReplayInput())
    async def post(self, endpoint_id: str) -> None:
        """Deliver once more what happened in a span of time."""
        await self.replay(endpoint_id, self.load_body(key_check(self)))


def routes(path: str, api: str, limit_class: str = "general", **extra: Any) -> list[Route]:
    """An API's webhooks at this path."""
    one = f"{path}/{ONE}"
    handlers = {
        path: Webhooks,
        one: Webhook,
        f"{one}/rotate-secret": Rotate,
        f"{one}/test": Test,
        f"{one}/replay": Replay,
        f"{one}/deliveries": Deliveries,
        f"{one}/deliveries/{DELIVERY}": Delivery,
        f"{one}/deliveries/{DELIVERY}/resend": Resend,
    }
    return [Route(pattern, handler, (api,), limit_class, extra=extra) for pattern, handler in handlers.items()]
