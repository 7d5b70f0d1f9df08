"""What the APIs' webhooks have in common beyond their own fields: the log of an endpoint's deliveries, one of them sent
again, a span of time, a test, a new secret. Each API says who may, and whose endpoints they are.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from config import limits
from config import workflows as workflow_limits
from handlers.base import ApiHandler
from handlers.chat_headers import IDEMPOTENCY_KEY
from handlers.dialects import Page
from handlers.idempotent import replied
from handlers.numbers import NUMBER_MAX
from handlers.terms import PAGE, SORT, Parameter
from handlers.workflow_hops import HOPS, hops_of
from hub import fields
from hub.errors import Code, HubError
from hub.fields import together
from hub.idempotency import IdempotencyKey, remembered
from hub.key_limits import check_workflows
from hub.webhooks.endpoints import ALL_EVENTS
from hub.webhooks.payloads import camel
from hub.webhooks.views import delivery_view
from models.clock import now
from models.database import Document
from models.deliveries import STATUSES

Json = dict[str, Any]

DELIVERY: Final = "([A-Za-z0-9_]{1,64})"
_STATUS: Final = Parameter("status", "Only deliveries in this state", {"type": "string", "enum": list(STATUSES)})
LOG: Final = (*PAGE, SORT, _STATUS)
REPLAY: Final = (IDEMPOTENCY_KEY, HOPS)
_Where = tuple[str | None, str, str, datetime, datetime]
_SNAKE: Final = ("ai_playground", "ai_assistant")  # APIs that write names with underscores


class PastMoment(fields.Moment):
    """One whose events may be kept still."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        moment = super()._deserialize(value, attr, data, **kwargs)
        if moment < now() - timedelta(days=limits.EVENT_DAYS):
            raise self.fail(f"must be within the last {limits.EVENT_DAYS} days: older events are not kept")
        return moment


class ReplayInput(fields.Input):
    """With `workflow_id` each event begins an execution of that workflow of the caller's, instead of a delivery."""

    from_ = PastMoment(data_key="from", required=True)
    to = fields.Moment()
    workflow_id = fields.Integer(low=1, high=NUMBER_MAX)


class TestInput(fields.Input):
    """Which event a test is a sample of; by default the first that the endpoint wants."""

    event = fields.Choice(ALL_EVENTS)


class OfEndpoint(ApiHandler):
    """`owner` is whose endpoint it is: the caller, or None for the hub itself."""

    @property
    def owner(self) -> str | None:
        return self.caller.user_id

    def answer_by_name(self, name: str, view: Json) -> None:
        """Where the API's own document has such a thing: at the top of `data`, in it by name, or as `data` itself."""
        self.answer({"ai_aggregator": {"data": view}, "ai_playground": {name: view}}.get(self.dialect.name, view))

    async def answer_log(self, endpoint_id: str) -> None:
        (limit, offset), newest_first, status = together(
            self.page_window, self.newest_first, lambda: self.query_choice(_STATUS.name)
        )
        found, total = await self.services.webhooks.deliveries.page(
            *(self.owner, self.dialect.name, endpoint_id, status),
            newest_first=newest_first,
            skip=offset,
            limit=limit,
        )
        self.answer_page("deliveries", [self._view(one) for one in found], Page(limit, offset, total))

    async def answer_one(self, endpoint_id: str, delivery_id: str) -> None:
        where = (self.owner, self.dialect.name, endpoint_id)
        self._answer(await self.services.webhooks.deliveries.find(*where, delivery_id))

    async def resend(self, endpoint_id: str, delivery_id: str) -> None:
        where = (self.owner, self.dialect.name, endpoint_id)
        self._answer(await self.services.webhooks.deliveries.resend(*where, delivery_id))

    async def test(self, endpoint_id: str, given: Json) -> None:
        where = (self.owner, self.dialect.name, endpoint_id)
        self._answer(await self.services.webhooks.deliveries.test(*where, given.get("event")))

    async def replay(self, endpoint_id: str, given: Json) -> None:
        where = (self.owner, self.dialect.name, endpoint_id, given["from_"], given.get("to") or now())
        number = given.get("workflow_id")
        if number is not None:
            self._check_may_execute()

        async def work(key: IdempotencyKey | None) -> Document:
            mark = None if key is None else key.mark
            replaying = self._again(where, mark) if number is None else self._to_workflow(number, where, mark)
            return await remembered(self.services.ledger, key, {"queued": await replaying})

        self.answer_by_name("replay", await replied(self, given, work))

    def _check_may_execute(self) -> None:
        """As who executes a workflow by hand. Raises `HubError` FORBIDDEN."""
        if not self.caller.may("ai:write"):
            raise HubError(Code.FORBIDDEN, "This API key lacks the permission ai:write")
        check_workflows(self.caller)

    async def _again(self, where: _Where, mark: str | None) -> int:
        return await self.services.webhooks.deliveries.replay(*where, mark)

    async def _to_workflow(self, number: int, where: _Where, mark: str | None) -> int:
        workflow = await self.services.automation.workflows.find(self.caller.user_id, number)
        found = await self.services.webhooks.deliveries.payloads(*where, workflow_limits.REPLAYED_MAX)
        return await self.services.automation.incoming.replayed(workflow, found, mark, hops_of(self))

    def _answer(self, delivery: Document) -> None:
        self.answer_by_name("delivery", self._view(delivery))

    def _view(self, delivery: Document) -> Json:
        view = delivery_view(delivery)
        return view if self.dialect.name in _SNAKE else camel(view)
