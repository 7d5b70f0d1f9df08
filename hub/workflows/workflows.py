"""Workflows of users: made, changed, switched on and off, deleted. Each has an address of its own, found by a secret.

    create, change --checked (definition.py)--> WORKFLOWS, and its row of SCHEDULES where it has one and is switched on
    delete --> both gone; executions that have not ended are asked to end

What an execution began with stays with it: a change is for the next one.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

import orjson

from config import workflows as limits
from config.catalogue import AiModel
from hub import belongings, key_secrets
from hub.errors import Code, HubError, invalid
from hub.fields import together
from hub.ledger import Ledger
from hub.operations import Composed, Delete, Insert, Operation, Update, in_turn
from hub.safe_http import SafeHttp
from hub.sealed import Sealed
from hub.webhooks.endpoints import new_secret
from hub.workflows import notifying
from hub.workflows.definitions import definition
from hub.workflows.definitions.graph import Json
from hub.workflows.definitions.schedule import Schedule
from models import counters, deliveries, executions, schedules, webhook_endpoints, workflows
from models.clock import now
from models.database import Database, Document, Transaction
from models.executions import EXECUTIONS
from models.ids import new_id
from models.schedules import SCHEDULES
from models.workflows import WORKFLOWS

PREFIX: Final = "wf_"  # of secrets
_SECRET_BYTES: Final = 24
_PLAIN: Final = ("name", "description", "enabled", "notify_url", "spend_cap_micro")  # are stored as they are given


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """A workflow as it is asked for; its definition as it came, not checked yet. `project` is a project's number.
    `notify_secret` is one that its author chose.
    """

    name: str
    definition: Any
    description: str = ""
    enabled: bool = True
    project: int | None = None
    notify_url: str | None = None
    notify_secret: str | None = field(default=None, repr=False)
    spend_cap_micro: int = limits.SPEND_CAP_MICRO


def definition_of(document: Mapping[str, Any]) -> Json:
    """Of a workflow, or of an execution."""
    parsed: Json = orjson.loads(document["definition"])
    return parsed


class Workflows:
    """One per process. All methods raise `HubError` where the ledger does, and let `DatabaseError`s of reads out."""

    def __init__(
        self, database: Database, ledger: Ledger, catalogue: Mapping[str, AiModel], http: SafeHttp, sealed: Sealed
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._http = http
        self._sealed = sealed
        self._models = frozenset(model.id for model in catalogue.values() if not model.embeds)
        self.on_endpoint_change: list[Callable[[str], None]] = []  # each is told of one that may be not what it was

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises `HubError` INVALID naming the field: of a `definition` that cannot run, or an address that is not ours to
        call.
        """
        if "definition" in given:
            addresses = definition.literal_addresses(definition.load(given["definition"], self._models))
            together(*(partial(self._http.check_readable, url, field) for field, url in addresses))
        if given.get("notify_url") is not None:
            self._http.check(given["notify_url"], "notify_url")

    async def create(self, user: str, wanted: NewWorkflow) -> Document:
        """The workflow, and as its `notify_secret` what deliveries to its `notify_url` are signed by, where it has one.

        Raises `HubError`: INVALID, NOT_FOUND (project), CONFLICT where there are too many workflows or schedules.
        """
        self.check({"definition": wanted.definition, "notify_url": wanted.notify_url})
        await self._check_project(user, wanted.project)
        number = await counters.next_number(self._database, workflows.NUMBERS)
        made, notify_secret = self._new(user, number, wanted, now()), wanted.notify_secret or new_secret()
        _check_told(made, wanted.notify_secret)

        async def compose(transaction: Transaction) -> Operation:
            if await workflows.count_within(transaction, user) >= limits.WORKFLOWS_PER_USER_MAX:
                raise HubError(Code.CONFLICT, f"There are {limits.WORKFLOWS_PER_USER_MAX} workflows already")
            scheduled = await _scheduled(transaction, made)
            operation = Operation(made["_id"], inserts=[Insert(WORKFLOWS, made)], updates=[*scheduled, _turn(user)])
            return await notifying.with_endpoint(transaction, operation, made, notify_secret)

        await self._ledger.commit(Composed(made["_id"], compose))
        return await self._with_secret(made, notify_secret)

    async def _with_secret(self, workflow: Document, notify_secret: str) -> Document:
        """With what its deliveries are signed by, where that has just been made."""
        found = await webhook_endpoints.any_owners(self._database, notifying.endpoint_id(workflow))
        is_new = found is not None and hmac.compare_digest(found["secret"], notify_secret)
        return {**workflow, "notify_secret": notify_secret} if is_new else workflow

    def _new(self, user: str, number: int, wanted: NewWorkflow, moment: datetime) -> Document:
        given = {name: getattr(wanted, name) for name in _PLAIN} | _defined(wanted.definition) | self._new_secret()
        return workflows.new_workflow(new_id("wf"), number, user, wanted.project, given, moment)

    async def find(self, user: str, number: int) -> Document:
        """Raises `HubError` NOT_FOUND, for somebody else's too."""
        return _there(await workflows.by_number(self._database, user, number))

    async def page(self, user: str, *, project: int | None = None, skip: int, limit: int) -> tuple[list[Document], int]:
        """A user's, or those of a project, newest first, and how many there are in all."""
        return await workflows.page(self._database, user, project=project, skip=skip, limit=limit)

    async def change(self, user: str, number: int, given: Mapping[str, Any]) -> Document:
        """Set some of `name`, `description`, `enabled`, `definition`, `project` (None for none), `notify_url`,
        `notify_secret` and `spend_cap_micro`; the workflow after it, as `create` gives it. Its address stays.

        Raises `HubError`: INVALID, NOT_FOUND (project too), CONFLICT where there are too many schedules.
        """
        self.check(given)
        await self._check_project(user, given.get("project"))
        fields = {name: given[name] for name in _PLAIN if name in given}
        fields |= _defined(given["definition"]) if "definition" in given else {}
        fields |= {"project": given["project"]} if given.get("project") is not None else {}
        gone = {"$unset": {"project": True}} if "project" in given and given["project"] is None else {}
        return await self._change(user, number, fields, gone, given.get("notify_secret"))

    async def renew_secret(self, user: str, number: int) -> Document:
        """Another address, in the place of one that is known to too many; nothing comes by the old one any more. What its
        deliveries are signed by is another, too.

        Raises `HubError` NOT_FOUND.
        """
        return await self._change(user, number, self._new_secret(), {}, None, anew=True)

    async def _change(
        self, user: str, number: int, fields: Document, gone: Document, given: str | None, *, anew: bool = False
    ) -> Document:
        """`given` is a `notify_secret`; `anew` there is to be another one, given or not."""
        operation_id, moment, notify_secret = new_id("workflow"), now(), given or new_secret()
        anew = anew or given is not None

        async def compose(transaction: Transaction) -> Operation:
            found = _there(await workflows.within(transaction, user, number))
            after = {**found, **fields, "updated_at": moment}
            _check_told(after, given)
            change = {"$set": {**fields, "updated_at": moment}, "$inc": {"version": 1}, **gone}
            scheduled = await _rescheduled(transaction, found, after)
            changed = Update(WORKFLOWS, {"_id": found["_id"]}, change)
            deletes = [Delete(SCHEDULES, {"_id": found["_id"]})] if _trigger(after) is None else []
            operation = Operation(operation_id, updates=[changed, *scheduled, _turn(user)], deletes=deletes)
            if not anew and "notify_url" not in fields:
                return operation
            return await notifying.with_endpoint(transaction, operation, after, notify_secret, anew=anew)

        await self._ledger.commit(Composed(operation_id, compose))
        changed = await self.find(user, number)
        self._tell(changed)
        return await self._with_secret(changed, notify_secret)

    async def delete(self, user: str, number: int) -> None:
        """With its address and its schedule. What is under way is asked to end; what was is there no more to be asked for.

        Raises `HubError` NOT_FOUND.
        """
        operation_id, moment, known = new_id("workflow"), now(), await self.find(user, number)

        async def compose(transaction: Transaction) -> Operation:
            found = _there(await workflows.within(transaction, user, number))
            running = await executions.running_within(transaction, user, found["_id"])
            ending = [Update(EXECUTIONS, {"_id": each}, executions.cancelled(moment)) for each in running]
            both = [Delete(WORKFLOWS, {"_id": found["_id"]}), Delete(SCHEDULES, {"_id": found["_id"]})]
            operation = Operation(operation_id, updates=[*ending, _turn(user)], deletes=both)
            return await notifying.without_endpoint(transaction, operation, found)

        await self._ledger.commit(Composed(operation_id, compose))
        self._tell(known)
        await deliveries.forget(self._database, notifying.endpoint_id(known))

    def _tell(self, workflow: Document) -> None:
        for tell in self.on_endpoint_change:
            tell(notifying.endpoint_id(workflow))

    async def _check_project(self, user: str, number: int | None) -> None:
        if number is not None:
            await belongings.project(self._database, user, number)

    # --- addresses ------------------------------------------------------------------------------------------------

    async def by_secret(self, secret_hash: str) -> Document | None:
        """Whoever's has the address with this secret (`hub.key_secrets.digest`); None where none has."""
        return await workflows.by_secret(self._database, secret_hash)

    def secret_of(self, workflow: Mapping[str, Any]) -> str:
        """What its address ends with, and who signs signs by. Raises `ValueError` for one that was sealed by another
        HUB_JWT_SECRET.
        """
        return self._sealed.open(workflow["secret"])

    def _new_secret(self) -> Document:
        secret = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        return {"secret": self._sealed.seal(secret), "secret_hash": key_secrets.digest(secret)}


def _check_told(workflow: Document, notify_secret: str | None) -> None:
    """Raises `HubError` INVALID for a secret by which nothing would be signed."""
    if notify_secret is not None and workflow["notify_url"] is None:
        raise invalid("notify_secret", "must come with a notify_url, or after one")


def _defined(given: Json) -> Document:
    trigger = given["trigger"]
    return {
        "definition": orjson.dumps(given).decode(),
        "trigger_type": trigger["type"],
        "trigger_config": orjson.dumps(trigger.get("config", {})).decode(),
    }


def _trigger(workflow: Document) -> Json | None:
    """What its schedule says; None for one that has none, or is switched off."""
    trigger = definition_of(workflow)["trigger"]
    is_on = workflow["enabled"] and trigger["type"] == "schedule"
    return trigger["config"] if is_on else None


async def _scheduled(transaction: Transaction, workflow: Document) -> list[Update]:
    """Its row of SCHEDULES, if it is to have one. Raises `HubError` CONFLICT where the user has too many."""
    config = _trigger(workflow)
    if config is None:
        return []
    most = limits.SCHEDULES_PER_USER_MAX
    if await schedules.others_within(transaction, workflow["user"], workflow["_id"]) >= most:
        raise HubError(Code.CONFLICT, f"There are {most} workflows with a schedule already: switch one off")
    row = schedules.new_schedule(workflow, config, Schedule.of(config).next_fire(now()))
    return [Update(SCHEDULES, {"_id": row.pop("_id")}, {"$set": row}, upsert=True)]


async def _rescheduled(transaction: Transaction, before: Document, after: Document) -> list[Update]:
    """The same for one that was changed; a schedule that says what it said goes on as it was."""
    return [] if _trigger(before) == _trigger(after) else await _scheduled(transaction, after)


def _turn(user: str) -> Update:
    """Those that count a user's workflows see each other's outcome."""
    return in_turn(f"workflows:{user}")


def _there(workflow: Document | None) -> Document:
    if workflow is None:
        raise HubError(Code.NOT_FOUND, "No such workflow")
    return workflow
