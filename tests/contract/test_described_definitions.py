"""The OpenAPI document says of each type of trigger and of node what it may say."""

from typing import Any

import pytest

from hub.workflows.definitions.node_types import NODES, TRIGGERS
from tests.contract.described import DOCUMENT, of_request, operation
from tests.contract.rows import SUMMARIZER

Json = dict[str, Any]
NOTE: Json = {"id": "in", "type": "transform", "config": {"set": {"a": "{{item.a}}"}}}
EACH: Json = {"id": "a", "type": "for_each", "config": {"items": "{{rows}}", "do": NOTE}}


def faults(**changes: Any) -> list[str]:
    """Of a workflow whose definition has these parts."""
    body = {**SUMMARIZER, "definition": {**SUMMARIZER["definition"], **changes}}
    return of_request(operation("POST", "/api/workflows"), body)


def test_definitions_that_can_be_run_are_as_described() -> None:
    drawn = {"name": "A", "position": {"x": 1, "y": -2.5}, "ui": {"colour": "red"}}
    assert faults() == []
    assert faults(nodes=[{**EACH, **drawn}, {**EACH, "id": "b", "config": {"items": [1], "do": [NOTE]}}]) == []
    assert faults(trigger={"type": "schedule", "config": {"cron": "0 9 * * *"}, **drawn}, ui={"zoom": 1}) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"trigger": {"type": "fax"}},
        {"trigger": {"type": "schedule"}},
        {"trigger": {"type": "manual", "config": {"cron": "0 9 * * *"}}},
        {"nodes": []},
        {"nodes": [{**EACH, "type": "shell"}]},
        {"nodes": [{**NOTE, "retry": {"attempts": 2}}]},
        {"nodes": [{**EACH, "config": {"items": [1], "do": EACH}}]},
        {"edges": [{"from": "trigger", "to": "a", "colour": "red"}]},
    ],
)
def test_what_is_refused_is_not_as_described(wrong: Json) -> None:
    assert faults(**wrong) != []


def test_every_type_is_described() -> None:
    described = repr(DOCUMENT["components"]["schemas"]["WorkflowsDefinitionsNodeTypesDefinitionInput"])
    assert [each for each in (*TRIGGERS, *NODES) if f"'const': '{each}'" not in described] == []
