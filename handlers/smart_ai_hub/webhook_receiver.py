"""`/webhooks/smartaihub`, the documents' example of an address for webhooks: the hub's own receiver."""

from typing import Final

from handlers.access import public
from handlers.base import ApiHandler
from handlers.routing import Route
from handlers.terms import asks, header
from hub.errors import Code
from hub.webhooks.receiver import PATH

_SIGNED: Final = (
    header("webhook-id", "The same for each attempt at one event", required=True),
    header("webhook-timestamp", "The second of the attempt, since 1970", required=True),
    header("webhook-signature", "Of the id, the second and the body, as Standard Webhooks has it", required=True),
)


class WebhookReceiver(ApiHandler):
    """For trying a webhook out."""

    refuses = (Code.UNAUTHENTICATED,)  # what is not signed so: the signature is its credential

    @public
    @asks(*_SIGNED)
    async def post(self) -> None:
        """Verify a webhook that the hub sent to itself; the second of an id is acknowledged, and not accepted."""
        headers = {name: self.header(name) or "" for name in (parameter.name for parameter in _SIGNED)}
        first = await self.services.webhooks.receiver.take(headers, self.request.body)
        self.answer({"accepted": first})


ROUTES = (Route(PATH, WebhookReceiver, ("smart_ai_hub",)),)
