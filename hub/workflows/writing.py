"""What a turn writes of its execution: each write together, and only while the claim is its own.

records alone ----------------------------------------> one conditional write
with letters, notifications, the end and its event ---> one operation of the ledger, which looks at the claim itself
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Self

import orjson

from config import workflows as limits
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Composed, Insert, NewEvent, Operation, Update
from hub.prices import credits_number
from hub.workflows import records, scope
from hub.workflows.graph import Json
from hub.workflows.plan import Plan, Stop
from hub.workflows.progress import Level, Progress, log_line
from hub.workflows.runners.work import Done
from hub.workflows.steps import Records, Step
from models import executions
from models.clock import now
from models.database import Database, Document, Transaction
from models.executions import EXECUTIONS
from models.ids import new_id

_LEVELS: Final[Mapping[str, Level]] = {"completed": "info", "cancelled": "warning", "failed": "error"}
EXECUTED: Final = "workflow.executed"


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

    def __init__(self, database: Database, ledger: Ledger, progress: Progress, execution: Document) -> None:
        self._database = database
        self._ledger = ledger
        self._progress = progress
        self._execution = execution
        self._spent_micro: int = execution["spent_micro"]

    async def renew(self, active_seconds: float) -> Document:
        """The claim is good for another while; the execution as it is."""
        lease = limits.EXECUTION_LEASE_SECONDS
        return _there(await executions.renew(self._database, self._execution, active_seconds, lease))

    async def write(self, written: Written, if_asked: int | None = None) -> Document | None:
        """The execution after it, as far as that is known. With `if_asked` it raises `Overtaken` where something came from
        outside since it was so many times.
        """
        change, lines = written.change(now())
        latest = None
        if written.inserts or written.events:
            await self._commit(change, written.inserts, written.events, if_asked)
        else:
            latest = await executions.write(self._database, self._execution, change, if_asked)
            if latest is None:
                raise Lost if if_asked is None else Overtaken
        self._spent_micro += written.spent_micro
        for line, told in zip(written.lines, lines, strict=True):
            self._progress.tell(self._execution, told, line.key, line.status)
        return latest

    async def release(self, settled: Records, due_at: datetime | None, active_seconds: float, if_asked: int) -> bool:
        """End the turn; False where something came from outside since it was so many times, or the claim was lost."""
        fields = {f"steps.{key}": records.stored(record) for key, record in settled.items()}
        change = {**fields, "due_at": due_at, "active_seconds": active_seconds}
        return await executions.release(self._database, self._execution, change, if_asked)

    async def end(self, planned: Plan, definition: Json, all_records: Records, active_seconds: float) -> None:
        """The execution's end, with the event that tells of it; in test mode none leaves."""
        moment = now()
        line = log_line(_LEVELS[planned.status], _said(planned), moment)
        fields: Document = {f"steps.{key}": records.stored(record) for key, record in planned.settle.items()}
        fields |= {"status": planned.status, "completed_at": moment, "active_seconds": active_seconds, "due_at": None}
        fields |= {"expires_at": moment + timedelta(days=limits.EXECUTION_DAYS), **executions.FREE}
        if planned.error is not None:
            fields["error"] = planned.error
        events = [] if self._execution["test_mode"] else [self._executed(planned, definition, all_records)]
        await self._commit({"$set": fields, **executions.logged([line])}, [], events)
        self._progress.tell({**self._execution, "status": planned.status}, line)

    def _executed(self, planned: Plan, definition: Json, all_records: Records) -> NewEvent:
        output = scope.result(definition, all_records) if planned.status == "completed" else None
        is_kept = len(orjson.dumps(output)) <= limits.RESULT_EVENT_BYTES_MAX
        result = {
            "output": output if is_kept else None,
            "credits_used": credits_number(self._spent_micro),
            **({} if is_kept else {"truncated": True}),
            **({} if planned.error is None else {"error": records.failure_view(planned.error)}),
        }
        facts = {"workflow_id": self._execution["number"], "execution_id": self._execution["_id"]}
        return NewEvent(self._execution["user"], EXECUTED, {**facts, "status": planned.status, "result": result})

    async def _commit(
        self, change: Document, inserts: Sequence[Insert], events: Sequence[NewEvent], if_asked: int | None = None
    ) -> None:
        operation_id = new_id("step")

        async def compose(transaction: Transaction) -> Operation:
            if not await executions.claimed_within(transaction, self._execution, if_asked):
                raise Lost if if_asked is None else Overtaken
            updates = [Update(EXECUTIONS, executions.mine(self._execution), change)]
            return Operation(operation_id, inserts=inserts, updates=updates, events=events)

        await self._ledger.commit(Composed(operation_id, compose))


def _said(planned: Plan) -> str:
    why = f": {planned.error['message']}" if planned.error is not None else ""
    return f"The execution is {planned.status}{why}" if planned.status != "failed" else f"The execution failed{why}"


def _there(latest: Document | None) -> Document:
    if latest is None:
        raise Lost
    return latest
