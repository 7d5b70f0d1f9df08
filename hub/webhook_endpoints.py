"""Where webhooks go: endpoints made, changed and removed, each with its row of the audit log where an administrator acts.

It delivers nothing, and it gives a secret away once, to whoever set it.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from config import limits
from config.settings import Settings
from hub import audit_trail, outbound
from hub.audit_trail import Actor
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Composed, Delete, Insert, Operation, Update, in_turn
from models import webhook_endpoints as endpoints
from models.clock import now
from models.database import Database, Document, Transaction
from models.ids import new_id
from models.webhook_endpoints import WEBHOOK_ENDPOINTS

_HUB_EVENTS: Final = (
    *("user.created", "user.updated", "credit.purchased", "credit.used", "payment.completed", "payment.failed"),
)
# What happens to one user, by all its names: those of the documents first, then those of the user's channel.
_USER_EVENTS: Final = (
    *("chat.completion", "billing.charge", *_HUB_EVENTS),
    *("ai.task.completed", "ai.task.failed", "quota.warning", "workflow.executed"),
    *("chat.completed", "chat.failed", "conversation.created", "credit.adjusted"),
    *("notification.created", "notification.read"),
)
# What each API lets an endpoint subscribe to.
EVENTS: Final[Mapping[str, Sequence[str]]] = {
    "smart_ai_hub": _HUB_EVENTS,
    "ai_aggregator": _USER_EVENTS,
    "ai_playground": _USER_EVENTS,
}
_STANDARD: Final = "whsec_"
_SHOWN: Final = ("url", "events", "active")


class WebhookEndpoints:
    """One per process. `owner` None is the hub itself; a user's own endpoints have no `actor`, for no administrator acts.

    All methods raise `HubError` where the ledger does.
    """

    def __init__(self, settings: Settings, database: Database, ledger: Ledger) -> None:
        self._settings = settings
        self._database = database
        self._ledger = ledger

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises `HubError` INVALID for a `url` that is not ours to call."""
        if "url" in given:
            allowed = self._settings.outbound_allow
            outbound.check_url(given["url"], allowed, localhost_too=not self._settings.production)

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
        secret = secret or _STANDARD + base64.b64encode(secrets.token_bytes(24)).decode()
        made = endpoints.new_endpoint(new_id("wh"), owner, api, url, events, secret, active, now())

        async def compose(transaction: Transaction) -> Operation:
            if await endpoints.count_within(transaction, owner) >= limits.WEBHOOK_ENDPOINTS_MAX:
                raise HubError(Code.CONFLICT, f"There are {limits.WEBHOOK_ENDPOINTS_MAX} webhooks already")
            trail = _trail(actor, "webhook.create", made["_id"], after=_shown(made))
            turn = in_turn(f"webhooks:{owner or 'hub'}")
            return Operation(made["_id"], inserts=[Insert(WEBHOOK_ENDPOINTS, made), *trail], updates=[turn])

        await self._ledger.commit(Composed(made["_id"], compose))
        return made

    async def change(
        self, actor: Actor | None, owner: str | None, api: str, endpoint_id: str, changes: Mapping[str, Any]
    ) -> Document:
        """Set `url`, `events`, `secret` or `active`. Raises `HubError` NOT_FOUND or INVALID."""
        self.check(changes)
        operation_id, moment, after = new_id("webhook"), now(), Document()

        async def compose(transaction: Transaction) -> Operation:
            nonlocal after
            before = await self._within(transaction, owner, api, endpoint_id)
            after = {**before, **changes, "updated_at": moment}
            reason = "a new secret" if "secret" in changes else None
            trail = _trail(
                actor, "webhook.change", endpoint_id, before=_shown(before), after=_shown(after), reason=reason
            )
            update = Update(WEBHOOK_ENDPOINTS, {"_id": endpoint_id}, {"$set": {**changes, "updated_at": moment}})
            return Operation(operation_id, inserts=trail, updates=[update])

        await self._ledger.commit(Composed(operation_id, compose))
        return after

    async def remove(self, actor: Actor | None, owner: str | None, api: str, endpoint_id: str) -> None:
        """Raises `HubError` NOT_FOUND."""
        operation_id = new_id("webhook")

        async def compose(transaction: Transaction) -> Operation:
            before = await self._within(transaction, owner, api, endpoint_id)
            trail = _trail(actor, "webhook.delete", endpoint_id, before=_shown(before))
            return Operation(operation_id, inserts=trail, deletes=[Delete(WEBHOOK_ENDPOINTS, {"_id": endpoint_id})])

        await self._ledger.commit(Composed(operation_id, compose))

    async def find(self, owner: str | None, api: str, endpoint_id: str) -> Document:
        """Raises `HubError` NOT_FOUND, for somebody else's too."""
        return _there(await endpoints.by_id(self._database, owner, api, endpoint_id))

    async def _within(self, transaction: Transaction, owner: str | None, api: str, endpoint_id: str) -> Document:
        return _there(await endpoints.within(transaction, owner, api, endpoint_id))


def signing_secret(secret: str) -> str | None:
    """For a secret that is plain text: the same in the form that Standard Webhooks libraries take."""
    if secret.startswith(_STANDARD):
        return None
    return _STANDARD + base64.b64encode(secret.encode()).decode()


def _trail(actor: Actor | None, action: str, endpoint_id: str, **told: Any) -> list[Insert]:
    return [] if actor is None else [audit_trail.row(actor, action, endpoint_id, **told)]


def _shown(endpoint: Document) -> Document:
    """Never the secret."""
    return {name: endpoint[name] for name in _SHOWN}


def _there(endpoint: Document | None) -> Document:
    if endpoint is None:
        raise HubError(Code.NOT_FOUND, "No such webhook")
    return endpoint
