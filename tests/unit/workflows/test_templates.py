"""Templates: what paths become, what is no path, and that nothing else is ever special."""

import time
from typing import Any

import pytest

from config import workflows as limits
from hub.errors import Code, HubError
from hub.workflows.definitions import templates
from hub.workflows.definitions.templates import rendered

SCOPE: dict[str, Any] = {
    "email": {"from": "ada@example.org", "body": "{{email.from}} {{7*7}}", "tags": ["a", {"b": 2}], "cc": None},
    "count": 3,
    "ratio": 0.5,
    "yes": True,
    "имя": {"first-name": "Ада"},
    "nodes": {"1": {"output": "one"}},
}
SECONDS_MAX = 0.01


def refused(template: Any, scope: Any = None) -> str:
    with pytest.raises(HubError) as caught:
        rendered(template, SCOPE if scope is None else scope, "config.prompt")
    assert caught.value.code is Code.INVALID
    assert caught.value.details[0].field.startswith("config.prompt")
    return caught.value.details[0].message


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("Summarize: {{email.from}}!", "Summarize: ada@example.org!"),
        ("{{ email.tags[1].b }} of {{count}}", "2 of 3"),
        ("{{nodes.1.output}}{{имя.first-name}}", "oneАда"),
        ("{{count}} {{ratio}} {{yes}} {{email.cc}}.", "3 0.5 true ."),
        ("tags: {{email.tags}}", 'tags: ["a",{"b":2}]'),
        ("", ""),
        ("plain", "plain"),
        ('{"a":{"b":{{count}} }}', '{"a":{"b":3 }}'),
        ('{"a":{"b":1}}', '{"a":{"b":1}}'),
    ],
)
def test_paths_in_a_text_become_text(template: str, value: str) -> None:
    assert rendered(template, SCOPE) == value


@pytest.mark.parametrize(
    ("template", "value"),
    [
        *(("{{count}}", 3), ("{{ ratio }}", 0.5), ("{{yes}}", True), ("{{email.cc}}", None)),
        *(("{{email.tags}}", ["a", {"b": 2}]), ("{{email.tags[1]}}", {"b": 2}), (" {{count}}", " 3")),
    ],
)
def test_a_lone_path_keeps_its_type(template: str, value: Any) -> None:
    assert rendered(template, SCOPE) == value
    assert type(rendered(template, SCOPE)) is type(value)


def test_templates_are_replaced_however_deep_they_lie_and_keys_are_none() -> None:
    tree = {"{{count}}": [1, None, "{{count}}", {"a": "n={{count}}"}], "b": True}
    assert rendered(tree, SCOPE) == {"{{count}}": [1, None, 3, {"a": "n=3"}], "b": True}


def test_what_was_put_in_is_not_looked_at_again() -> None:
    assert rendered("{{email.body}}", SCOPE) == "{{email.from}} {{7*7}}"
    assert rendered(">{{email.body}}", SCOPE) == ">{{email.from}} {{7*7}}"
    assert rendered("{{a}}{{b}}", {"a": "{{", "b": "c}}", "c": "never"}) == "{{c}}"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{0.__class__}",
            "{email}",
            "%(email)s",
            "%s",
            "${7*7}",
            "#{7*7}",
            "<%= 7*7 %>",
            "{% for i in range(10**9) %}",
            "{# a #}",
        ),
        *("}}", "{ {email} }", "$email", "\\{", "{%import os%}"),
    ],
)
def test_other_languages_forms_are_text(text: str) -> None:
    assert rendered(text, SCOPE) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "{{7*7}}",
            "{{''.__class__}}",
            "{{ }}",
            "{{}}",
            "{{email.}}",
            "{{.email}}",
            "{{email..from}}",
            "{{email|safe}}",
        ),
        *(
            "{{email['from']}}",
            "{{email.tags[-1]}}",
            "{{email.tags[a]}}",
            "{{email.tags[1}}",
            "{{[0]}}",
            "{{email from}}",
        ),
        *(
            "{{{count}}}",
            "{{email.from",
            "a {{",
            "{{email.upper()}}",
            "{{count\n}}",
            "{{email.tags[0]b}}",
            "{{a\u00a0}}",
        ),
        *("{{" + "a" * 201 + "}}", "{{" + ".".join("a" * 17) + "}}", "{{a[1234567]}}"),
    ],
)
def test_what_is_no_path_is_refused_when_it_is_parsed(text: str) -> None:
    with pytest.raises(HubError) as caught:
        templates.parse(text, "prompt")
    assert caught.value.code is Code.INVALID and caught.value.details[0].field == "prompt"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "email.__class__",
            "count.real",
            "email.from.upper",
            "email.keys",
            "email.tags.append",
            "__builtins__",
            "env",
        ),
        *(
            "env.HOME",
            "settings",
            "self",
            "email.tags[2]",
            "email[0]",
            "email.from[0]",
            "yes.a",
            "email.tags.0",
            "Count",
        ),
    ],
)
def test_nothing_but_members_and_items_is_there(path: str) -> None:
    assert "there is no " in refused("{{" + path + "}}")
    assert "there is no " in refused("a {{" + path + "}}")


def test_the_error_names_the_part_that_is_absent() -> None:
    assert refused("{{email.tags[1].c.d}}") == "{{email.tags[1].c.d}}: there is no email.tags[1].c"
    with pytest.raises(HubError) as caught:
        rendered({"a": [{"b": "{{gone}}"}]}, SCOPE, "config.set")
    assert caught.value.details[0].field == "config.set.a[0].b"


def test_what_lies_inside_null_is_null() -> None:
    assert rendered("{{email.cc.name[0]}}", SCOPE) is None
    assert rendered("<{{email.cc.name}}>", SCOPE) == "<>"


def test_only_who_asks_for_it_has_null_for_what_is_absent() -> None:
    assert rendered(["{{gone}}", "{{email.gone.b}}", "<{{gone}}>"], SCOPE, absent_is_null=True) == [None, None, "<>"]


def test_all_texts_of_a_call_share_the_bound_of_output() -> None:
    most = limits.TEMPLATE_OUTPUT_BYTES_MAX
    assert len(rendered("{{a}}b", {"a": "é" * (most // 2 - 1)})) == most // 2
    for template in ("{{a}}bb", ["{{a}}", "{{b}}"], "{{c}}", "x{{c}}"):
        message = refused(template, {"a": "é" * (most // 2), "b": 1, "c": ["x" * most]})
        assert message == f"becomes more than {most} bytes"


@pytest.mark.parametrize(
    ("template", "scope"),
    [
        ("{{" * (limits.TEMPLATE_CHARS_MAX // 2), {}),
        ("{{a" + "." * 60_000, {}),
        ("{{" + "[0]" * 20_000 + "}}", {}),
        ("{" * limits.TEMPLATE_CHARS_MAX, {}),
        ("x" * (limits.TEMPLATE_CHARS_MAX + 1), {}),
        ("{{a}}" * limits.TEMPLATE_PATHS_MAX, {"a": "x" * 10_000}),
        ("{{a}}" * limits.TEMPLATE_PATHS_MAX, {"a": [1] * 30_000}),
        ("{{a}} " * limits.TEMPLATE_PATHS_MAX, {"a": None}),
        ("-{{a}}", {"a": ["x" * 1_000] * 1_000}),
    ],
)
def test_it_takes_little_time_whatever_it_comes_to(template: str, scope: Any) -> None:
    spent = []
    for _ in range(3):
        begun = time.thread_time()
        try:
            rendered(template, scope)
        except HubError as error:
            assert error.code is Code.INVALID
        spent.append(time.thread_time() - begun)
    assert min(spent) < SECONDS_MAX


def test_every_text_is_found_with_its_path() -> None:
    found = {
        field: [path.text for path in text.paths] for field, text in templates.parsed({"a": ["{{b}}{{c}}", 1]}, "set")
    }
    assert found == {"set.a[0]": ["b", "c"]}
