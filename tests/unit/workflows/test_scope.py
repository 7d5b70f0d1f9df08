"""What a step sees, what a mail without a body says, and what an execution comes to."""

import os
from typing import Any

import pytest

from hub.errors import HubError
from hub.workflows.running import scope
from hub.workflows.running.said import Said
from hub.workflows.running.steps import SKIPPED, Step
from tests.executions import Json, definition, for_each

PAYLOAD: Json = {"email": {"from": "ada@example.org"}, "a": "hidden", "item": "the payload's"}


def completed(output: Any) -> Json:
    return {"status": "completed", "attempt": 1, "output": Said.of(output)}


def setting(text: Any) -> Json:
    return {"config": {"set": {"v": text}}}


def seen(text: Any, given: Json, records: Json, key: str = "b", **of_item: Any) -> Any:
    node = {"id": key.rpartition("/")[2], "type": "transform", **setting(text)}
    return scope.inputs(given, PAYLOAD, records, Step(key, node, **of_item))["set"]["v"]


def test_a_step_sees_the_payload_and_the_nodes_before_it() -> None:
    given = definition("t>a a>b")
    records = {"a": completed({"n": [1]})}
    assert seen("{{email.from}} {{item}}", given, records) == "ada@example.org the payload's"
    assert seen(["{{a.output.n}}", "{{nodes.a.output.n[0]}}", "{{a.error}}"], given, records) == [[1], 1, None]


def test_nodes_that_failed_or_were_skipped_have_null_outputs() -> None:
    given = definition("t>a t>c a>b c>b")
    records = {"a": {"status": "failed", "attempt": 1, "error": {"message": "no"}}, "c": SKIPPED}
    assert seen("{{a.output.x}}{{c.output}}|{{a.error.message}}", given, records) == "|no"


def test_a_step_of_an_item_sees_it_and_what_was_done_for_it() -> None:
    given = definition("t>a", a=for_each("i", "j"))
    records = {
        "a": {"status": "open", "attempt": 1, "items": Said.of(["x", {"y": 2}])},
        "a/1/i": completed("first"),
        "a/0/i": completed("other"),
    }
    of_item: Json = {"key": "a/1/j", "owner": "a", "index": 1}
    assert seen(["{{item.y}}", "{{index}}", "{{i.output}}", "{{nodes.i.output}}"], given, records, **of_item) == [
        2,
        1,
        "first",
        "first",
    ]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://a.b/users/{{x}}/profile?key=1", "https://a.b/users/..%2Fadmin%3Fx%3D1%26y%20%C3%A9/profile?key=1"),
        ("https://a.b/?q={{x}}&p={{dots}}{{n}}", "https://a.b/?q=..%2Fadmin%3Fx%3D1%26y%20%C3%A9&p=..5"),
        *(("{{url}}", "https://c.d/e?f=g h"), ("{{base}}/users/{{n}}{{none}}", "https://c.d/e/users/5")),
    ],
)
def test_a_value_within_an_address_is_one_part_of_it(url: str, found: str) -> None:
    payload = {"x": "../admin?x=1&y é", "n": 5, "none": None, "dots": "..", "url": "https://c.d/e?f=g h"}
    node = {"id": "a", "type": "http_request", "config": {"url": url, "body": "{{x}}!"}}
    seen = scope.inputs(definition("t>a", a=node), payload | {"base": "https://c.d/e"}, {}, Step("a", node))
    assert seen == {"url": found, "body": "../admin?x=1&y é!"}


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_that_would_leave_its_place_in_a_path_is_refused(value: str) -> None:
    node = {"id": "a", "type": "http_request", "config": {"url": "https://a.b/users/{{x}}/profile"}}
    with pytest.raises(HubError) as caught:
        scope.inputs(definition("t>a", a=node), {"x": value}, {}, Step("a", node))
    assert [each.field for each in caught.value.details] == ["config.url"]


def test_what_a_for_each_does_is_rendered_for_each_item_only() -> None:
    node = {"id": "a", **for_each("i", i=setting("{{item}}"))}
    assert scope.inputs(definition("t>a", a=node), {"rows": [1]}, {}, Step("a", node)) == {"items": [1]}


def test_conditions_alone_may_ask_for_what_is_absent() -> None:
    config = {"left": "{{gone.x}}", "operator": "exists"}
    condition = {"id": "a", "type": "condition", "config": config}
    assert scope.inputs(definition("t>a", a=condition), {}, {}, Step("a", condition)) == config | {"left": None}
    with pytest.raises(HubError) as caught:
        seen("{{gone.x}}", definition("t>a"), {})
    assert caught.value.details[0].field == "config.set.v"


def test_the_environment_is_not_to_be_had() -> None:
    os.environ.setdefault("HUB_JWT_SECRET", "for this test")
    for path in (
        "env",
        "env.HUB_JWT_SECRET",
        "environ",
        "os.environ",
        "settings.jwt_secret",
        "nodes.env",
        "HUB_JWT_SECRET",
    ):
        with pytest.raises(HubError):
            seen("{{" + path + "}}", definition("t>a"), {})


def test_a_mail_is_rendered_with_what_was_handed_on() -> None:
    """The documented definition, as its second node sees it."""
    mail = {"id": "b", "type": "send_email", "config": {"to": "{{email.from}}", "subject": "Summary"}}
    given = definition("t>a a>b", b=mail)
    found = scope.inputs(given, PAYLOAD, {"a": completed("Short.")}, Step("b", mail))
    assert found == {"to": "ada@example.org", "subject": "Summary", "body": "Short."}
    with_body = {**mail, "config": {**mail["config"], "body": "{{a.output}}!"}}
    assert scope.inputs(given, PAYLOAD, {"a": completed("Short.")}, Step("b", with_body))["body"] == "Short.!"


def handed(given: Json, records: Json, key: str = "b", **of_item: Any) -> str:
    return scope.handed_on(given, {"p": 1}, records, Step(key, {"id": key.rpartition("/")[2]}, **of_item))


def test_a_mail_without_a_body_says_what_was_handed_on() -> None:
    assert handed(definition("t>a a>b"), {"a": completed("Summary.")}) == "Summary."
    assert handed(definition("t>a a>b"), {"a": completed({"n": 1})}) == '{"n":1}'
    assert handed(definition("t>b"), {}) == '{"p":1}'
    two = {"a": completed("One."), "c": completed("Two."), "d": SKIPPED}
    assert handed(definition("t>a t>c t>d c>b a>b d>b"), two) == "Two.\n\nOne."
    given = definition("t>a", a=for_each("i", "j"))
    records = {"a": {"status": "open", "attempt": 1, "items": Said.of(["x"])}, "a/0/i": completed("First.")}
    assert handed(given, records, "a/0/i", owner="a", index=0) == "x"
    assert handed(given, records, "a/0/j", owner="a", index=0) == "First."


def test_the_last_outputs_are_the_result() -> None:
    assert scope.result(definition("t>a a>b"), {"a": completed(1), "b": completed("done")}).value == "done"
    assert scope.result(definition("t>a a>b a>c:error"), {"a": completed(1), "b": SKIPPED, "c": SKIPPED}).value == {}
    assert scope.result(definition("t>a t>b"), {"a": completed(1), "b": completed(2)}).value == {"a": 1, "b": 2}
    condition = {"type": "condition", "config": {"left": 1, "operator": "exists"}}
    only = definition("t>a a>b:true", a=condition)
    assert scope.result(only, {"a": completed(False), "b": SKIPPED}).value is False
