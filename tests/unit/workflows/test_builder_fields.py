"""What a visual builder keeps in a definition: unchanged, within bounds, and read by nobody here."""

import copy
from typing import Any

import pytest

from hub.errors import HubError
from hub.workflows.definitions.definition import load

Json = dict[str, Any]
DRAWN: Json = {"name": "Sum it up", "position": {"x": -12.5, "y": 300}, "ui": {"a.b": ["{{", None], "$zoom": 2}}
DRAWN_EDGE: Json = {"id": "trigger-a", "label": "then", "ui": {"sourceHandle": "out"}}
INNER: Json = {"id": "inner", "type": "transform", "config": {"set": {"a": 1}}}


def of_trigger(**more: Any) -> Json:
    return {"type": "manual", **more}


def of_node(**more: Any) -> Json:
    return {"id": "a", "type": "transform", "config": {"set": {"a": 1}}, **more}


def of_edge(**more: Any) -> Json:
    return {"from": "trigger", "to": "a", **more}


def definition(trigger: Json | None = None, node: Json | None = None, edge: Json | None = None, **more: Any) -> Json:
    return {"trigger": trigger or of_trigger(), "nodes": [node or of_node()], "edges": [edge or of_edge()], **more}


def refused(given: Json) -> list[str]:
    with pytest.raises(HubError) as caught:
        load(given, ())
    return [detail.field for detail in caught.value.details]


def test_what_a_builder_draws_is_kept_unchanged() -> None:
    each = {"id": "a", "type": "for_each", "config": {"items": [1], "do": {**INNER, **DRAWN}}, **DRAWN}
    ui = {"viewport": {"x": 0, "y": 0, "zoom": 1.5}}
    drawn = definition(of_trigger(**DRAWN), each, of_edge(**DRAWN_EDGE), ui=ui)
    assert load(copy.deepcopy(drawn), ()) == drawn


def test_the_deepest_notes_are_kept() -> None:
    deep = definition(node=of_node(ui={"a": [[[[[[[]]]]]]]}))
    assert load(deep, ()) == deep
    assert refused(definition(node=of_node(ui={"a": [[[[[[[[]]]]]]]]}))) == ["definition.nodes[0].ui"]


def test_the_same_edge_drawn_otherwise_stands_there_already() -> None:
    twice = definition()
    twice["edges"].append(of_edge(id="another", label="x", ui={}))
    assert refused(twice) == ["definition.edges[1]"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"position": {"x": 1}}, "position.y"),
        ({"position": {"x": 1, "y": "2"}}, "position.y"),
        ({"position": {"x": 1, "y": 10**10}}, "position.y"),
        ({"position": {"x": 1, "y": 2, "z": 3}}, "position.z"),
        ({"name": 5}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"ui": []}, "ui"),
        ({"ui": {"a": "x" * 4_096}}, "ui"),
        ({"label": "x"}, "label"),
    ],
)
def test_what_stands_on_the_canvas_has_bounds(wrong: Json, field: str) -> None:
    assert refused(definition(of_trigger(**wrong))) == [f"definition.trigger.{field}"]
    assert refused(definition(node=of_node(**wrong))) == [f"definition.nodes[0].{field}"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"ui": {"a": "x" * 4_096}}, "ui"), ({"id": 5}, "id"), ({"label": "x" * 201}, "label"), ({"name": "x"}, "name")],
)
def test_what_stands_at_an_edge_has_bounds(wrong: Json, field: str) -> None:
    assert refused(definition(edge=of_edge(**wrong))) == [f"definition.edges[0].{field}"]


def test_notes_of_the_whole_have_bounds() -> None:
    assert refused(definition(ui={"a": "x" * 4_096})) == ["definition.ui"]
    assert refused(definition(ui=None)) == ["definition.ui"]
