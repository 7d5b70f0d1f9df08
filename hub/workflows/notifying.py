"""Where a workflow's `notify_url` leads: a webhook endpoint that hears of this workflow's executions alone.

It is made, changed and removed with the workflow, in the same operation, and delivers as all endpoints do: in order, again
and again, signed by a secret of its own, made here or given, which is told once. No documented API lists it: what becomes of
its deliveries is asked for at the workflow (`handlers/ai_assistant/workflow_notify.py`).
"""

import hmac
from typing import Final

from hub.operations import Delete, Insert, Operation, Update
from hub.webhooks.endpoints import counted, on_again, rotated
from models import webhook_endpoints as endpoints
from models.database import Document, Transaction
from models.webhook_endpoints import WEBHOOK_ENDPOINTS
from models.webhook_queues import WEBHOOK_QUEUES

EXECUTED: Final = "workflow.executed"  # the event of an execution that has ended
_API: Final = "ai_assistant"


def endpoint_id(workflow: Document) -> str:
    return f"wh_{workflow['_id']}"


async def with_endpoint(
    transaction: Transaction, operation: Operation, workflow: Document, secret: str, *, anew: bool = False
) -> Operation:
    """The operation with what makes the endpoint as the workflow wants it from now on. Another address has this `secret`
    and no other; the same one has it where it is wanted `anew`, beside the old one for a day. One that was switched off is
    on again.
    """
    found, url = await endpoints.any_owners_within(transaction, endpoint_id(workflow)), workflow["notify_url"]
    if url is None:
        return operation if found is None else await without_endpoint(transaction, operation, workflow, found)
    if found is None:
        made = _new(workflow, secret)
        operation.inserts = [*operation.inserts, Insert(WEBHOOK_ENDPOINTS, made)]
        return await counted(transaction, operation, made)
    moment, is_same = workflow["updated_at"], found["url"] == url
    if is_same and found["active"] and not anew:
        return operation
    fields: Document = {"url": url, "active": True, "updated_at": moment}
    if not is_same:
        fields |= {"secret": secret, "previous": []}
    elif anew and not hmac.compare_digest(found["secret"], secret):
        fields |= rotated(found, secret, moment)
    change = Update(WEBHOOK_ENDPOINTS, {"_id": found["_id"]}, {"$set": fields})
    operation.updates = [*operation.updates, change, *on_again(found["_id"], moment)]
    return await counted(transaction, operation, {**found, "active": True})


async def without_endpoint(
    transaction: Transaction, operation: Operation, workflow: Document, found: Document | None = None
) -> Operation:
    """The operation with the endpoint's end, if there is one."""
    found = found or await endpoints.any_owners_within(transaction, endpoint_id(workflow))
    if found is None:
        return operation
    gone = [Delete(name, {"_id": found["_id"]}) for name in (WEBHOOK_ENDPOINTS, WEBHOOK_QUEUES)]
    operation.deletes = [*operation.deletes, *gone]
    return await counted(transaction, operation, {**found, "active": False})


def _new(workflow: Document, secret: str) -> Document:
    what = (_API, workflow["notify_url"], [EXECUTED], secret, True, workflow["updated_at"])
    made = endpoints.new_endpoint(endpoint_id(workflow), workflow["user"], *what)
    return {**made, "workflow": workflow["number"]}
