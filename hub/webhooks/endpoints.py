"""Where webhooks go: endpoints made, changed, removed and switched off, each with its row of the audit log where an
administrator acts.

A secret is given away once, to whoever set it. How many endpoints of a user are switched on stands in the user's
wallet, and changes with them: it decides, in the transaction that writes an event, whether the event waits to be
delivered.
"""

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from config import limits, outgoing
from hub import audit_trail
from hub.audit_trail import Actor
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Composed, Delete, Insert, Operation, Update, in_turn
from hub.realtime.broker import Broker, Publication
from hub.safe_http import SafeHttp
from hub.tasks import Tasks
from hub.webhooks import owners, payloads
from hub.webhooks.signatures import STANDARD
from models import deliveries, webhook_queues
from models import webhook_endpoints as endpoints
from models.clock import now
from models.database import Database, DatabaseError, Document, Transaction
from models.ids import new_id
from models.webhook_endpoints import WEBHOOK_ENDPOINTS
from models.webhook_queues import WEBHOOK_QUEUES

log = structlog.get_logger(__name__)

_HUB_EVENTS: Final = (
    *("user.created", "user.updated", "credit.purchased", "credit.used", "payment.completed", "payment.failed"),
)
# What happens to one user, by all its names: those of the documents first, then those of the user's channel.
_USER_EVENTS: Final = (
    *("chat.completion", "billing.charge", *_HUB_EVENTS),
    *("ai.task.completed", "ai.task.failed", "quota.warning", "workflow.executed"),
    *("chat.completed", "chat.failed", "chat.rated", "embedding.completed", "conversation.created", "credit.adjusted"),
    *("notification.created", "notification.read", "gift.sent", "gift.received"),
    *("analysis.completed", "analysis.failed"),
)
ALL_EVENTS: Final = _USER_EVENTS
# What each API lets an endpoint subscribe to.
EVENTS: Final[Mapping[str, Sequence[str]]] = {
    "smart_ai_hub": _HUB_EVENTS,
    "ai_aggregator": _USER_EVENTS,
    "ai_playground": _USER_EVENTS,
}
_HUB_WEBHOOKS: Final = "hub-webhooks"  # the channel of the signal that one of the hub's own is not what it was
_SHOWN: Final = ("url", "events", "active")


class WebhookEndpoints:
    """One per process. `owner` None is the hub itself; a user's own endpoints have no `actor`, for no administrator
    acts.

    All methods raise `HubError` where the ledger does.
    """

    def __init__(self, database: Database, ledger: Ledger, http: SafeHttp, broker: Broker, tasks: Tasks) -> None:
        self._database = database
        self._ledger = ledger
        self._broker = broker
        self._tasks = tasks
        self._http = http
        self._listening = 0  # looks at the hub's own endpoints that were begun
        self.on_change: list[Callable[[str], None]] = []  # each is told of every endpoint that is not what it was

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises `HubError` INVALID for a `url` that is not ours to call."""
        if "url" in given:
            self._http.check(given["url"])

    async def create(
        self,
        actor: Actor | None,
        owner: str | None,
        api: str,
        url: str,
        events: list[str],
        secret: str | None,
        active: bool,
    ) -> Document:
        """Raises `HubError`: INVALID for an address that is not ours to call, CONFLICT where there are too many."""
        self.check({"url": url})
        made = endpoints.new_endpoint(new_id("wh"), owner, api, url, events, secret or new_secret(), active, now())

        async def compose(transaction: Transaction) -> Operation:
            if await endpoints.count_within(transaction, owner) >= limits.WEBHOOK_ENDPOINTS_MAX:
                raise HubError(Code.CONFLICT, f"There are {limits.WEBHOOK_ENDPOINTS_MAX} webhooks already")
            trail = _trail(actor, "webhook.create", made["_id"], after=_shown(made))
            operation = Operation(made["_id"], inserts=[Insert(WEBHOOK_ENDPOINTS, made), *trail])
            return await counted(transaction, operation, made)

        await self._commit(owner, made["_id"], Composed(made["_id"], compose))
        return made

    async def change(
        self, actor: Actor | None, owner: str | None, api: str, endpoint_id: str, changes: Mapping[str, Any]
    ) -> Document:
        """Set `url`, `events`, `secret` or `active`. Raises `HubError` NOT_FOUND or INVALID.

        One that is switched on again begins with what waited for it. No secret before a given one is good any more.
        """
        self.check(changes)
        if "secret" not in changes:
            return await self._change(actor, owner, api, endpoint_id, lambda _: changes, None)
        alone = {**changes, "previous": []}
        return await self._change(actor, owner, api, endpoint_id, lambda _: alone, "a new secret")

    async def rotate(self, actor: Actor | None, owner: str | None, api: str, endpoint_id: str) -> Document:
        """A new secret, made here; the old one is good for a day beside it. Raises `HubError` NOT_FOUND."""
        secret, moment = new_secret(), now()
        changes = partial(rotated, secret=secret, moment=moment)
        return await self._change(actor, owner, api, endpoint_id, changes, "a new secret")

    async def _change(
        self,
        actor: Actor | None,
        owner: str | None,
        api: str,
        endpoint_id: str,
        changes_of: Callable[[Document], Mapping[str, Any]],
        reason: str | None,
    ) -> Document:
        """The endpoint after it. What is changed may depend on what it was."""
        operation_id, moment, after = new_id("webhook"), now(), Document()

        async def compose(transaction: Transaction) -> Operation:
            nonlocal after
            before = await self._within(transaction, owner, api, endpoint_id)
            off = {"off_at": moment} if before["active"] else {}
            changes = changes_of(before)
            changes = {**changes, **(off if changes.get("active") is False else {})}
            after = {**before, **changes, "updated_at": moment}
            trail = _trail(
                actor, "webhook.change", endpoint_id, before=_shown(before), after=_shown(after), reason=reason
            )
            updates = [Update(WEBHOOK_ENDPOINTS, {"_id": endpoint_id}, {"$set": {**changes, "updated_at": moment}})]
            if changes.get("active"):
                after.pop("disabled", None)
                updates += on_again(endpoint_id, moment)
            return await counted(transaction, Operation(operation_id, inserts=trail, updates=updates), after)

        await self._commit(owner, endpoint_id, Composed(operation_id, compose))
        return after

    async def remove(self, actor: Actor | None, owner: str | None, api: str, endpoint_id: str) -> None:
        """With its queue and its log. Raises `HubError` NOT_FOUND."""
        operation_id = new_id("webhook")

        async def compose(transaction: Transaction) -> Operation:
            before = await self._within(transaction, owner, api, endpoint_id)
            trail = _trail(actor, "webhook.delete", endpoint_id, before=_shown(before))
            gone = [Delete(name, {"_id": endpoint_id}) for name in (WEBHOOK_ENDPOINTS, WEBHOOK_QUEUES)]
            operation = Operation(operation_id, inserts=trail, deletes=gone)
            return await counted(transaction, operation, {**before, "active": False})

        await self._commit(owner, endpoint_id, Composed(operation_id, compose))
        await self.forget(endpoint_id)

    async def forget(self, endpoint_id: str) -> None:
        """Remove what an endpoint left that is there no more. Raises `DatabaseError`."""
        await webhook_queues.remove(self._database, endpoint_id)
        await deliveries.forget(self._database, endpoint_id)

    async def find(self, owner: str | None, api: str, endpoint_id: str) -> Document:
        """Raises `HubError` NOT_FOUND, for somebody else's too."""
        return _there(await endpoints.by_id(self._database, owner, api, endpoint_id))

    async def _within(self, transaction: Transaction, owner: str | None, api: str, endpoint_id: str) -> Document:
        return _there(await endpoints.within(transaction, owner, api, endpoint_id))

    async def _commit(self, owner: str | None, endpoint_id: str, operation: Composed) -> None:
        await self._ledger.commit(operation)
        for tell in self.on_change:
            tell(endpoint_id)
        if owner is None:
            await self._listen_if_possible()
            self._broker.publish(_HUB_WEBHOOKS, Publication("signal", "changed", {}))

    def open(self) -> None:
        """Hear of what other processes change about the hub's own; a signal that is lost shows with the next look."""
        self._broker.subscribe(_HUB_WEBHOOKS, self._changed_elsewhere)

    def _changed_elsewhere(self, channel: str, publication: Publication) -> None:
        self._tasks.start(self._listen_if_possible(), "the hub's own webhooks")

    async def _listen_if_possible(self) -> None:
        """What was committed stands; where it cannot be learnt of now, the next look does."""
        try:
            await self.listen()
        except DatabaseError as error:
            log.warning("the hub's own webhooks are not known", error=str(error)[:200])

    async def listen(self) -> None:
        """Learn which events the hub's own endpoints want. Raises `DatabaseError`."""
        self._listening += 1
        number = self._listening
        found = await endpoints.of_hub(self._database, limits.WEBHOOK_ENDPOINTS_MAX)
        if number == self._listening:  # else a later look knows better
            names = {name for endpoint in found if endpoint["active"] for name in endpoint["events"]}
            self._ledger.hub_hears(payloads.types_of(names))

    # --- what the hub does by itself --------------------------------------------------------------------------------

    async def switch_off(self, endpoint: Document, reason: str) -> None:
        """Nothing is sent there any more until its owner, who is told why, switches it on again."""
        operation_id = new_id("webhook")

        async def compose(transaction: Transaction) -> Operation:
            found = await endpoints.any_owners_within(transaction, endpoint["_id"])
            if found is None or not found["active"] or found["updated_at"] != endpoint["updated_at"]:
                return Operation(operation_id)  # its owner was faster
            moment = now()
            off = {"active": False, "off_at": moment, "disabled": {"at": moment, "reason": reason}}
            change = {"$set": off}
            update = Update(WEBHOOK_ENDPOINTS, {"_id": endpoint["_id"]}, change)
            text = f"{endpoint['url']} gets no more webhooks: {reason}. Switch it on again when it works."
            told = await owners.told(transaction, endpoint, "Webhook switched off", text)
            operation = Operation(operation_id, inserts=told.inserts, updates=[update], events=told.events)
            return await counted(transaction, operation, {**found, "active": False})

        await self._commit(endpoint["owner"], endpoint["_id"], Composed(operation_id, compose))

    async def tell_full(self, endpoint: Document) -> None:
        """Word that an endpoint loses events."""
        text = (
            f"{outgoing.WEBHOOK_WAITING_MAX} events wait for {endpoint['url']}. Those that come now are not sent there."
        )
        await self.tell(endpoint, "Webhook overflows", f"{text} You can replay them for {limits.EVENT_DAYS} days.")

    async def tell(self, endpoint: Document, title: str, text: str) -> None:
        """A notification for the endpoint's owner."""
        operation_id = new_id("webhook")

        async def compose(transaction: Transaction) -> Operation:
            told = await owners.told(transaction, endpoint, title, text)
            return Operation(operation_id, inserts=told.inserts, events=told.events)

        await self._ledger.commit(Composed(operation_id, compose))


def signing_secret(secret: str) -> str | None:
    """For a secret that is plain text: the same in the form that Standard Webhooks libraries take."""
    if secret.startswith(STANDARD):
        return None
    return STANDARD + base64.b64encode(secret.encode()).decode()


def on_again(endpoint_id: str, moment: datetime) -> list[Update]:
    """The end of having been switched off, and its queue's new beginning."""
    return [
        Update(WEBHOOK_ENDPOINTS, {"_id": endpoint_id}, {"$unset": {"disabled": True}}),
        Update(WEBHOOK_QUEUES, {"_id": endpoint_id}, webhook_queues.started_anew(moment)),
    ]


def rotated(endpoint: Document, secret: str, moment: datetime) -> Document:
    """An endpoint's fields with a new secret from this moment on; the one before it is good for a day beside it."""
    older = [old for old in endpoint.get("previous", []) if old["until"] > moment]
    until = moment + timedelta(seconds=outgoing.WEBHOOK_OLD_SECRET_SECONDS)
    kept = [{"secret": endpoint["secret"], "until": until}, *older][: outgoing.WEBHOOK_OLD_SECRETS_MAX]
    return {"secret": secret, "previous": kept}


def new_secret() -> str:
    """In the form of Standard Webhooks."""
    return STANDARD + base64.b64encode(secrets.token_bytes(24)).decode()


async def counted(transaction: Transaction, operation: Operation, after: Document) -> Operation:
    """The operation with how many of the owner's endpoints are switched on once this one is as it is `after` it."""
    owner = after["owner"]
    operation.updates = [*operation.updates, in_turn(f"webhooks:{owner or 'hub'}")]
    if owner is not None:
        others = set(await endpoints.active_within(transaction, owner)) - {after["_id"]}
        operation.webhooks = {owner: len(others) + bool(after["active"])}
    return operation


def _trail(actor: Actor | None, action: str, endpoint_id: str, **told: Any) -> list[Insert]:
    return [] if actor is None else [audit_trail.row(actor, action, endpoint_id, **told)]


def _shown(endpoint: Document) -> Document:
    """Never the secret."""
    return {name: endpoint[name] for name in _SHOWN}


def _there(endpoint: Document | None) -> Document:
    if endpoint is None:
        raise HubError(Code.NOT_FOUND, "No such webhook")
    return endpoint
