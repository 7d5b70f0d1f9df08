"""`/api/workflows/{id}/notify`: what becomes of a workflow's `notify_url`, whose endpoint is in no list of webhooks."""

from typing import Any, Final

from handlers.access import scope
from handlers.chat_headers import key_check
from handlers.numbers import NUMBER, number_of
from handlers.routing import Route
from handlers.terms import asks, takes
from handlers.webhook_deliveries import DELIVERY, LOG, REPLAY, OfEndpoint, ReplayInput
from handlers.webhook_endpoints import endpoint_facts
from hub.errors import Code
from hub.services import Services
from hub.workflows import notifying
from models import webhook_endpoints
from models.database import Document

Json = dict[str, Any]
_SHOWN: Final = ("active", "disabled", "failing_since", "last_delivery", "waiting", "dropped")


async def state(services: Services, workflow: Document) -> Json | None:
    """How deliveries to a workflow's `notify_url` go; None where it has none. Raises `DatabaseError`."""
    if workflow["notify_url"] is None:
        return None
    endpoint = await webhook_endpoints.any_owners(services.database, notifying.endpoint_id(workflow))
    if endpoint is None:  # the workflow was changed meanwhile
        return None
    queues = await services.webhooks.deliveries.queues([endpoint])
    facts = endpoint_facts(endpoint, queues[endpoint["_id"]])
    return {name: facts[name] for name in _SHOWN}


class _OfWorkflow(OfEndpoint):
    refuses = (Code.NOT_FOUND,)

    async def endpoint(self, workflow_id: str) -> str:
        """Its id, whether there is one or not. Raises `HubError` NOT_FOUND."""
        number = number_of(workflow_id, "workflow")
        return notifying.endpoint_id(await self.services.automation.workflows.find(self.caller.user_id, number))


class Deliveries(_OfWorkflow):
    @scope("webhooks:read")
    @asks(*LOG)
    async def get(self, workflow_id: str) -> None:
        """The log of what was sent to a workflow's `notify_url`, with the last attempts."""
        await self.answer_log(await self.endpoint(workflow_id))


class Delivery(_OfWorkflow):
    @scope("webhooks:read")
    async def get(self, workflow_id: str, delivery_id: str) -> None:
        """One delivery, with its payload."""
        await self.answer_one(await self.endpoint(workflow_id), delivery_id)


class Resend(_OfWorkflow):
    @scope("webhooks:write")
    async def post(self, workflow_id: str, delivery_id: str) -> None:
        """Send a delivery again, at once and under the same id; the first that waits is tried now."""
        await self.resend(await self.endpoint(workflow_id), delivery_id)


class Test(_OfWorkflow):
    @scope("webhooks:write")
    async def post(self, workflow_id: str) -> None:
        """Send a sample of `workflow.executed` at once, and say what came of it."""
        await self.test(await self.endpoint(workflow_id), {})


class Replay(_OfWorkflow):
    @scope("webhooks:write")
    @asks(*REPLAY)
    @takes(ReplayInput())
    async def post(self, workflow_id: str) -> None:
        """Deliver once more the ends of a workflow's executions in a span of time."""
        given = self.load_body(key_check(self))
        await self.replay(await self.endpoint(workflow_id), given)


_NOTIFY: Final = f"/api/workflows/{NUMBER}/notify"
ROUTES = tuple(
    Route(f"{_NOTIFY}/{rest}", handler, ("ai_assistant",))
    for rest, handler in {
        "test": Test,
        "replay": Replay,
        "deliveries": Deliveries,
        f"deliveries/{DELIVERY}": Delivery,
        f"deliveries/{DELIVERY}/resend": Resend,
    }.items()
)
