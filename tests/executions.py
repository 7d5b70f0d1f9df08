"""Definitions written briefly, and an engine without time or money that follows plans, crashes included."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from config import workflows as limits
from hub.workflows.running import steps
from hub.workflows.running.plan import Plan, Stop, plan
from hub.workflows.running.steps import Step

Json = dict[str, Any]
Outcome = Callable[[Step], Any]  # what a step gives; raises `Fails` where it fails

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Fails(Exception):
    """A step that fails; `temporary` ones may be tried again."""

    def __init__(self, *, temporary: bool = False) -> None:
        super().__init__("no")
        self.temporary = temporary


def definition(drawn: str, **nodes: Json) -> Json:
    """`t>a a>b a>c:true b>d:error`: `t` is the trigger. Nodes are what they are given as, or transforms."""
    edges = [_edge(each) for each in drawn.split()]
    names = dict.fromkeys(name for edge in edges for name in (edge["from"], edge["to"]) if name != "trigger")
    made = [{"id": name, "type": "transform", "config": {"set": {}}, **nodes.get(name, {})} for name in names]
    return {"trigger": {"type": "manual"}, "nodes": made, "edges": edges}


def _edge(text: str) -> Json:
    path, _, mark = text.partition(":")
    source, target = path.split(">")
    marks: Mapping[str, Json] = {"true": {"when": True}, "false": {"when": False}, "error": {"on": "error"}, "": {}}
    return {"from": "trigger" if source == "t" else source, "to": target, **marks[mark]}


def for_each(*names: str, **more: Json) -> Json:
    inner = [{"id": name, "type": "transform", "config": {"set": {}}, **more.get(name, {})} for name in names]
    return {"type": "for_each", "config": {"items": "{{rows}}", "do": inner if len(inner) > 1 else inner[0]}}


class Execution:
    """Follows the plan of a definition. Steps under way end in an order of chance; `crash` forgets all but the records."""

    def __init__(self, given: Json, outcome: Outcome, seed: int = 0) -> None:
        self.definition = given
        self.outcome = outcome
        self.records: dict[str, Json] = {}
        self.under_way: dict[str, Step] = {}
        self.at = NOW
        self.begun: list[str] = []
        self.most = 0
        self.stop: Stop | None = None
        self.chance = random.Random(seed)

    def look(self) -> Plan:
        """Ask, and write what is to be written, as an engine would in one transaction."""
        asked = plan(self.definition, self.records, self.at, self.under_way, self.stop)
        assert plan(self.definition, self.records, self.at, self.under_way, self.stop) == asked
        self.records |= asked.settle
        for step in asked.start:
            assert step.key not in self.under_way
            self.begun.append(step.key)
            self.under_way[step.key] = step
            self.records[step.key] = steps.running(step)
        self.most = max(self.most, len(self.under_way))
        assert len(self.under_way) <= limits.STEPS_AT_ONCE
        return asked

    def end_one(self, key: str | None = None) -> None:
        step = self.under_way.pop(key or self.chance.choice(sorted(self.under_way)))
        try:
            output = self.outcome(step)
        except Fails as failure:
            record = steps.failed(step, {"message": "no"}, self.at, temporary=failure.temporary)
        else:
            is_open = step.node["type"] == "for_each"
            record = steps.opened(step, output) if is_open else steps.completed(step, output)
        self.records[step.key] = record

    def crash(self) -> None:
        self.under_way.clear()

    def run(self, crashes: float = 0.0) -> Plan:
        """To its end."""
        for _ in range(2_000):
            asked = self.look()
            if asked.status not in ("running", "waiting"):
                assert not self.under_way and not asked.start
                return asked
            if asked.status == "waiting":
                assert asked.wake_at is not None and asked.wake_at > self.at
                self.at = asked.wake_at
            elif self.chance.random() < crashes:
                self.crash()
            else:
                self.end_one()
        raise AssertionError("it has no end")

    @property
    def statuses(self) -> dict[str, str]:
        return {key: record["status"] for key, record in self.records.items()}


def soon(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
