"""What a turn writes of its execution: each write together, and only while the claim is its own.

records alone ----------------------------------------> one conditional write
with letters, notifications, the end and its event ---> one operation of the ledger, which looks at the claim itself
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final, Self

import orjson

from config import workflows as limits
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Composed, Insert, NewEvent, Operation, Update, in_turn
from hub.prices import credits_number
from hub.workflows.definitions.graph import Json
from hub.workflows.notifying import EXECUTED
from hub.workflows.progress import Level, Progress, log_line
from hub.workflows.running import records, scope
from hub.workflows.running.claim import Claim
from hub.workflows.running.letters import check_letters, letters_of
from hub.workflows.running.plan import Plan, Stop
from hub.workflows.running.runners.work import Done
from hub.workflows.running.said import NOTHING
from hub.workflows.running.steps import Records, Step
from models import executions
from models.claims import FREE
from models.clock import now
from models.database import Database, Document, Transaction
from models.executions import EXECUTIONS
from models.ids import new_id
from models.usage import day_of

_LEVELS: Final[Mapping[str, Level]] = {"completed": "info", "cancelled": "warning", "failed": "error"}


class Overtaken(HubError):
    """Something came from outside, of which whoever writes did not know."""

    def __init__(self) -> None:
        super().__init__(Code.CONFLICT, "Something came from outside meanwhile")


class Lost(HubError):
    """The claim is another's by now, or the execution is gone."""

    def __init__(self) -> None:
        super().__init__(Code.CONFLICT, "The claim was lost")


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the logs, and the step that it is about."""

    level: Level
    message: str
    key: str
    status: str


@dataclass(slots=True)
class Written:
    """Records, and all that stands with them."""

    records: dict[str, Json]
    lines: list[Line] = field(default_factory=list)
    spent_micro: int = 0
    inserts: list[Insert] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    fields: Document = field(default_factory=dict)
    stop: Stop | None = None

    @classmethod
    def of(cls, settled: Records, begun: Records, ended: Sequence[tuple[Step, Done]]) -> Self:
        """Of what follows of itself, what begins, and what has ended."""
        written = cls({**settled, **begun})
        written.lines += [Line("info", f"{key} is left out", key, "skipped") for key in _skipped(settled)]
        written.lines += [_begun(key, record) for key, record in begun.items()]
        for step, done in ended:
            written._add(step, done)
        return written

    def _add(self, step: Step, done: Done) -> None:
        self.records[step.key] = done.record
        self.spent_micro += done.spent_micro
        self.inserts += done.inserts
        self.events += done.events
        self.fields |= done.fields
        self.stop = self.stop or done.stop
        self.lines += _lines(step, done)

    def __bool__(self) -> bool:
        return bool(self.records)

    def change(self, moment: datetime) -> tuple[Document, list[Document]]:
        """Of the execution's document, and the lines that it adds to the logs."""
        lines = [log_line(line.level, line.message, moment) for line in self.lines]
        fields = {f"steps.{key}": records.stored(record) for key, record in self.records.items()}
        spent = {"$inc": {"spent_micro": self.spent_micro}} if self.spent_micro else {}
        return {"$set": {**fields, **self.fields}, **spent, **executions.logged(lines)}, lines


def _skipped(settled: Records) -> list[str]:
    return [key for key, record in settled.items() if record["status"] == "skipped"]


def _begun(key: str, record: Json) -> Line:
    again = f", attempt {record['attempt']}" if record["attempt"] > 1 else ""
    return Line("info", f"Starting {key}{again}", key, "running")


def _lines(step: Step, done: Done) -> list[Line]:
    """What is said of a step that has ended, or waits."""
    key, status = step.key, done.record["status"]
    noted = [Line("info", done.note, key, status)] if done.note is not None else []
    if (error := done.record.get("error")) is not None:
        again = ", and is tried again" if status == "waiting" else ""
        level: Level = "warning" if again else "error"
        return [*noted, Line(level, f"{key} failed{again}: {error['message']}", key, status)]
    return [*noted, Line("info", f"Completed {key}", key, status)] if status == "completed" else noted


class Writing:
    """Writes of one turn. All methods raise `Lost`, `DatabaseError`, and `HubError` where the ledger does."""

    def __init__(
        self, database: Database, ledger: Ledger, progress: Progress, execution: Document, claim: Claim
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._progress = progress
        self._execution = execution
        self._claim = claim
        self._spent_micro: int = execution["spent_micro"]

    async def renew(self, active_seconds: float) -> Document:
        """The claim is good for another while; what of the execution is asked from outside."""

        async def once() -> Document:
            asked_at = time.monotonic()
            lease = limits.EXECUTION_LEASE_SECONDS
            latest = _there(await executions.renew(self._database, self._execution, active_seconds, lease))
            self._claim.renewed(asked_at)
            return latest

        return await self._claim.insist(once)

    async def latest(self) -> Document:
        """The same, and the execution's steps."""
        return _there(await self._claim.insist(lambda: executions.steps_of(self._database, self._execution)))

    async def write(self, written: Written, if_asked: int | None = None) -> None:
        """Once, whatever becomes of its answer. With `if_asked` it raises `Overtaken` where something came from outside
        since it was so many times; `LettersUsedUp` where it has letters for which there is no room.
        """
        change, lines = written.change(now())
        write_id = new_id("step")
        change["$set"]["written"] = write_id
        await self._once(write_id, lambda: self._write(write_id, written, change, if_asked))
        self._spent_micro += written.spent_micro
        for line, told in zip(written.lines, lines, strict=True):
            self._progress.tell(self._execution, told, line.key, line.status)

    async def _once(self, write_id: str, write: Callable[[], Awaitable[None]], *, frees: bool = False) -> None:
        """A write that notes its id, made again while nobody knows whether it stands. One that `frees` the claim is looked
        for without it.
        """
        tries = count()

        async def once() -> None:
            if next(tries) == 0 or not await executions.stands(self._database, self._execution, write_id, freed=frees):
                await write()

        await self._claim.insist(once)

    async def _write(self, write_id: str, written: Written, change: Document, if_asked: int | None) -> None:
        if written.inserts or written.events:
            await self._commit(write_id, change, written.inserts, written.events, if_asked)
        elif not await executions.write(self._database, self._execution, change, if_asked):
            raise Lost if if_asked is None else Overtaken

    async def release(self, settled: Records, due_at: datetime | None, active_seconds: float, if_asked: int) -> bool:
        """End the turn; False where something came from outside since it was so many times, or the claim was lost."""
        fields = {f"steps.{key}": records.stored(record) for key, record in settled.items()}
        write_id = new_id("step")
        change = {**fields, "due_at": due_at, "active_seconds": active_seconds, "written": write_id}

        async def release() -> None:
            if not await executions.release(self._database, self._execution, change, if_asked):
                raise Overtaken

        try:
            await self._once(write_id, release, frees=True)
        except Overtaken:
            return False
        return True

    async def end(
        self, planned: Plan, definition: Json, all_records: Records, active_seconds: float, spent_micro: int = 0
    ) -> None:
        """The execution's end, with the event that tells of it; in test mode none leaves. `spent_micro` is what it has cost
        beside what its steps say.
        """
        self._spent_micro += spent_micro
        moment = now()
        line = log_line(_LEVELS[planned.status], _said(planned), moment)
        fields: Document = {f"steps.{key}": records.stored(record) for key, record in planned.settle.items()}
        fields |= {"status": planned.status, "completed_at": moment, "active_seconds": active_seconds, "due_at": None}
        fields |= {"expires_at": moment + timedelta(days=limits.EXECUTION_DAYS), **FREE}
        fields["spent_micro"] = self._spent_micro
        if planned.error is not None:
            fields["error"] = planned.error
        events = [] if self._execution["test_mode"] else [self._executed(planned, definition, all_records)]
        fields["written"] = write_id = new_id("step")
        change = {"$set": fields, **executions.logged([line])}
        await self._once(write_id, lambda: self._commit(write_id, change, [], events), frees=True)
        self._progress.tell({**self._execution, "status": planned.status}, line)

    def _executed(self, planned: Plan, definition: Json, all_records: Records) -> NewEvent:
        given = scope.result(definition, all_records) if planned.status == "completed" else NOTHING
        is_kept = len(orjson.dumps(scope.told(given))) <= limits.RESULT_EVENT_BYTES_MAX
        said = given if is_kept else NOTHING
        result = {
            **scope.told(said),
            "value": said.value,
            "credits_used": credits_number(self._spent_micro),
            **({} if is_kept else {"truncated": True}),
            **({} if planned.error is None else {"error": records.failure_view(planned.error)}),
        }
        facts = {"workflow_id": self._execution["number"], "execution_id": self._execution["_id"]}
        return NewEvent(self._execution["user"], EXECUTED, {**facts, "status": planned.status, "result": result})

    async def _commit(
        self,
        operation_id: str,
        change: Document,
        inserts: Sequence[Insert],
        events: Sequence[NewEvent],
        if_asked: int | None = None,
    ) -> None:
        user, today = self._execution["user"], day_of(now())
        letters = letters_of(inserts)
        turns = [in_turn(f"letters:{user}")] if letters else []

        async def compose(transaction: Transaction) -> Operation:
            if not await executions.claimed_within(transaction, self._execution, if_asked):
                raise Lost if if_asked is None else Overtaken
            if letters:
                await check_letters(transaction, user, today, letters)
            updates = [Update(EXECUTIONS, executions.mine(self._execution), change), *turns]
            hops = self._execution["hops"] + 1
            return Operation(operation_id, inserts=inserts, updates=updates, events=events, hops=hops)

        await self._ledger.commit(Composed(operation_id, compose))


def _said(planned: Plan) -> str:
    why = f": {planned.error['message']}" if planned.error is not None else ""
    return f"The execution is {planned.status}{why}" if planned.status != "failed" else f"The execution failed{why}"


def _there(latest: Document | None) -> Document:
    if latest is None:
        raise Lost
    return latest
