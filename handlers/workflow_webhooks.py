"""`/webhooks/wf_...` and `/webhooks/{number}/{secret}`: the addresses of workflows. `/webhooks/telegram/...`: of a bot.

The secret in the address, and for a bot the token in the header, are the credentials; none of them is ever logged.
"""

from typing import Any, Final

from marshmallow import INCLUDE

from config import workflows as limits
from handlers.access import public
from handlers.ai_assistant import workflow_views as views
from handlers.base import ApiHandler
from handlers.credentials import media_type
from handlers.numbers import NUMBER_MAX, number_of
from handlers.routing import Route
from handlers.terms import asks, header, takes
from handlers.workflow_hops import HOPS, hops_of
from hub.errors import Code
from hub.fields import Input, Integer
from hub.integrations.telegram import PATH as TELEGRAM
from hub.workflows.executions import TooManyHops
from hub.workflows.incoming import PLAIN, STANDARD, payload_of
from models.database import Document

Json = dict[str, Any]
_SIGNATURES: Final = (
    header(PLAIN, "sha256= and the hex HMAC of the body by the workflow's secret; where it is there it must be right"),
    header("webhook-id", "The same for each attempt: a second one is answered with the first one's execution"),
    header(
        "webhook-timestamp", "The second of the attempt, since 1970, where it is signed as Standard Webhooks has it"
    ),
    header(
        "webhook-signature", "Of the id, the second and the body, as Standard Webhooks has it; it must be right too"
    ),
)
_SECRET_TOKEN: Final = header(
    "X-Telegram-Bot-Api-Secret-Token", "By which Telegram shows that it sends the update", required=True
)
_SECRET: Final = "(wf_[A-Za-z0-9_-]{16,64})"


class WebhookInput(Input):
    """Whatever its sender says; any JSON will do, and so will a form (`application/x-www-form-urlencoded`)."""

    class Meta:
        unknown = INCLUDE


class UpdateInput(Input):
    """An update as the Bot API has it, of which the hub needs no more."""

    class Meta:
        unknown = INCLUDE

    update_id = Integer(low=0, high=NUMBER_MAX, required=True)


class WorkflowWebhook(ApiHandler):
    """JSON, or a form; what it says is what the workflow's templates see."""

    body_bytes_max = limits.PAYLOAD_BYTES_MAX
    refuses = (Code.UNAUTHENTICATED, Code.CONFLICT, Code.RATE_LIMITED)

    async def genuine(self, secret: str, number: int | None) -> Document:
        """The workflow that is triggered, by who may."""
        names = [name for name in (PLAIN, *STANDARD) if self.header(name) is not None]
        headers = {name: self.header(name) or "" for name in names}
        incoming = self.services.automation.incoming
        return await incoming.genuine(secret, number, headers, self.request.body, self.address)

    def given(self) -> Json:
        return payload_of(media_type(self.request.headers.get("Content-Type", "")), self.request.body)

    async def begin(self, workflow: Document, payload: Json) -> None:
        webhook_id, hops = self.header(STANDARD[0]), hops_of(self)
        try:
            begun = await self.services.automation.incoming.triggered(workflow, payload, webhook_id, hops)
        except TooManyHops as error:  # no failure to who would send it again for days, and all that follows after it
            self.answer(views.ignored("hops", error))
        else:
            self.answer(views.begun(begun))


class BySecret(WorkflowWebhook):
    @public
    @asks(*_SIGNATURES, HOPS)
    @takes(WebhookInput(), optional=True)
    async def post(self, secret: str) -> None:
        """Trigger a workflow by its address."""
        workflow = await self.genuine(secret, None)
        await self.begin(workflow, self.loaded(self.given()))


class ByNumber(WorkflowWebhook):
    @public
    @asks(*_SIGNATURES, HOPS)
    @takes(WebhookInput(), optional=True)
    async def post(self, workflow_id: str, secret: str) -> None:
        """Trigger a workflow by its id and its secret."""
        workflow = await self.genuine(secret, number_of(workflow_id, "webhook"))
        await self.begin(workflow, self.loaded(self.given()))


class TelegramUpdates(ApiHandler):
    """Telegram takes any other answer than a success as a wish to be told again."""

    body_bytes_max = limits.PAYLOAD_BYTES_MAX
    refuses = (Code.UNAUTHENTICATED, Code.RATE_LIMITED)

    @public
    @asks(_SECRET_TOKEN)
    @takes(UpdateInput())
    async def post(self, hook: str) -> None:
        """What Telegram tells a connected bot: a message begins the workflows that listen to its chat."""
        given = self.header(_SECRET_TOKEN.name) or ""
        bot = await self.services.integrations.telegram.heard(hook, given)
        begun = await self.services.automation.incoming.heard(bot, self.load_body())
        self.answer({"ok": True, "executions": begun})


ROUTES = (
    Route(f"/webhooks/{_SECRET}", BySecret, ("ai_assistant",), counted=False),
    Route(f"/webhooks/([0-9]{{1,16}})/{_SECRET}", ByNumber, ("ai_assistant",), counted=False),
    Route(f"{TELEGRAM}/([A-Za-z0-9_-]{{1,64}})", TelegramUpdates, ("ai_assistant",), counted=False),
)
