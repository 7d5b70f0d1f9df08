"""`/api/workflows`: what a user has the hub do by itself, and when.

API keys may read and execute workflows. Whoever makes or changes one, or is told its address, has the hub act for its owner
for as long as it stands, longer than a key may: that takes the permission to administrate the account.
"""

from typing import Any, ClassVar

from config import limits
from config import workflows as workflow_limits
from handlers.access import scope
from handlers.ai_assistant import workflow_notify
from handlers.ai_assistant import workflow_views as views
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.numbers import NUMBER, NUMBER_MAX, number_of
from handlers.routing import Route
from handlers.terms import PAGE, Parameter, answers, asks, takes, whole_number
from handlers.webhook_endpoints import Secret
from hub import fields
from hub.amounts import Credits
from hub.errors import Code, HubError
from hub.key_limits import check_workflows, may_execute
from hub.workflows.definitions import definition
from hub.workflows.definitions.node_types import DefinitionInput
from hub.workflows.workflows import NewWorkflow, Workflows
from models.database import Document

Json = dict[str, Any]
_PROJECT = Parameter("project_id", "Only the workflows of this project", whole_number(1))
_EXAMPLE = {
    "trigger": {"type": "webhook", "config": {"path": "/webhooks/email"}},
    "nodes": [{"id": "node_1", "type": "transform", "config": {"set": {"said": "{{email.body}}"}}}],
    "edges": [{"from": "trigger", "to": "node_1"}],
}


_DEFINITION = fields.Nested(DefinitionInput)


class Definition(fields.Composed):
    """A trigger, nodes, and edges between them; what they may be is looked at as a whole."""

    form: ClassVar[fields.Form] = {"type": "object", "examples": [_EXAMPLE]}

    def inner_form(self, of_field: fields.FormOf, of_schema: fields.SchemaFormOf) -> fields.Form:
        return {"allOf": [of_field(_DEFINITION)]}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Json:
        if not isinstance(value, dict):
            raise self.fail("must be an object")
        return value


def _name(**kwargs: Any) -> fields.Line:
    return fields.Line(low=1, high=workflow_limits.NAME_CHARS_MAX, **kwargs)


def _description(**kwargs: Any) -> fields.Text:
    return fields.Text(high=workflow_limits.DESCRIPTION_CHARS_MAX, **kwargs)


def _project(**kwargs: Any) -> fields.Integer:
    return fields.Integer(low=1, high=NUMBER_MAX, allow_none=True, **kwargs)


def _notify_url(**kwargs: Any) -> fields.Text:
    example = "https://your-app.com/webhook"
    return fields.Text(low=1, high=limits.WEBHOOK_URL_CHARS_MAX, allow_none=True, example=example, **kwargs)


def _spend_cap(**kwargs: Any) -> Credits:
    return Credits(high_micro=workflow_limits.SPEND_CAP_MICRO_MAX, **kwargs)


class NewWorkflowInput(fields.Input):
    """`notify_url` is told when an execution has ended, signed by `notify_secret`, else by one that is made; `spend_cap` is
    what one execution may cost, in credits.
    """

    name = _name(required=True)
    description = _description(load_default="")
    enabled = fields.Flag(load_default=True)
    definition = Definition(required=True)
    project_id = _project(load_default=None)
    notify_url = _notify_url(load_default=None)
    notify_secret = Secret()
    spend_cap = _spend_cap()


class WorkflowInput(fields.Change):
    name = _name()
    description = _description()
    enabled = fields.Flag()
    definition = Definition()
    project_id = _project()
    notify_url = _notify_url()
    notify_secret = Secret()
    spend_cap = _spend_cap()


_STORED = {"project_id": "project", "spend_cap": "spend_cap_micro"}


class WorkflowHandler(ApiHandler):
    @property
    def workflows(self) -> Workflows:
        return self.services.automation.workflows

    def json_body(self) -> Any:
        """As every body; a number that is none is told by the path that a definition's other failures have."""
        try:
            return super().json_body()
        except HubError as error:
            raise definition.in_its_form(error) from None

    async def answer_shown(self, workflow: Document) -> None:
        """With how its notifications go, and its address for whoever may have it."""
        shown = {**views.shown(workflow), "notify": await workflow_notify.state(self.services, workflow)}
        if self.caller.may("account:write") and may_execute(self.caller):  # by the address anybody executes it
            shown |= views.addresses(workflow, self._secret(workflow), self.services.settings.public_url)
        self.answer(shown)

    def _secret(self, workflow: Document) -> str | None:
        try:
            return self.workflows.secret_of(workflow)
        except ValueError:  # of another HUB_JWT_SECRET: the address works still, and a new one can be had
            return None


class All(WorkflowHandler):
    @scope("ai:read")
    @asks(*PAGE, _PROJECT)
    async def get(self) -> None:
        """The caller's workflows, newest first."""
        (limit, offset), project = fields.together(self.page_window, self._project)
        user = self.caller.user_id
        found, total = await self.workflows.page(user, project=project, skip=offset, limit=limit)
        self.answer_page("workflows", [views.listed(each) for each in found], Page(limit, offset, total))

    def _project(self) -> int | None:
        """Raises `HubError` INVALID."""
        return self.query_integer(_PROJECT.name, 0, 1, NUMBER_MAX, lowered=False) or None

    @scope("account:write")
    @takes(NewWorkflowInput())
    @answers(201)
    async def post(self) -> None:
        """Make a workflow; its `webhook_url` triggers it where its trigger is a webhook."""
        check_workflows(self.caller)
        given = _stored(self.load_body(self.workflows.check))
        made = await self.workflows.create(self.caller.user_id, NewWorkflow(**given))
        await self.answer_shown(made)


class One(WorkflowHandler):
    @scope("ai:read")
    async def get(self, workflow_id: str) -> None:
        """A workflow with its definition, and for those who administrate the account its address."""
        await self.answer_shown(await self.workflows.find(self.caller.user_id, _number(workflow_id)))

    @scope("account:write")
    @takes(WorkflowInput())
    async def put(self, workflow_id: str) -> None:
        """Change a workflow, or switch it on or off; executions that are under way go on as they began."""
        check_workflows(self.caller)
        given, number = _stored(self.load_body(self.workflows.check)), _number(workflow_id)
        await self.answer_shown(await self.workflows.change(self.caller.user_id, number, given))

    @scope("account:write")
    async def delete(self, workflow_id: str) -> None:
        """Delete a workflow; executions that are under way are cancelled."""
        number = _number(workflow_id)
        await self.workflows.delete(self.caller.user_id, number)
        self.answer({"message": "Workflow deleted successfully", "id": number})


class RotatedSecret(WorkflowHandler):
    refuses = (Code.NOT_FOUND,)

    @scope("account:write")
    async def post(self, workflow_id: str) -> None:
        """Another address, by the old one nothing comes any more; another `notify_secret`, the old one is good for a day."""
        check_workflows(self.caller)
        await self.answer_shown(await self.workflows.renew_secret(self.caller.user_id, _number(workflow_id)))


def _number(workflow_id: str) -> int:
    return number_of(workflow_id, "workflow")


def _stored(given: Json) -> Json:
    """By the names that the hub has for them."""
    return {_STORED.get(name, name): value for name, value in given.items()}


ROUTES = (
    Route("/api/workflows", All, ("ai_assistant",)),
    Route(f"/api/workflows/{NUMBER}", One, ("ai_assistant",)),
    Route(f"/api/workflows/{NUMBER}/rotate-secret", RotatedSecret, ("ai_assistant",)),
)
