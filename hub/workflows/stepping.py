"""One step of an execution, from what it sees to its next record: whatever goes wrong in it becomes a record too.

Step --inputs rendered (scope.py)--> runner --> Done             Failed, HubError --> a failed record, or a pause before
                                                                 PutOff           --> the same attempt, a little later
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import orjson
import structlog

from config import workflows as limits
from hub.errors import Code, HubError
from hub.workflows import scope, steps
from hub.workflows.graph import Json
from hub.workflows.purse import Purse
from hub.workflows.runners.tested import TESTED
from hub.workflows.runners.work import Done, Failed, PutOff, Runner, Work
from hub.workflows.steps import Records, Step
from models.clock import now
from models.database import DatabaseError, Document

log = structlog.get_logger(__name__)

_KEPT: Final = ("turn", "put_off")  # of a record, by the next one of the same attempt


class Stepping:
    """The steps of one execution, as it was claimed. `is_wanted` tells whether it is to be gone on with."""

    def __init__(
        self,
        execution: Mapping[str, Any],
        definition: Json,
        payload: Json,
        owner: Mapping[str, Any],
        runners: Mapping[str, Runner],
        purse: Purse,
        is_wanted: Callable[[], bool],
    ) -> None:
        self._execution = execution
        self._definition = definition
        self._payload = payload
        self._owner = owner
        self._runners = runners
        self._purse = purse
        self._is_wanted = is_wanted

    async def done(self, step: Step, records: Records) -> Done:
        """What came of it. Raises `DatabaseError` alone, and whatever cancels it."""
        try:
            return _bounded(await self._run(step, records))
        except PutOff as error:
            return self._put_off(step, records.get(step.key), error)
        except Failed as error:
            return _failed(step, error)
        except HubError as error:
            return _failed(step, Failed(error.code.value, error.message, temporary=error.temporary))
        except DatabaseError:
            raise
        except Exception:
            log.exception("a step broke", execution=self._execution["_id"], step=step.key)
            return _failed(step, Failed(Code.INTERNAL.value, "It broke off by our own fault", temporary=True))

    async def _run(self, step: Step, records: Records) -> Done:
        inputs = scope.inputs(self._definition, self._payload, records, step)
        kind = step.node["type"]
        if self._execution["test_mode"] and kind in TESTED:
            return Done(steps.completed(step, TESTED[kind](inputs)))
        record = records.get(step.key)
        parts = (self._execution, step, inputs, record, self._owner, now(), self._purse, self._is_wanted)
        return await self._runners[kind](Work(*parts))

    def _put_off(self, step: Step, record: Document | None, error: PutOff) -> Done:
        times = (record or {}).get("put_off", 0) + 1
        if times > limits.PUT_OFF_TIMES_MAX:
            return _failed(step, Failed(Code.UNAVAILABLE.value, str(error), temporary=True))
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
    output = done.record["output"]
    if isinstance(output, str) and not _fits(output):
        return replace(done, record={**done.record, "output": _cut(output)}, note="A text was cut: it was too long")
    if not _fits(output):
        most = limits.OUTPUT_BYTES_MAX >> 10
        raise Failed("too_large", f"What it gives is more than {most} KiB as JSON", spent_micro=done.spent_micro)
    return done


def _fits(output: Any) -> bool:
    return len(orjson.dumps(output)) <= limits.OUTPUT_BYTES_MAX


def _cut(text: str) -> str:
    """So much of it as fits, whatever its characters take."""
    while not _fits(text):
        text = text[: len(text) * 3 // 4]
    return text


def _failed(step: Step, error: Failed) -> Done:
    told = {"code": error.code, "message": error.message[: limits.LOG_CHARS_MAX]}
    record = steps.failed(step, told, now(), temporary=error.temporary)
    return Done(record, spent_micro=error.spent_micro, stop=error.stop)
