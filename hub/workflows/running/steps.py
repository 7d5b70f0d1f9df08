"""What an execution keeps of each step, and how a record becomes the next. Pure: plain data in, plain data out.

                  +--> waiting (a pause, a delay, an answer) --+
                  |                                            v
    (none) --> running ----------------------------------> completed | failed
       |          +--> open (a `for_each`; its items have records of their own) --^
       +--> skipped

A record is `{status, attempt}` and, by its status, `output`, `error`, `due_at` or `items`; outputs and items are `Said`. It
stands under the step's key: the node's id, or `{id}/{index}/{inner id}` for what a `for_each` does for an item; no id has
a `/` in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from config import workflows as limits
from hub.errors import invalid
from hub.workflows.definitions.graph import Json
from hub.workflows.running.said import NOTHING, Said

Records = Mapping[str, Json]

SKIPPED: Final[Json] = {"status": "skipped", "attempt": 0}
TOO_LARGE: Final[Json] = {
    "code": "too_large",
    "message": f"All that the steps of one execution give is at most {limits.OUTPUTS_BYTES_MAX >> 10} KiB as JSON",
}
SAID: Final = ("output", "items")  # those fields of a record that are
_ENDED: Final = frozenset({"completed", "failed", "skipped"})


@dataclass(frozen=True, slots=True)
class Step:
    """Something to be done now. `attempt` counts from 1; `begun`: this attempt was begun already, by a process that died
    or let go, so that what it did outside may have happened. `let_go`: it was put off, or waited, and said so itself.

    `key` and `attempt` name it for as long as its execution is kept: what it charges and sends is marked by them.
    """

    key: str
    node: Json
    attempt: int = 1
    begun: bool = False
    let_go: bool = False
    owner: str | None = None  # the `for_each` it belongs to
    index: int | None = None  # of the item there


def has_ended(record: Json | None) -> bool:
    return record is not None and record["status"] in _ENDED


def output_of(record: Json) -> Said:
    said: Said = record.get("output", NOTHING)
    return said


def kept_bytes(records: Records) -> int:
    """What all of these have said, as JSON."""
    return sum(record[name].size_bytes for record in records.values() for name in SAID if name in record)


def left(record: Json) -> Json:
    """Of one that is not gone on with. That an attempt was begun can still be seen: it may have done something outside, and
    that may not be over (`is_begun`).
    """
    turn = {"turn": record["turn"]} if "turn" in record else {}
    begun = {"begun": True, **turn} if is_begun(record) else {}
    return {**SKIPPED, "attempt": record["attempt"], **begun}


def item_key(owner: str, index: int, inner: str) -> str:
    return f"{owner}/{index}/{inner}"


def running(step: Step) -> Json:
    """To be written before anything is done outside."""
    return {"status": "running", "attempt": step.attempt}


def completed(step: Step, output: Any) -> Json:
    return {"status": "completed", "attempt": step.attempt, "output": Said.of(output)}


def waiting(step: Step, due_at: datetime) -> Json:
    """A delay until then; an approval that is refused then, unless its answer comes before."""
    return {"status": "waiting", "attempt": step.attempt, "due_at": due_at}


def opened(step: Step, items: Any) -> Json:
    """A `for_each` whose items are known. Raises `HubError` INVALID naming `items` where they are no list, or too many."""
    if not isinstance(items, list) or len(items) > limits.ITEMS_MAX:
        raise invalid("items", f"must be a list of at most {limits.ITEMS_MAX}")
    return {"status": "open", "attempt": step.attempt, "items": Said.of(items)}


def failed(step: Step, error: Json, at: datetime, *, temporary: bool, asked_seconds: float | None = None) -> Json:
    """After a failure: a pause before the next attempt, where one may help and is left; else the end. Who failed may have
    asked for a longer pause than the node's author did.
    """
    retry = step.node.get("retry", {})
    if temporary and step.attempt < retry.get("attempts", 1):
        pause = pause_seconds(retry.get("backoff_seconds", 0.0), step.attempt, asked_seconds)
        due_at = at + timedelta(seconds=pause)
        return {**waiting(step, due_at), "error": error}
    return {"status": "failed", "attempt": step.attempt, "error": error}


def pause_seconds(backoff_seconds: float, attempts: int, asked_seconds: float | None = None) -> float:
    """Before the next attempt, so many having failed."""
    return min(max(backoff_seconds * 2.0 ** (attempts - 1), asked_seconds or 0.0), limits.RETRY_PAUSE_SECONDS_MAX)


def is_begun(record: Json) -> bool:
    """Whether its attempt was begun, and of what that does outside no end is recorded."""
    if record["status"] == "skipped":
        return bool(record.get("begun"))
    return record["status"] == "running" or (record["status"] == "waiting" and not is_retry(record))


def is_retry(record: Json) -> bool:
    """Whether it waits to be tried again, not for a delay or an answer to end."""
    return record["status"] == "waiting" and "error" in record
