"""`/api/workflows`: what a user has the hub do by itself, and when.

API keys may read and execute workflows. Whoever makes or changes one, or is told its address, has the hub act for its owner
for as long as it stands, longer than a key may: that takes the permission to administrate the account.
"""

from typing import Any, ClassVar

from config import limits
from config import workflows as workflow_limits
from handlers.access import scope
from handlers.ai_assistant import workflow_views as views
from handlers.ai_assistant.numbers import NUMBER, NUMBER_MAX, number_of
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, Parameter, answers, asks, takes, whole_number
from hub import fields
from hub.amounts import Credits
from hub.errors import Code
from hub.workflows.workflows import NewWorkflow, Workflows
from models.database import Document

Json = dict[str, Any]
_PROJECT = Parameter("project_id", "Only the workflows of this project", whole_number(1))
_EXAMPLE = {
    "trigger": {"type": "webhook", "config": {"path": "/webhooks/email"}},
    "nodes": [{"id": "node_1", "type": "transform", "config": {"set": {"said": "{{email.body}}"}}}],
    "edges": [{"from": "trigger", "to": "node_1"}],
}


class Definition(fields.Strict):
    """A trigger, nodes, and edges between them; what they may be is looked at as a whole."""

    form: ClassVar[fields.Form] = {"type": "object", "examples": [_EXAMPLE]}

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
    """`notify_url` is told when an execution has ended; `spend_cap` is what one execution may cost, in credits."""

    name = _name(required=True)
    description = _description(load_default="")
    enabled = fields.Flag(load_default=True)
    definition = Definition(required=True)
    project_id = _project(load_default=None)
    notify_url = _notify_url(load_default=None)
    spend_cap = _spend_cap()


class WorkflowInput(fields.Change):
    name = _name()
    description = _description()
    enabled = fields.Flag()
    definition = Definition()
    project_id = _project()
    notify_url = _notify_url()
    spend_cap = _spend_cap()


_STORED = {"project_id": "project", "spend_cap": "spend_cap_micro"}


class WorkflowHandler(ApiHandler):
    @property
    def workflows(self) -> Workflows:
        return self.services.workflows.workflows

    def shown(self, workflow: Document) -> Json:
        """With its address, for whoever may have it."""
        if not self.caller.may("account:write"):
            return views.shown(workflow)
        public_url = self.services.settings.public_url
        return {**views.shown(workflow), **views.addresses(workflow, self._secret(workflow), public_url)}

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
        given = _stored(self.load_body(self.workflows.check))
        made = await self.workflows.create(self.caller.user_id, NewWorkflow(**given))
        self.answer(self.shown(made))


class One(WorkflowHandler):
    @scope("ai:read")
    async def get(self, workflow_id: str) -> None:
        """A workflow with its definition, and for those who administrate the account its address."""
        self.answer(self.shown(await self.workflows.find(self.caller.user_id, _number(workflow_id))))

    @scope("account:write")
    @takes(WorkflowInput())
    async def put(self, workflow_id: str) -> None:
        """Change a workflow, or switch it on or off; executions that are under way go on as they began."""
        given, number = _stored(self.load_body(self.workflows.check)), _number(workflow_id)
        self.answer(self.shown(await self.workflows.change(self.caller.user_id, number, given)))

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
        """Another address; by the old one nothing comes any more."""
        self.answer(self.shown(await self.workflows.renew_secret(self.caller.user_id, _number(workflow_id))))


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
