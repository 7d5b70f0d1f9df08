"""Webhooks of one user, as two APIs have them: each with its own names, by its own form. Somebody else's do not exist.

They take every event name of a user, by whichever document it is called so; which API an endpoint was made by decides the
form of what it will get.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.terms import PAGE, SORT, answers, asks, takes
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
    view: Callable[[Document], Json]

    def shown(self, endpoint: Document, secret: str | None = None) -> Json:
        """With the secret for who has just set it."""
        told = {} if secret is None else told_once(secret)
        return {self.name: {**self.view(endpoint), **told}}


PLAIN: Final = EndpointForm("data", endpoint_view)


class NewUserWebhookInput(NewEndpointInput):
    events = EventNames(_A_USERS, required=True)


class UserWebhookInput(EndpointInput):
    events = EventNames(_A_USERS)


class _OfUser(ApiHandler):
    """A form other than the plain one comes with the route."""

    def initialize(
        self, apis: Sequence[str], limit_class: str = "general", counted: bool = True, form: EndpointForm = PLAIN
    ) -> None:
        super().initialize(apis, limit_class, counted)
        self.form = form


class Webhooks(_OfUser):
    """The caller's own endpoints."""

    @scope("webhooks:read")
    @asks(*PAGE, SORT)
    async def get(self) -> None:
        """The caller's webhooks, without their secrets."""
        (limit, offset), newest_first = together(self.page_window, self.newest_first)
        where = (self.services.database, self.caller.user_id, self.dialect.name)
        found, total = await webhook_endpoints.page(*where, newest_first=newest_first, skip=offset, limit=limit)
        self.answer_page("webhooks", [self.form.view(endpoint) for endpoint in found], Page(limit, offset, total))

    @scope("webhooks:write")
    @takes(NewUserWebhookInput())
    @answers(201)
    async def post(self) -> None:
        """Add a webhook; its secret, made here where none is given, is shown once."""
        given = self.load_body(self.services.webhook_endpoints.check)
        made = await self.services.webhook_endpoints.create(
            None,
            self.caller.user_id,
            self.dialect.name,
            given["url"],
            given["events"],
            given.get("secret"),
            given["active"],
        )
        self.answer(self.form.shown(made, made["secret"]), message="Webhook created successfully")


class Webhook(_OfUser):
    """One of them."""

    @scope("webhooks:write")
    @takes(UserWebhookInput())
    async def put(self, endpoint_id: str) -> None:
        """Change a webhook."""
        given = self.load_body(self.services.webhook_endpoints.check)
        changed = await self.services.webhook_endpoints.change(
            None, self.caller.user_id, self.dialect.name, endpoint_id, given
        )
        self.answer(self.form.shown(changed, given.get("secret")), message="Webhook updated successfully")

    @scope("webhooks:write")
    async def delete(self, endpoint_id: str) -> None:
        """Remove a webhook."""
        await self.services.webhook_endpoints.remove(None, self.caller.user_id, self.dialect.name, endpoint_id)
        self.answer(message="Webhook deleted successfully")
