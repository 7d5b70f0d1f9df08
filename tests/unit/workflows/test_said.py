"""What steps say: read only where somebody looks into it, and bounded together."""

from typing import Any

import orjson
import pytest

from config import workflows as limits
from hub.workflows.running import records, scope
from hub.workflows.running.plan import plan
from hub.workflows.running.runners.work import Done
from hub.workflows.running.said import Said
from hub.workflows.running.stepping import within_bytes
from hub.workflows.running.steps import Step, completed, opened
from tests.executions import NOW, Json, definition, for_each


def step(name: str) -> Step:
    return Step(name, {"id": name, "type": "transform", "config": {"set": {}}})


@pytest.mark.parametrize(
    ("value", "words"), [(None, ""), ("a", "a"), ("", ""), (1, "1"), ([None], "[null]"), ({"a": "b"}, '{"a":"b"}')]
)
def test_what_is_said_is_told_as_a_text_and_as_itself(value: Any, words: str) -> None:
    told = orjson.loads(orjson.dumps(scope.told(Said.of(value))))
    assert told == {"output": words, "value": value}


@pytest.mark.parametrize(
    ("value", "depth"),
    [(1, 0), ("[[[{{{", 0), ([], 1), ([1, [], {}], 2), ({"a": {"b": [1]}, "c": []}, 3), ([[["[[["], "{{"]], 3)],
)
def test_how_deep_it_is_nested(value: Any, depth: int) -> None:
    said = Said.of(value)
    assert [said.is_deeper_than(levels) for levels in range(5)] == [levels < depth for levels in range(5)]


def test_parts_make_a_whole_without_being_read() -> None:
    parts = [Said("1"), Said('{"a":"b"}'), Said("null")]
    assert Said.listed(parts).value == [1, {"a": "b"}, None]
    assert Said.named({"x.y": parts[1]}).value == {"x.y": {"a": "b"}}
    assert all("value" not in vars(part) for part in parts)


def test_what_nobody_asks_for_is_not_read() -> None:
    """Neither by who looks what comes next, nor for a step that names other nodes."""
    given = definition("t>a t>b a>c b>c")
    stored = {name: records.stored(completed(step(name), {"n": name})) for name in "ab"}
    seen = records.of_execution({"steps": stored})
    assert [each.key for each in plan(given, seen, NOW).start] == ["c"]
    node = {"id": "c", "type": "transform", "config": {"set": {"v": "{{nodes.a.output.n}}"}}}
    assert scope.inputs(given, {}, seen, Step("c", node)) == {"set": {"v": "a"}}
    assert [name for name in "ab" if "value" in vars(seen[name]["output"])] == ["a"]
    everything = {"id": "c", "type": "transform", "config": {"set": {"v": "{{nodes}}"}}}
    assert set(scope.inputs(given, {}, seen, Step("c", everything))["set"]["v"]) == {"a", "b"}


def test_all_outputs_together_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OUTPUTS_BYTES_MAX", 100)
    large, small = completed(step("b"), "x" * 60), completed(step("c"), "x")
    ended = [(step("b"), Done(large, spent_micro=7)), (step("c"), Done(small))]
    first, second = within_bytes(ended, {"a": completed(step("a"), "x" * 50)})
    assert (first[1].record["status"], first[1].record["error"]["code"], first[1].spent_micro) == (
        "failed",
        "too_large",
        7,
    )
    assert second[1].record == small
    assert [done.record for _, done in within_bytes(ended, {"b": completed(step("b"), "x" * 90)})] == [large, small]


@pytest.mark.parametrize(("size", "status"), [(10, "completed"), (200, "failed")])
def test_what_items_gave_counts_once_more_as_a_whole(monkeypatch: pytest.MonkeyPatch, size: int, status: str) -> None:
    monkeypatch.setattr(limits, "OUTPUTS_BYTES_MAX", 500)
    node: Json = {"id": "a", **for_each("i")}
    seen = {"a": opened(Step("a", node), [1, 2])}
    seen |= {f"a/{index}/i": completed(step("i"), "x" * size) for index in range(2)}
    planned = plan(definition("t>a", a=node), seen, NOW)
    assert (planned.status, planned.settle["a"]["status"]) == (status, status)
    assert status == "completed" or (planned.error is not None and planned.error["code"] == "too_large")
