"""What comes next in an execution, from its definition and its steps' records alone. Pure, and the same for all who ask.

    records --plan--> settle: what follows of itself (nodes that are skipped, items that are all done)
                      start:  steps to be begun, so many as may be side by side
                      status: whether it goes on, waits, or has ended and how

The engine writes `settle` and the records of what it starts in one transaction, and asks again after each step that ends.
Whoever takes over after a crash asks the same and is told the same: nothing but the records counts.

A node starts once each edge into it is decided, and at least one is live; where none is, it is skipped. An edge is live
that leaves the trigger, a node that completed (with its answer, for a condition), or by `on: "error"` one that failed.
A failure that no such edge takes up, of a node that may not `continue`, ends the execution: what runs is let end,
nothing else starts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal

from config import workflows as limits
from hub.workflows.definitions.graph import TRIGGER, Edge, Graph, Json, ancestors, graph_of, inner_nodes
from hub.workflows.running.said import Said
from hub.workflows.running.steps import (
    SKIPPED,
    TOO_LARGE,
    Records,
    Step,
    has_ended,
    is_retry,
    item_key,
    kept_bytes,
    left,
    output_of,
)

Status = Literal["running", "waiting", "completed", "failed", "cancelled"]

TOO_MANY_STEPS: Final[Json] = {"code": "steps", "message": f"More than {limits.STEPS_MAX} steps are not done"}


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an execution is to end before it is done: cancelled, or failed by a bound that is not of its definition."""

    status: Literal["failed", "cancelled"]
    error: Json | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """`wake_at` is when to ask again though nothing ends here before; `error` says why it failed."""

    status: Status
    start: tuple[Step, ...] = ()
    settle: Records = field(default_factory=dict)
    error: Json | None = None
    wake_at: datetime | None = None


def plan(
    definition: Mapping[str, Any],
    records: Records,
    at: datetime,
    under_way: Collection[str] = (),
    stop: Stop | None = None,
) -> Plan:
    """What comes next at the moment `at`. `under_way` are the keys of the steps that whoever asks is working on: those that
    are recorded as running and are not among them were left by somebody else, and are to be started again.
    """
    look = _Look(graph_of(definition), dict(records), at, under_way)
    ready = look.all_ready()
    stop = look.failure() or stop or _bound(look, ready)
    return _ending(look, stop) if stop else _going_on(look, ready)


def _bound(look: "_Look", ready: Sequence[Step]) -> Stop | None:
    """Steps that were begun before may go on; a further one may not begin."""
    further = [step for step in ready if step.key not in look.records]
    return Stop("failed", TOO_MANY_STEPS) if further and look.begun() >= limits.STEPS_MAX else None


def _going_on(look: "_Look", ready: Sequence[Step]) -> Plan:
    start = _within_bounds(look, ready)
    waits = [record["due_at"] for record in look.records.values() if record["status"] == "waiting"]
    wake_at = min((due_at for due_at in waits if due_at > look.at), default=None)
    if start or look.under_way:
        return Plan("running", start, look.settled, wake_at=wake_at)
    if wake_at is not None:
        return Plan("waiting", (), look.settled, wake_at=wake_at)
    assert all(has_ended(look.records.get(name)) for name in look.graph.nodes), "nothing is left where nothing is ready"
    return Plan("completed", (), look.settled)


def _within_bounds(look: "_Look", ready: Sequence[Step]) -> tuple[Step, ...]:
    free = max(0, limits.STEPS_AT_ONCE - len(look.under_way))
    further = limits.STEPS_MAX - look.begun()
    start: list[Step] = []
    for step in ready[:free]:
        further -= step.key not in look.records
        if further >= 0:
            start.append(step)
    return tuple(start)


def _ending(look: "_Look", stop: Stop) -> Plan:
    """What runs here is let end. What waits, or was left by somebody else, is not gone on with."""
    if look.under_way:
        return Plan("running", (), look.settled, stop.error)
    open_ones = {key: left(record) for key, record in look.records.items() if not has_ended(record)}
    return Plan(stop.status, (), {**look.settled, **open_ones}, stop.error)


class _Look:
    """One look at an execution: its records, and with them those that follow of themselves."""

    def __init__(self, graph: Graph, records: dict[str, Json], at: datetime, under_way: Collection[str]) -> None:
        self.graph = graph
        self.records = records
        self.at = at
        self.under_way = frozenset(key for key in under_way if not has_ended(records.get(key)))
        self.settled: dict[str, Json] = {}

    def all_ready(self) -> list[Step]:
        """In an order that the edges allow, so that what is settled for a node is there for those after it."""
        ready = (step for name in ancestors(self.graph) for step in self._ready(name))
        return [step for step in ready if step.key not in self.under_way]

    def begun(self) -> int:
        return sum(1 for record in self.records.values() if record["attempt"] > 0)

    def failure(self) -> Stop | None:
        """The first in the definition that nothing takes up."""
        for name, node in self.graph.nodes.items():
            record = self.records.get(name)
            if record and record["status"] == "failed" and not self._is_taken_up(node):
                return Stop("failed", {"node": name, **record["error"]})
        return None

    def _is_taken_up(self, node: Json) -> bool:
        return _continues(node) or any(edge.on_error for edge in self.graph.out_of[node["id"]])

    def _settle(self, key: str, record: Json) -> None:
        self.records[key] = self.settled[key] = record

    def _ready(self, name: str) -> list[Step]:
        record = self.records.get(name)
        if record is None:
            return self._ready_first(name)
        if record["status"] == "open":
            return self._ready_items(name, record)
        return self._ready_again(Step(name, self.graph.nodes[name]), record)

    def _ready_first(self, name: str) -> list[Step]:
        live = [is_live(edge, self.graph, self.records) for edge in self.graph.into[name]]
        if None in live:
            return []
        if any(live):
            return [Step(name, self.graph.nodes[name])]
        self._settle(name, SKIPPED)
        return []

    def _ready_again(self, step: Step, record: Json) -> list[Step]:
        """The same step after a pause that is over, or where somebody else left it."""
        if record["status"] == "waiting" and record["due_at"] <= self.at:
            again = is_retry(record)
            return [replace(step, attempt=record["attempt"] + again, begun=not again, let_go=not again)]
        return [replace(step, attempt=record["attempt"], begun=True)] if record["status"] == "running" else []

    def _ready_items(self, owner: str, record: Json) -> list[Step]:
        """Of each item the step that it has come to. Where nothing is left of any, the whole is settled."""
        nodes = inner_nodes(self.graph.nodes[owner])
        items = [self._item(owner, index, nodes) for index in range(len(record["items"].value))]
        failed = next(((index, error) for index, (_, error) in enumerate(items) if error is not None), None)
        if failed is not None:
            self._close(owner, record, *failed)
            return []
        steps = [step for step, _ in items if step is not None]
        if not steps:
            last = [item_key(owner, index, nodes[-1]["id"]) for index in range(len(items))]
            self._settle(owner, self._collected(owner, [output_of(self.records[key]) for key in last]))
        return [ready for step in steps for ready in self._ready_item(step)]

    def _collected(self, owner: str, outputs: Sequence[Said]) -> Json:
        """The record of a `for_each` that is done: all its items gave, as far as there is room for that once more."""
        attempt, output = self.records[owner]["attempt"], Said.listed(outputs)
        others = kept_bytes({key: record for key, record in self.records.items() if key != owner})
        if others + output.size_bytes > limits.OUTPUTS_BYTES_MAX:
            return {"status": "failed", "attempt": attempt, "error": TOO_LARGE}
        return {"status": "completed", "attempt": attempt, "output": output}

    def _item(self, owner: str, index: int, nodes: Sequence[Json]) -> tuple[Step | None, Json | None]:
        """The step that an item has come to, or what it failed with; neither where it is done."""
        for node in nodes:
            step = Step(item_key(owner, index, node["id"]), node, owner=owner, index=index)
            record = self.records.get(step.key)
            if record is None or not has_ended(record):
                return step, None
            if record["status"] == "failed" and not _continues(node):
                return None, record["error"]
        return None, None

    def _ready_item(self, step: Step) -> list[Step]:
        record = self.records.get(step.key)
        return [step] if record is None else self._ready_again(step, record)

    def _close(self, owner: str, record: Json, index: int, error: Json) -> None:
        """With one item the whole has failed, once what runs for others has ended; they are not gone on with."""
        inner = [key for key in self.records if key.startswith(f"{owner}/")]
        if self.under_way.intersection(inner):
            return
        for key in inner:
            if not has_ended(self.records[key]):
                self._settle(key, left(self.records[key]))
        self._settle(owner, {"status": "failed", "attempt": record["attempt"], "error": {"item": index, **error}})


def is_live(edge: Edge, graph: Graph, records: Records) -> bool | None:
    """Whether an edge leads on from where it begins. None while that is not decided."""
    if edge.source == TRIGGER:
        return True
    record = records.get(edge.source)
    if record is None or not has_ended(record):
        return None
    if record["status"] == "failed":
        return edge.on_error or (edge.when is None and _continues(graph.nodes[edge.source]))
    is_answer = edge.when is None or edge.when is output_of(record).value
    return record["status"] == "completed" and not edge.on_error and is_answer


def _continues(node: Json) -> bool:
    return bool(node.get("on_error") == "continue")
