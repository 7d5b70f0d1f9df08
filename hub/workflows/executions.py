"""Executions of workflows: begun, listed, cancelled, and answered where they wait for somebody.

begin --one operation--> EXECUTIONS (due at once), the workflow's count --> whichever process claims it (engine.py)
cancel, answer_approval --one conditional write--> due at once             (its turn sees it, or the next one does)
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

import orjson

from config import workflows as limits
from hub import identity_input
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey, once
from hub.ledger import Ledger
from hub.operations import Composed, Insert, Operation, Update, in_turn
from hub.workflows.progress import Progress, log_line
from hub.workflows.running import records
from hub.workflows.running.said import Said
from models import executions, projects, users, workflows
from models.clock import now
from models.database import Database, Document, Transaction
from models.executions import EXECUTIONS
from models.ids import new_id
from models.workflows import WORKFLOWS

Trigger = Literal["manual", "schedule", "webhook", "telegram"]


class Paused(HubError):
    """The workflow may not be executed while its owner is suspended or its project deleted; either may end again."""

    def __init__(self, why: str) -> None:
        super().__init__(Code.CONFLICT, why)


class TooManyHops(HubError):
    """So many workflows set each other off that this one is not begun, however often that is asked."""

    def __init__(self) -> None:
        super().__init__(Code.CONFLICT, f"More than {limits.HOPS_MAX} workflows set each other off")


class Executions:
    """One per process. All methods raise `HubError` where the ledger does, and let `DatabaseError`s of reads out.

    `wake` is to be called where one is due at once: with its id, or with None where it is new.
    """

    def __init__(
        self, database: Database, ledger: Ledger, progress: Progress, wake: Callable[[str | None], None]
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._progress = progress
        self._wake = wake

    async def begin(
        self,
        workflow: Document,
        payload: Mapping[str, Any],
        trigger: Trigger,
        *,
        test_mode: bool = False,
        hops: int = 0,
        twin: str | None = None,
        room_for: int = 1,
    ) -> Document:
        """Have a workflow executed, and give the execution, which is due at once. `payload` is what templates see.

        `twin` names what happened, unique within the workflow (a webhook's id, a schedule's moment): told of twice it
        gives the first execution again. `hops` is how many workflows led here by their own addresses (`X-Hub-Hops`).
        `room_for` is how many are to begin with this one, which are refused together where they have no room.

        Raises `HubError`: NOT_FOUND for a workflow that was deleted meanwhile, CONFLICT for one that is switched off (but
        by hand), `TooManyHops`, `Paused`, TOO_LARGE for a payload, RATE_LIMITED where too many have not ended.
        """
        made = _new(workflow, payload, trigger, test_mode, hops, twin, now())
        return await self._begun(made, (), room_for)

    async def begin_once(
        self, workflow: Document, payload: Mapping[str, Any], *, test_mode: bool, hops: int, key: IdempotencyKey | None
    ) -> Document:
        """The same by hand, where a repeated request has the execution that the first one began.

        Raises `HubError` KEY_REUSED, IN_FLIGHT, and what `begin` does.
        """
        made = _new(workflow, payload, "manual", test_mode, hops, None, now())

        async def work() -> Document:
            record = () if key is None else (key.done(lambda _: {"execution_id": made["_id"]}),)
            await self._begun(made, record, 1)
            return {"execution_id": made["_id"]}

        reply = await once(self._database, key, work)
        return _there(await executions.of_workflow(self._database, workflow["_id"], reply.data["execution_id"]))

    async def _begun(self, made: Document, beside: tuple[Insert, ...], room_for: int) -> Document:
        stands = [made]

        async def compose(transaction: Transaction) -> Operation:
            stands[:] = [made]
            if "twin" in made and (earlier := await executions.by_twin_within(transaction, made["twin"])):
                stands[:] = [earlier]
                return Operation(made["_id"])
            await _check_wanted(transaction, made)
            await _check_room(transaction, made["user"], room_for)
            counted = {"$inc": {"execution_count": 1}, "$set": {"last_execution": made["started_at"]}}
            updates = [Update(WORKFLOWS, {"_id": made["workflow"]}, counted), in_turn(f"executions:{made['user']}")]
            return Operation(made["_id"], inserts=[Insert(EXECUTIONS, made), *beside], updates=updates)

        await self._ledger.commit(Composed(made["_id"], compose, size_bytes=len(made["payload"]) + 1_000))
        self._wake(None)
        return stands[0]

    async def find(self, user: str, number: int, execution_id: str) -> Document:
        """Raises `HubError` NOT_FOUND, for somebody else's too, and for one of another workflow."""
        workflow = _there(await workflows.by_number(self._database, user, number))
        return _there(await executions.of_workflow(self._database, workflow["_id"], execution_id))

    async def page(
        self, user: str, number: int, *, status: str | None = None, skip: int, limit: int
    ) -> tuple[list[Document], int]:
        """Those of a workflow, newest first and without their steps and logs, and how many there are in all.

        Raises `HubError` NOT_FOUND.
        """
        workflow = _there(await workflows.by_number(self._database, user, number))
        return await executions.page(self._database, workflow["_id"], status=status, skip=skip, limit=limit)

    async def cancel(self, user: str, number: int, execution_id: str) -> Document:
        """Have it end before it is done: what is under way is broken off, what was done stays done.

        Raises `HubError`: NOT_FOUND, CONFLICT for one that has ended.
        """
        found = await self.find(user, number, execution_id)
        if not await executions.ask_to_cancel(self._database, found["_id"], now()):
            raise HubError(Code.CONFLICT, "This execution has ended already")
        self._wake(found["_id"])
        return {**found, "cancel_asked": True}

    async def answer_approval(
        self, user: str, execution_id: str, node: str, approved: bool, comment: str, *, number: int | None = None
    ) -> Document:
        """Approve or refuse what an execution waits for: its owner may, and whoever has the address that was asked.

        With `number`, only one of this workflow. Raises `HubError`: NOT_FOUND for an execution or node that nobody asks
        this user about, CONFLICT for what was answered before, or is not waited for any more.
        """
        found = _there(await executions.by_id(self._database, execution_id))
        if number not in (None, found["number"]):
            raise HubError(Code.NOT_FOUND, "No such approval")
        await self._check_asked(user, found, node)
        moment = now()
        by = await self._address_of(user)
        record = records.stored(_answered(found["steps"][node], by, approved, comment))
        line = log_line("info", f"{node} was {'approved' if approved else 'refused'} by {by}", moment)
        if not await executions.answer(self._database, execution_id, node, record, line, moment):
            raise HubError(Code.CONFLICT, "This approval is not waited for: it was answered, or its time is over")
        self._progress.tell(found, line, node, record["status"])
        self._wake(execution_id)
        return _there(await executions.by_id(self._database, execution_id))

    async def _check_asked(self, user: str, found: Document, node: str) -> None:
        wanted = found["approvals"].get(node)
        if wanted is not None and (user == found["user"] or await self._is_asked(user, wanted["to"])):
            return
        raise HubError(Code.NOT_FOUND, "No such approval")

    async def _is_asked(self, user: str, to: str | None) -> bool:
        """Whether a user has the address that was asked, and showed that it is theirs."""
        if to is None:
            return False
        found = await users.by_id(self._database, user)
        return bool(found and found["email_verified"] and found["email_key"] == identity_input.key(to))

    async def _address_of(self, user: str) -> str:
        found = await users.by_id(self._database, user)
        return "" if found is None else str(found["email"])


def _answered(record: Document, by: str, approved: bool, comment: str) -> Document:
    """The record of an approval, answered."""
    ended = {"attempt": record["attempt"]}
    if approved:
        return {"status": "completed", **ended, "output": Said.of({"by": by, "comment": comment})}
    message = f"{by} refused: {comment}" if comment else f"{by} refused"
    return {"status": "failed", **ended, "error": {"code": "refused", "message": message}}


async def _check_wanted(transaction: Transaction, made: Document) -> None:
    """Raises `HubError` as `begin` does."""
    workflow = await workflows.by_id_within(transaction, made["workflow"])
    if workflow is None:
        raise HubError(Code.NOT_FOUND, "No such workflow")
    if not workflow["enabled"] and made["trigger"] != "manual":
        raise HubError(Code.CONFLICT, "This workflow is switched off")
    owner = await users.within(transaction, made["user"])
    if owner is None or owner["status"] != "active":
        raise Paused("The owner of this workflow is not active")
    if "project" not in made:
        return
    project = await projects.within(transaction, made["user"], made["project"])
    if project is None or project["deleted_at"] is not None:
        raise Paused("Its project is deleted")


async def _check_room(transaction: Transaction, user: str, room_for: int) -> None:
    """Raises `HubError` RATE_LIMITED."""
    if len(await executions.running_within(transaction, user)) + room_for > limits.EXECUTIONS_RUNNING_MAX:
        message = f"{limits.EXECUTIONS_RUNNING_MAX} executions have not ended"
        raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=limits.EXECUTIONS_RETRY_SECONDS)


def _new(
    workflow: Document,
    payload: Mapping[str, Any],
    trigger: Trigger,
    test_mode: bool,
    hops: int,
    twin: str | None,
    moment: datetime,
) -> Document:
    """Raises `HubError`: TOO_LARGE, `TooManyHops`."""
    written = orjson.dumps(payload)
    if len(written) > limits.PAYLOAD_BYTES_MAX:
        raise HubError(Code.TOO_LARGE, f"What a workflow is given has at most {limits.PAYLOAD_BYTES_MAX >> 10} KiB")
    if hops > limits.HOPS_MAX:
        raise TooManyHops
    what = (new_id("exec"), workflow, written.decode(), trigger, moment)
    return executions.new_execution(*what, test_mode=test_mode, hops=hops, twin=twin)


def _there(found: Document | None) -> Document:
    if found is None:
        raise HubError(Code.NOT_FOUND, "No such execution")
    return found
