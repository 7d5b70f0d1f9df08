"""One turn at an execution: from its claim on, step by step, until it has ended, waits, or is another's.

    claim -> look (plan.py) -> write what follows, and what begins -> do that side by side -> write each end -> look again
                            waits: due when its pause ends, release          ended: status, event, release

Nothing but the records counts: whoever takes it over looks at them and is told the same. Every write is conditional on the
claim; one that finds it lost ends the turn, and nothing more is written. Once a second the claim is renewed, and it is
looked at whether the execution is wanted still.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from config import workflows as limits
from hub import tasks
from hub.workflows.running import answers, records, steps
from hub.workflows.running.claim import Claim
from hub.workflows.running.letters import LettersUsedUp, within_room
from hub.workflows.running.plan import Plan, Stop, plan
from hub.workflows.running.purse import Purse
from hub.workflows.running.runners.runners import IN_ONE_WRITE
from hub.workflows.running.runners.work import Done
from hub.workflows.running.stepping import Stepping, kept_of, within_bytes
from hub.workflows.running.steps import Records, Step
from hub.workflows.running.writing import Lost, Overtaken, Writing, Written
from hub.workflows.workflows import definition_of
from models.clock import now
from models.database import Document

if TYPE_CHECKING:
    from hub.workflows.running.engine import Engine

log = structlog.get_logger(__name__)

_ENDED: Final = ("completed", "failed", "cancelled")
_CANCELLED: Final = Stop("cancelled")
_TOO_LONG: Final = Stop(
    "failed",
    {"code": "active_seconds", "message": f"It was at work for more than {limits.ACTIVE_SECONDS_MAX:g} seconds"},
)
_NO_OWNER: Final = Stop("failed", {"code": "owner", "message": "Its owner may do nothing any more"})


class Turn:
    """One claim of an execution, from `execution` as it was claimed to its release."""

    def __init__(self, engine: "Engine", execution: Document) -> None:
        self._engine = engine
        self._execution = execution
        self._definition = definition_of(execution)
        self._records = records.of_execution(execution)
        self._claim = Claim()
        self._writing = Writing(engine.database, engine.ledger, engine.progress, execution, self._claim)
        self._purse = Purse(execution["spend_cap_micro"], execution["spent_micro"])
        self._under_way: dict[str, asyncio.Task[Done]] = {}
        self._steps: dict[str, Step] = {}  # the same ones
        self._stop: Stop | None = None
        self._asked = execution["asked"]
        self._woken = asyncio.Event()
        self._began = time.monotonic()
        self._check_at = 0.0
        self.user: str = execution["user"]

    def wake(self) -> None:
        """Something came from outside, or the hub is closing: look at once."""
        self._check_at = 0.0
        self._woken.set()

    async def run(self) -> None:
        """Raises `DatabaseError`, and `HubError` where the ledger does, once it has insisted for long enough."""
        try:
            await self._begin()
            while await self._go_on():
                pass
        except Lost:
            self._engine.metrics.claim_lost()
            log.info("an execution is another's by now", execution=self._execution["_id"])
        finally:
            await self._break_off()

    async def _begin(self) -> None:
        owner = await self._owner()
        payload = orjson.loads(self._execution["payload"])
        if owner is None:
            self._stop = _NO_OWNER
        await self._reserve()
        parts = (self._execution, self._definition, payload, owner or {}, self._engine.runners, self._purse)
        self._stepping = Stepping(*parts)

    async def _reserve(self) -> None:
        """What answers that were begun before may cost, or have; nobody takes up those of steps that were left."""
        streams = self._answers()
        held, charged = await self._claim.insist(lambda: self._engine.answers.costs(streams))
        left = {key: cost for key, cost in charged.items() if steps.has_ended(self._records[key])}
        self._purse.spent += sum(left.values())
        self._purse.earlier |= {key: cost for key, cost in {**held, **charged}.items() if key not in left}

    async def _owner(self) -> Document | None:
        return await self._claim.insist(lambda: self._engine.owner(self.user))

    def _answers(self) -> dict[str, str]:
        """Streams of answers that were begun, of which no end is recorded."""
        return answers.begun(self._execution["_id"], self._definition, self._records)

    async def _go_on(self) -> bool:
        """One look, and what follows of it. False where the turn has ended."""
        if time.monotonic() >= self._check_at:
            await self._check()
        planned = plan(self._definition, self._records, now(), self._under_way, self._stop)
        if planned.status in _ENDED:
            await self._end(planned)
            return False
        if planned.status == "waiting" or (self._engine.closing and not self._under_way):
            return not await self._release(planned)
        if self._engine.closing:
            await self._wait(None)
        elif not await self._start(planned):
            await self._wait(planned.wake_at)
        return True

    # --- is it ours, and wanted -----------------------------------------------------------------------------------

    async def _check(self) -> None:
        """Renew the claim and see what came from outside. Raises `Lost`."""
        self._check_at = time.monotonic() + limits.EXECUTION_CHECK_SECONDS
        self._woken.clear()
        latest = await self._writing.renew(self._active_seconds)
        if latest["asked"] != self._asked:
            latest = await self._writing.latest()
            self._see(latest["steps"])
        self._asked = latest["asked"]
        self._execution = {**self._execution, "cancel_asked": latest["cancel_asked"]}
        if self._stop is None and (stop := await self._reason_to_stop()) is not None:
            self._stop = stop
            await self._break_off()

    def _see(self, latest: Mapping[str, Document]) -> None:
        """What others wrote: answers to steps that wait. Of all other steps we know better, for we alone write them."""
        for key, record in latest.items():
            known = self._records.get(key)
            if known is None or (known["status"] == "waiting" and record["status"] != "waiting"):
                self._records[key] = records.seen(record)

    async def _reason_to_stop(self) -> Stop | None:
        if self._execution["cancel_asked"]:
            return _CANCELLED
        if self._active_seconds >= limits.ACTIVE_SECONDS_MAX:
            return _TOO_LONG
        return None if await self._owner() is not None else _NO_OWNER

    @property
    def _active_seconds(self) -> float:
        active: float = self._execution["active_seconds"] + time.monotonic() - self._began
        return active

    async def _break_off(self) -> None:
        """End what is under way here. What it came to is not written: its records say that it was begun."""
        running = list(self._under_way.values())
        self._under_way.clear()
        await tasks.cancel(running, limits.EXECUTION_BREAK_SECONDS)

    # --- steps ------------------------------------------------------------------------------------------------------

    async def _start(self, planned: Plan) -> bool:
        """Write what follows of itself and what begins, then do it; whether there was anything that ends at once."""
        inner = [step for step in planned.start if step.node["type"] in IN_ONE_WRITE]
        outer = [step for step in planned.start if step.node["type"] not in IN_ONE_WRITE]
        ended = [(step, await self._stepping.done(step, {**self._records, **planned.settle})) for step in inner]
        begun = {step.key: {**steps.running(step), **self._kept(step)} for step in outer}
        try:
            await self._write(planned.settle, begun, ended, self._asked if _expires(inner) else None)
        except Overtaken:
            self._check_at = 0.0
            return True
        for step in outer:
            self._steps[step.key] = step
            doing = self._stepping.done(step, dict(self._records))
            self._under_way[step.key] = self._engine.tasks.start(doing, f"step {step.key}")
        return bool(ended)

    def _kept(self, step: Step) -> Document:
        """Of a record of the same attempt, for who takes it up after us."""
        record = self._records.get(step.key)
        is_same = record is not None and record["attempt"] == step.attempt
        return kept_of(record) if is_same else {}

    async def _wait(self, wake_at: datetime | None) -> None:
        """Until a step ends, something is due, or it is time to look whether the execution is ours; write what has ended."""
        seconds = self._check_at - time.monotonic()
        if wake_at is not None:
            seconds = min(seconds, (wake_at - now()).total_seconds())
        if self._under_way:
            waking = self._engine.tasks.start(self._woken.wait(), "waking")
            await asyncio.wait(
                [*self._under_way.values(), waking], timeout=max(0.0, seconds), return_when="FIRST_COMPLETED"
            )
            waking.cancel()
        done = [(self._steps.pop(key), self._under_way.pop(key)) for key in self._ended_keys()]
        ended = [(step, task.result()) for step, task in done if task.exception() is None]
        if ended:
            await self._write({}, {}, ended)
        for _, task in done:
            task.result()  # one that broke breaks the turn, once what is known of the others is written

    def _ended_keys(self) -> list[str]:
        return [key for key, task in self._under_way.items() if task.done()]

    async def _write(
        self, settled: Records, begun: Records, ended: Sequence[tuple[Step, Done]], if_asked: int | None = None
    ) -> None:
        """What follows of itself, what begins, and what has ended. Raises `Lost`; with `if_asked` `Overtaken` too."""
        ended = within_bytes(ended, {**self._records, **settled})
        written = Written.of(settled, begun, ended)
        if not written:
            return
        try:
            await self._writing.write(written, if_asked)
        except LettersUsedUp as error:
            await self._write(settled, begun, within_room(ended, error.room, error.message), if_asked)
            return
        if written.inserts:
            self._engine.letters_written()
        self._records |= written.records
        for step, done in ended:
            self._engine.metrics.step_ended(step.node["type"], done.record["status"])
        self._stop = self._stop or written.stop

    # --- the turn's end ---------------------------------------------------------------------------------------------

    async def _release(self, planned: Plan) -> bool:
        """Leave it to whoever is free when it is due. False where something came from outside: then it goes on."""
        due_at = now() if self._engine.closing else planned.wake_at
        if await self._writing.release(planned.settle, due_at, self._active_seconds, self._asked):
            return True
        self._check_at = 0.0
        return False

    async def _end(self, planned: Plan) -> None:
        streams, all_records = self._answers(), {**self._records, **planned.settle}
        spent_micro = await self._claim.insist(lambda: self._engine.answers.end(self.user, streams))
        await self._writing.end(planned, self._definition, all_records, self._active_seconds, spent_micro)
        self._engine.metrics.execution_ended(planned.status)


def _expires(steps_due: Sequence[Step]) -> bool:
    """Whether one of them ends because nobody answered: that must not be written over an answer that comes just then."""
    return any(step.begun and step.node["type"] == "approval" for step in steps_due)
