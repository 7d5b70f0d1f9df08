"""`/api/workflows/{id}/executions`: workflows executed by hand, what became of executions, and answers they wait for."""

from typing import Any, ClassVar

from config import workflows as limits
from handlers.access import scope
from handlers.ai_assistant import workflow_views as views
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY, key_check, key_of
from handlers.dialects import Page
from handlers.numbers import NUMBER, number_of
from handlers.routing import Route
from handlers.terms import PAGE, Parameter, asks, takes
from handlers.workflow_hops import HOPS, hops_of
from hub import fields
from hub.errors import Code
from hub.key_limits import check_workflows
from hub.workflows.executions import Executions
from models.executions import STATUSES

Json = dict[str, Any]
_ID = "([A-Za-z0-9_]{1,64})"
_NODE = f"([A-Za-z0-9_-]{{1,{limits.NODE_ID_CHARS_MAX}}})"
_STATUS = Parameter("status", "Only executions in this state", {"type": "string", "enum": list(STATUSES)})


class ManualInput(fields.Strict):
    """What templates see at their root: all of its fields but `test_mode`, and those of `data`, which come first."""

    form: ClassVar[fields.Form] = {
        "type": "object",
        "properties": {"test_mode": {"type": "boolean"}, "data": {"type": "object"}},
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Json:
        if not isinstance(value, dict):
            raise self.fail("must be an object")
        if type(value.get("test_mode", False)) is not bool:
            raise self.fail("must have true or false as its test_mode")
        if not isinstance(value.get("data", {}), dict):
            raise self.fail("must have an object as its data")
        return value


class ExecuteInput(fields.Input):
    """With `test_mode` nothing leaves the hub: each node tells what it would have done."""

    input = ManualInput(load_default={})


class ApprovalInput(fields.Input):
    approved = fields.Flag(required=True)
    comment = fields.Text(high=limits.COMMENT_CHARS_MAX, load_default="")


class ExecutionHandler(ApiHandler):
    @property
    def executions(self) -> Executions:
        return self.services.automation.executions


class Execute(ExecutionHandler):
    refuses = (Code.CONFLICT, Code.KEY_REUSED)

    @scope("ai:write")
    @asks(IDEMPOTENCY_KEY, HOPS)
    @takes(ExecuteInput(), optional=True)
    async def post(self, workflow_id: str) -> None:
        """Execute a workflow now, whether it is switched on or not."""
        check_workflows(self.caller)
        given, hops = self.load_body(key_check(self)), hops_of(self)
        number = number_of(workflow_id, "workflow")
        found = await self.services.automation.workflows.find(self.caller.user_id, number)
        asked = given["input"]
        payload = {name: value for name, value in asked.items() if name not in ("test_mode", "data")}
        made = await self.executions.begin_once(
            found,
            {**payload, **asked.get("data", {})},
            test_mode=asked.get("test_mode", False),
            hops=hops,
            key=key_of(self, given),
        )
        self.answer(views.begun(made))


class All(ExecutionHandler):
    @scope("ai:read")
    @asks(*PAGE, _STATUS)
    async def get(self, workflow_id: str) -> None:
        """A workflow's executions, newest first."""
        (limit, offset), status = fields.together(self.page_window, lambda: self.query_choice(_STATUS.name))
        number, user = number_of(workflow_id, "workflow"), self.caller.user_id
        found, total = await self.executions.page(user, number, status=status, skip=offset, limit=limit)
        self.answer_page("executions", [views.summary(each) for each in found], Page(limit, offset, total))


class One(ExecutionHandler):
    @scope("ai:read")
    async def get(self, workflow_id: str, execution_id: str) -> None:
        """What became of an execution: its result, its logs, its steps, and what it waits for."""
        number = number_of(workflow_id, "workflow")
        self.answer(views.execution(await self.executions.find(self.caller.user_id, number, execution_id)))


class Cancelled(ExecutionHandler):
    refuses = (Code.CONFLICT,)

    @scope("ai:write")
    async def post(self, workflow_id: str, execution_id: str) -> None:
        """Have an execution end before it is done; what it has done stays done."""
        number = number_of(workflow_id, "workflow")
        self.answer(views.execution(await self.executions.cancel(self.caller.user_id, number, execution_id)))


class Approval(ExecutionHandler):
    refuses = (Code.CONFLICT,)

    @scope("ai:write")
    @takes(ApprovalInput())
    async def post(self, workflow_id: str, execution_id: str, node: str) -> None:
        """Approve or refuse what an execution waits for; whoever answers first has answered."""
        given, number = self.load_body(), number_of(workflow_id, "workflow")
        answer = (given["approved"], given["comment"])
        found = await self.executions.answer_approval(self.caller.user_id, execution_id, node, *answer, number=number)
        told = {"execution_id": found["_id"], "node": node, "approved": given["approved"]}
        self.answer({**told, "status": found["status"]})


_OF_WORKFLOW = f"/api/workflows/{NUMBER}"
_OF_EXECUTION = f"{_OF_WORKFLOW}/executions/{_ID}"
ROUTES = (
    Route(f"{_OF_WORKFLOW}/execute", Execute, ("ai_assistant",)),
    Route(f"{_OF_WORKFLOW}/executions", All, ("ai_assistant",)),
    Route(_OF_EXECUTION, One, ("ai_assistant",)),
    Route(f"{_OF_EXECUTION}/cancel", Cancelled, ("ai_assistant",)),
    Route(f"{_OF_EXECUTION}/approvals/{_NODE}", Approval, ("ai_assistant",)),
)
