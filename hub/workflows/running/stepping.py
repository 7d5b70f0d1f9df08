"""One step of an execution, from what it sees to its next record: whatever goes wrong in it becomes a record too.

Step --inputs rendered (scope.py)--> runner --> Done             Failed, HubError --> a failed record, or a pause before
                                                                 PutOff           --> the same attempt, a little later
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import structlog

from config import workflows as limits
from hub.errors import Code, HubError
from hub.workflows.definitions.graph import Json
from hub.workflows.running import scope, steps
from hub.workflows.running.purse import Purse
from hub.workflows.running.runners.tested import TESTED, UNTESTED
from hub.workflows.running.runners.work import Done, Failed, PutOff, Runner, Work
from hub.workflows.running.said import Said
from hub.workflows.running.steps import TOO_LARGE, Records, Step, kept_bytes
from models.clock import now
from models.database import DatabaseError, DatabaseUnavailable, Document

log = structlog.get_logger(__name__)

_KEPT: Final = ("turn", "put_off")  # of a record, by the next one of the same attempt


class Stepping:
    """The steps of one execution, as it was claimed."""

    def __init__(
        self,
        execution: Mapping[str, Any],
        definition: Json,
        payload: Json,
        owner: Mapping[str, Any],
        runners: Mapping[str, Runner],
        purse: Purse,
    ) -> None:
        self._execution = execution
        self._definition = definition
        self._payload = payload
        self._owner = owner
        self._runners = runners
        self._purse = purse

    async def done(self, step: Step, records: Records) -> Done:
        """What came of it. Raises `DatabaseError` alone, where the database refuses, and whatever cancels it."""
        try:
            return _bounded(await self._run(step, records))
        except PutOff as error:
            return self._put_off(step, records.get(step.key), error)
        except Failed as error:
            return failed(step, error)
        except HubError as error:
            told = (error.code.value, error.message)
            return failed(step, Failed(*told, temporary=error.temporary, asked_seconds=error.asked_seconds))
        except DatabaseUnavailable:
            return self._put_off(step, records.get(step.key), PutOff("the database is away"))
        except DatabaseError:
            raise
        except Exception:
            log.exception("a step broke", execution=self._execution["_id"], step=step.key)
            return failed(step, Failed(Code.INTERNAL.value, "It broke off by our own fault", temporary=True))

    async def _run(self, step: Step, records: Records) -> Done:
        inputs = scope.inputs(self._definition, self._payload, records, step)
        kind = step.node["type"]
        if self._execution["test_mode"] and kind not in UNTESTED:
            return Done(steps.completed(step, TESTED[kind](inputs)))
        record = records.get(step.key)
        work = Work(self._execution, step, inputs, record, self._owner, now(), self._purse)
        return await self._runners[kind](work)

    def _put_off(self, step: Step, record: Document | None, error: PutOff) -> Done:
        times = (record or {}).get("put_off", 0) + 1
        if times > limits.PUT_OFF_TIMES_MAX:
            return failed(step, Failed(Code.UNAVAILABLE.value, str(error), temporary=True))
        due_at = now() + timedelta(seconds=limits.PUT_OFF_SECONDS)
        kept = {**kept_of(record), **error.fields, "put_off": times}
        note = f"{step.key} waits: {error}" if times == 1 else None
        return Done({**steps.waiting(step, due_at), **kept}, note=note)


def kept_of(record: Mapping[str, Any] | None) -> Document:
    """What the next record of the same attempt keeps of this one."""
    return {name: record[name] for name in _KEPT if name in record} if record is not None else {}


def _bounded(done: Done) -> Done:
    """Raises `Failed` for more than is kept; a text is cut instead, for it may have been paid for."""
    if "output" not in done.record:
        return done
    output: Said = done.record["output"]
    if output.is_deeper_than(limits.OUTPUT_DEPTH_MAX):
        deepest = f"What it gives is nested deeper than {limits.OUTPUT_DEPTH_MAX} levels"
        raise Failed(TOO_LARGE["code"], deepest, spent_micro=done.spent_micro)
    if _fits(output):
        return done
    if isinstance(output.value, str):
        return replace(done, record={**done.record, "output": _cut(output)}, note="A text was cut: it was too long")
    most = limits.OUTPUT_BYTES_MAX >> 10
    raise Failed(TOO_LARGE["code"], f"What it gives is more than {most} KiB as JSON", spent_micro=done.spent_micro)


def _fits(output: Said) -> bool:
    return output.size_bytes <= limits.OUTPUT_BYTES_MAX


def _cut(text: Said) -> Said:
    """So much of it as fits, whatever its characters take."""
    while not _fits(text):
        text = Said.of(text.value[: len(text.value) * 3 // 4])
    return text


def within_bytes(ended: Sequence[tuple[Step, Done]], records: Records) -> list[tuple[Step, Done]]:
    """What came of these steps, as far as there is room for it beside all other records; the others of them have failed."""
    ending = {step.key for step, _ in ended}
    room = limits.OUTPUTS_BYTES_MAX - kept_bytes({key: each for key, each in records.items() if key not in ending})
    kept = []
    for step, done in ended:
        wanted = kept_bytes({step.key: done.record})
        if wanted > max(room, 0):
            error = Failed(TOO_LARGE["code"], TOO_LARGE["message"], spent_micro=done.spent_micro, stop=done.stop)
            done, wanted = failed(step, error), 0
        room -= wanted
        kept.append((step, done))
    return kept


def failed(step: Step, error: Failed) -> Done:
    """What came of an attempt that has."""
    told = {"code": error.code, "message": error.message[: limits.LOG_CHARS_MAX]}
    record = steps.failed(step, told, now(), temporary=error.temporary, asked_seconds=error.asked_seconds)
    return Done(record, spent_micro=error.spent_micro, stop=error.stop)
