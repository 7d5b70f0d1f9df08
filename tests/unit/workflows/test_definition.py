"""Definitions: the documented one, each type of node, and all that is refused, by its path."""

import copy
import math
import time
from itertools import pairwise
from typing import Any

import pytest

from config import limits as hub_limits
from config import workflows as limits
from hub.errors import Code, HubError
from hub.workflows.definitions.definition import load
from tests.contract.rows import SUMMARIZER

Json = dict[str, Any]
LOAD_SECONDS_MAX = 0.2
MODELS = frozenset({"gpt-4", "minimax"})
# One of each type, with all that it may say.
CONFIGS: Json = {
    "ai_call": {"model": "gpt-4", "prompt": "{{x}}", "system": "Be brief.", "max_tokens": 5, "temperature": 0.5},
    "send_email": {"to": "ada@example.org", "subject": "{{x}}", "body": "b"},
    "http_request": {
        "method": "POST",
        "url": "https://example.com/{{x}}",
        "headers": {"X-A": "{{x}}"},
        "timeout_seconds": 5,
        "body": {"a.b": ["{{x}}", 1, None, {"$c": True}]},
    },
    "telegram_message": {"chat_id": "{{chat}}", "text": "Hello"},
    "google_sheets_append": {"spreadsheet_id": "s", "range": "A1", "values": [["{{x}}", 1], ["b", None]]},
    "condition": {"left": "{{x}}", "operator": "greater_than", "right": 5},
    "transform": {"set": {"total": "{{x}}", "more": {"b": ["{{y}}"]}}},
    "delay": {"seconds": 60},
    "for_each": {"items": "{{rows}}", "do": {"id": "in", "type": "transform", "config": {"set": {"a": "{{item.a}}"}}}},
    "approval": {"message": "Send {{x}}?", "timeout_seconds": 60, "to": "ada@example.org"},
}


def node(name: str, type: str = "transform", config: Any = None, **more: Any) -> Json:
    return {"id": name, "type": type, "config": copy.deepcopy(CONFIGS[type]) if config is None else config, **more}


def edges(*pairs: str, **more: Any) -> list[Json]:
    """`a>b` is an edge from a to b."""
    return [dict(zip(("from", "to"), pair.split(">"), strict=True)) | more for pair in pairs]


def chain(*nodes: Json) -> Json:
    names = ["trigger", *(each["id"] for each in nodes)]
    pairs = [f"{one}>{other}" for one, other in pairwise(names)]
    return {"trigger": {"type": "manual"}, "nodes": list(nodes), "edges": edges(*pairs)}


def refused(definition: Any) -> dict[str, str]:
    with pytest.raises(HubError) as caught:
        load(definition, MODELS)
    assert caught.value.code is Code.INVALID and caught.value.details
    assert caught.value.message.startswith(caught.value.details[0].field)
    return {detail.field: detail.message for detail in caught.value.details}


def config_refused(type: str, **changes: Any) -> list[str]:
    """Which fields of a configuration are refused after these changes; None takes one away."""
    config = {name: value for name, value in {**CONFIGS[type], **changes}.items() if value is not ...}
    found = refused(chain(node("a", type, config)))
    return [field.removeprefix("definition.nodes[0].config").removeprefix(".") for field in found]


def test_the_documented_definition_loads_unchanged() -> None:
    given = copy.deepcopy(SUMMARIZER["definition"])
    assert load(given, MODELS) == SUMMARIZER["definition"] == given


@pytest.mark.parametrize("type", sorted(CONFIGS))
def test_each_type_of_node_loads_unchanged(type: str) -> None:
    definition = chain(node("a", type, on_error="continue"))
    assert load(definition, MODELS) == definition


@pytest.mark.parametrize(
    "trigger",
    [
        *(
            {"type": "manual"},
            {"type": "manual", "config": {}},
            {"type": "webhook"},
            {"type": "telegram", "config": {"chat_id": "5"}},
        ),
        *({"type": "schedule", "config": {"cron": "0 9 * * *"}},),
        *({"type": "schedule", "config": {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}},),
    ],
)
def test_each_type_of_trigger_loads_unchanged(trigger: Json) -> None:
    definition = {**chain(node("a")), "trigger": trigger}
    assert load(definition, MODELS) == definition


@pytest.mark.parametrize(
    ("trigger", "field"),
    [
        *(
            ({"type": "cron"}, ".type"),
            ({}, ".type"),
            ({"type": 5}, ".type"),
            ([], ""),
            ({"type": "manual", "config": {"a": 1}}, ".config.a"),
        ),
        *(({"type": "schedule"}, ".config"), ({"type": "schedule", "config": {}}, ".config.cron")),
        *(({"type": "schedule", "config": {"cron": "* * * * * *"}}, ".config.cron"),),
        *(({"type": "schedule", "config": {"cron": "0 0 30 2 *"}}, ".config.cron"),),
        *(({"type": "schedule", "config": {"cron": "0-59/1" * 2_000}}, ".config.cron"),),
        *(({"type": "schedule", "config": {"cron": "0 9 * * *", "timezone": "Mars"}}, ".config.timezone"),),
    ],
)
def test_triggers_that_never_fire_are_refused(trigger: Any, field: str) -> None:
    assert list(refused({**chain(node("a")), "trigger": trigger})) == [f"definition.trigger{field}"]


def test_failures_are_told_together_by_their_paths() -> None:
    definition = chain(
        node("a"), node("b"), node("c", "ai_call", {"model": 5, "prompt": "{{7*7}}"}), node("d", "robot", {})
    )
    definition["nodes"][3]["id"] = "d e"
    found = refused(definition)
    assert set(found) == {
        "definition.nodes[2].config.model",
        "definition.nodes[2].config.prompt",
        "definition.nodes[3].type",
    }
    assert found["definition.nodes[2].config.model"] == "must be a string"


@pytest.mark.parametrize(
    ("type", "changes", "field"),
    [
        *(
            ("ai_call", {"model": ...}, "model"),
            ("ai_call", {"model": "gpt-9"}, "model"),
            ("ai_call", {"prompt": ""}, "prompt"),
        ),
        *(("ai_call", {"temperature": math.nan}, "temperature"), ("ai_call", {"temperature": 2.1}, "temperature")),
        *(
            ("ai_call", {"max_tokens": 0}, "max_tokens"),
            ("ai_call", {"max_tokens": "5"}, "max_tokens"),
            ("ai_call", {"n": 2}, "n"),
        ),
        *(
            ("ai_call", {"prompt": "x" * 65_537}, "prompt"),
            ("send_email", {"to": "nobody"}, "to"),
            ("send_email", {"to": ...}, "to"),
        ),
        *(("send_email", {"subject": "s" * 201}, "subject"), ("send_email", {"body": ["b"]}, "body")),
        *(("http_request", {"url": "file:///etc/passwd"}, "url"), ("http_request", {"method": "TRACE"}, "method")),
        *(
            ("http_request", {"headers": {"Host": "a"}}, "headers.Host"),
            ("http_request", {"headers": {"A b": "a"}}, "headers.A b"),
        ),
        *(
            ("http_request", {"headers": {"A": "a\r\nB: c"}}, "headers.A"),
            ("http_request", {"headers": {"A": 5}}, "headers.A"),
        ),
        *(
            ("http_request", {"headers": {f"A{n}": "a" for n in range(21)}}, "headers"),
            ("http_request", {"headers": []}, "headers"),
        ),
        *(
            ("http_request", {"body": {"a": [math.inf]}}, "body.a[0]"),
            ("http_request", {"timeout_seconds": 60}, "timeout_seconds"),
        ),
        *(("http_request", {"body": [0] * 1_001}, "body"), ("telegram_message", {"text": "t" * 4_097}, "text")),
        *(("google_sheets_append", {"values": "{{a}} "}, "values"), ("google_sheets_append", {"values": {}}, "values")),
        *(("google_sheets_append", {"values": [[]] * 501}, "values"), ("google_sheets_append", {"range": 5}, "range")),
        *(("condition", {"operator": "matches"}, "operator"), ("condition", {"right": ...}, "right")),
        *(
            ("condition", {"operator": "exists"}, "right"),
            ("condition", {"left": ...}, "left"),
            ("condition", {"left": "{{"}, "left"),
        ),
        *(("transform", {"set": "a"}, "set"), ("transform", {"set": {"a": {"b": "{{x y}}"}}}, "set.a.b")),
        *(
            ("delay", {"until": "2026-01-01"}, ""),
            ("delay", {"seconds": ...}, ""),
            ("delay", {"seconds": -1}, "seconds"),
        ),
        *(("delay", {"seconds": ..., "until": "soon"}, "until"), ("delay", {"seconds": 10**9}, "seconds")),
        *(("approval", {"timeout_seconds": 0}, "timeout_seconds"), ("approval", {"to": "nobody"}, "to")),
        *(
            ("for_each", {"items": [0] * 21}, "items"),
            ("for_each", {"items": "rows"}, "items"),
            ("for_each", {"do": []}, "do"),
        ),
        *(
            ("for_each", {"do": [node(f"n{n}") for n in range(6)]}, "do"),
            ("for_each", {"do": node("n", "approval")}, "do.type"),
        ),
        *(
            ("for_each", {"do": [node("n", "for_each")]}, "do[0].type"),
            ("for_each", {"do": node("n", config={})}, "do.config.set"),
        ),
        *(("for_each", {"do": [node("n", "ai_call", {"model": "gpt-9", "prompt": "p"})]}, "do[0].config.model"),),
        *(("for_each", {"do": node("n", "ai_call", {"model": "gpt-9", "prompt": "p"})}, "do.config.model"),),
    ],
)
def test_what_a_node_cannot_do_is_refused(type: str, changes: Json, field: str) -> None:
    assert config_refused(type, **changes) == [field]


def test_values_lie_only_so_deep() -> None:
    deep: Any = 1
    for _ in range(limits.VALUES_DEPTH_MAX - 1):
        deep = [deep]
    assert load(chain(node("a", config={"set": {"v": deep}})), MODELS)
    assert config_refused("transform", set={"v": [deep]}) == ["set.v" + "[0]" * (limits.VALUES_DEPTH_MAX - 1)]


def test_only_nodes_that_call_somebody_are_tried_again() -> None:
    retry = {"attempts": 3, "backoff_seconds": 2}
    assert load(chain(node("a", "http_request", retry=retry)), MODELS)
    assert set(refused(chain(node("a", "transform", retry=retry)))) == {"definition.nodes[0].retry"}
    for wrong in ({"attempts": 6}, {"attempts": 0}, {"attempts": True}):
        assert set(refused(chain(node("a", "ai_call", retry=wrong)))) == {"definition.nodes[0].retry.attempts"}


@pytest.mark.parametrize(
    "definition",
    [None, [], "x", 5, {}, {"trigger": {}}, {"a" * 300_000: 1}, {"a": 2**70}, {"a": "\ud800"}, {"a": object()}],
)
def test_what_is_no_definition_is_refused(definition: Any) -> None:
    assert all(field.startswith("definition") for field in refused(definition))


def test_what_is_far_too_deep_is_refused() -> None:
    deep: Any = []
    for _ in range(5_000):
        deep = [deep]
    assert set(refused(deep)) == {"definition"}


def test_a_definition_has_so_many_nodes_at_most() -> None:
    most = chain(*(node(f"n{number}") for number in range(limits.NODES_MAX)))
    assert load(most, MODELS)
    assert set(refused(chain(*most["nodes"], node("more")))) == {"definition.nodes"}
    inner = [node(f"i{number}") for number in range(2)]
    with_inner = chain(*most["nodes"][:-2], node("each", "for_each", {"items": [], "do": inner}))
    assert set(refused(with_inner)) == {"definition.nodes"}
    fan = [node(f"n{number}") for number in range(21)]
    wide = {"trigger": {"type": "manual"}, "nodes": fan, "edges": edges(*(f"trigger>{each['id']}" for each in fan))}
    assert set(refused(wide)) == {"definition.edges"}
    assert load({**wide, "nodes": fan[:20], "edges": wide["edges"][:20]}, MODELS)


def test_of_very_many_failures_the_first_are_told() -> None:
    trees = [node(f"n{number}", config={"set": {f"{key}": "{{" for key in range(300)}}) for number in range(5)]
    assert len(refused(chain(*trees))) == hub_limits.FAILURES_TOLD_MAX


A_B: list[Json] = [node("a"), node("b")]


@pytest.mark.parametrize(
    ("nodes", "drawn", "fields"),
    [
        (A_B, edges("trigger>a", "a>b", "b>a"), ["edges"]),
        (A_B, edges("trigger>a", "a>b", "b>b"), ["edges"]),
        (A_B, edges("trigger>a"), ["nodes[1]"]),
        (A_B, edges("a>b"), ["nodes[0]", "nodes[1]"]),
        (A_B, [], ["edges"]),
        ([], edges("trigger>a"), ["nodes"]),
        (A_B, edges("trigger>a", "a>c"), ["edges[1].to"]),
        (A_B, edges("trigger>a", "c>b"), ["edges[1].from"]),
        (A_B, edges("trigger>a", "a>b", "b>trigger"), ["edges[2].to"]),
        (A_B, edges("trigger>a", "a>b", "a>b"), ["edges[2]"]),
        (A_B, edges("trigger>a", "a>b") + edges("trigger>b", on="error"), ["edges[2].on"]),
        (A_B, edges("trigger>a") + edges("a>b", when=True), ["edges[1].when"]),
        ([node("a", "condition"), node("b")], edges("trigger>a") + edges("a>b", when=True, on="error"), ["edges[1]"]),
        ([node("a", "condition"), node("b")], edges("trigger>a") + edges("a>b", when="true"), ["edges[1].when"]),
        (A_B, edges("trigger>a") + edges("a>b", on="success"), ["edges[1].on"]),
        ([node("a"), node("a")], edges("trigger>a"), ["nodes[1].id"]),
        (
            [node("a"), node("e", "for_each", {"items": [], "do": node("a")})],
            edges("trigger>a", "a>e"),
            ["nodes[1].config.do.id"],
        ),
        ([node("trigger")], edges("trigger>a"), ["nodes[0].id", "edges[0].to"]),
        ([node("item")], edges("trigger>item"), ["nodes[0].id"]),
        ([node("a.b")], edges("trigger>a"), ["nodes[0].id"]),
    ],
)
def test_graphs_that_cannot_be_run_are_refused(nodes: list[Json], drawn: list[Json], fields: list[str]) -> None:
    found = refused({"trigger": {"type": "manual"}, "nodes": nodes, "edges": drawn})
    assert list(found) == [f"definition.{field}" for field in fields]


def test_a_circle_is_named() -> None:
    circle = {**chain(*A_B), "edges": edges("trigger>a", "a>b", "b>a")}
    assert refused(circle)["definition.edges"].endswith(("a -> b -> a", "b -> a -> b"))


def test_branches_may_join_and_leave_by_both_answers_and_by_an_error() -> None:
    drawn = [
        *edges("trigger>a", "b>d", "c>d"),
        *edges("a>b", when=True),
        *edges("a>c", when=False),
        *edges("b>c", on="error"),
    ]
    nodes = [node("a", "condition"), node("b"), node("c"), node("d")]
    assert load({"trigger": {"type": "manual"}, "nodes": nodes, "edges": drawn}, MODELS)


def transform(name: str, text: str) -> Json:
    return node(name, config={"set": {"v": text}})


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{{a.output}}",
            "{{nodes.a.output.x[0]}}",
            "{{a.error.message}}",
            "{{payload.output}}",
            "{{item.x}}",
            "{{index}}",
            "{{email.env}}",
        )
    ],
)
def test_paths_lead_to_the_payload_and_to_nodes_before(text: str) -> None:
    assert load(chain(transform("a", "{{x}}"), transform("b", text)), MODELS)


@pytest.mark.parametrize(
    "text",
    ["{{c.output}}", "{{b.output}}", "{{nodes.c.output}}", "{{nodes}}", "{{nodes.x.output}}", "{{a}}", "{{a.text}}"],
)
def test_paths_into_nodes_that_need_not_have_ended_are_refused(text: str) -> None:
    definition = chain(transform("a", "{{x}}"), transform("b", text)) | {"edges": edges("trigger>a", "a>b", "a>c")}
    definition["nodes"].append(transform("c", "{{x}}"))
    assert list(refused(definition)) == ["definition.nodes[1].config.set.v"]


@pytest.mark.parametrize("path", ["env", "env.HUB_JWT_SECRET"])
def test_the_environment_is_not_to_be_had(path: str) -> None:
    found = refused(chain(transform("a", "{{" + path + "}}")))
    assert found == {
        "definition.nodes[0].config.set.v": f"has {{{{{path}}}}}, but settings and the environment are not to be had"
    }


def test_what_is_done_for_each_item_sees_what_was_done_for_it_before() -> None:
    def each(*texts: str) -> Json:
        inner = [transform(f"in_{number}", text) for number, text in enumerate(texts)]
        return chain(
            transform("a", "{{x}}"),
            node("e", "for_each", {"items": "{{a.output.v}}", "do": inner}),
            transform("z", "{{e.output}}"),
        )

    assert load(each("{{item.x}} {{a.output}}", "{{in_0.output.v}}"), MODELS)
    assert list(refused(each("{{in_1.output}}", "{{e.output}}"))) == [
        *("definition.nodes[1].config.do[0].config.set.v", "definition.nodes[1].config.do[1].config.set.v")
    ]
    outside = each("{{item}}")
    outside["nodes"][2] = transform("z", "{{in_0.output}}")
    assert list(refused(outside)) == ["definition.nodes[2].config.set.v"]


def test_a_definition_has_so_many_paths_at_most() -> None:
    texts = [transform(f"a{number}", "{{x}}" * 190) for number in range(10)]
    assert load(chain(*texts), MODELS)
    assert list(refused(chain(*texts, transform("b", "{{x}}" * 190)))) == ["definition"]


@pytest.mark.parametrize("text", ["{{x}} " * 2_000, "{{", "a" * 60_000])
def test_the_largest_definitions_are_checked_in_little_time(text: str) -> None:
    """They are checked between two frames of everybody else's."""
    nodes = [node(f"n{number}", config={"set": {str(key): key for key in range(400)}}) for number in range(48)]
    largest = chain(*nodes, *(transform(f"t{number}", text) for number in range(2)))
    spent = []
    for _ in range(3):
        begun = time.thread_time()
        try:
            load(largest, MODELS)
        except HubError as error:
            assert error.code is Code.INVALID
        spent.append(time.thread_time() - begun)
    assert min(spent) < LOAD_SECONDS_MAX


def test_one_node_has_so_many_paths_at_most() -> None:
    assert load(chain(transform("a", "{{x}}" * limits.TEMPLATE_PATHS_MAX)), MODELS)
    assert list(refused(chain(transform("a", "{{x}}" * (limits.TEMPLATE_PATHS_MAX + 1))))) == [
        "definition.nodes[0].config"
    ]
