"""Documents as values: JSON and YAML read alike, and what is made to hurt the reader refused."""

import json
import time

import pytest

from config import assistant
from hub.analyser.failures import Unreadable
from hub.analyser.reading import object_of, text_of


def _refused(text: str) -> str:
    with pytest.raises(Unreadable) as refused:
        object_of(text)
    return refused.value.message


def test_yaml_has_json_s_values() -> None:
    read = object_of(
        "date: 2025-01-31\nyes: yes\noff: [true, False, ~, null, Null]\nversion: '1.10'\nnumber: -12\npart: 1.5e3\n"
        "octal: 0123\ntime: 12:30:45\n200: {ok: }\nlong: |\n  a\n  b\n"
    )
    assert read == {
        "date": "2025-01-31",
        "yes": "yes",
        "off": [True, False, None, None, None],
        "version": "1.10",
        "number": -12,
        "part": 1500.0,
        "octal": "0123",
        "time": "12:30:45",
        "200": {"ok": None},
        "long": "a\nb\n",
    }


def test_aliases_and_merges_are_followed() -> None:
    read = object_of("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: [*a, *a]\n")
    assert read["b"] == {"x": 1, "y": 2}
    assert read["c"] == {"x": 1, "y": 3}
    assert read["d"] == [read["a"], read["a"]]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_texts_come_with_a_mark_or_without(encoding: str) -> None:
    assert object_of(text_of('{"ключ": "значение"}'.encode(encoding))) == {"ключ": "значение"}


@pytest.mark.parametrize(
    ("source", "says"),
    [(b"", "empty"), (b" \n", "empty"), (b'{"a": "\xff\xfe"}', "byte 7"), (b"\x89PNG\r\n\x1a\n\x00", "byte 0")],
)
def test_what_is_no_text_is_refused(source: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        text_of(source)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1,}', "line 1, column 9"),
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('{"x": {"a": 1, "b": 2, "b": 3}}', "'b' stands twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": -Infinity}', "Infinity"),
        ('{"a": %s}' % ("9" * 5_000), "digits"),
        ("a: 1\nb: 2\na: 3\n", "'a' stands twice in the same object (line 3)"),
        ("a: b: c", "line 1"),
        ("- a\n- b\n", "not an object"),
        ("just text", "not an object"),
        ("a: 1\n---\nb: 2\n", "another document"),
        ("? [x, y]\n: 1\n", "key that is not text"),
        ("a: !!python/object/apply:os.system ['true']", "python/object"),
        ("a: !!binary aGk=", "binary"),
        ("a: !!set {b, c}", "set"),
        ("a: !unknown x", "!unknown"),
        ("a: !!bool maybe", "neither true nor false"),
        ("a: !!int x", "not YAML"),
        ("a: !!map x", "not YAML"),
        ("a: !!seq x", "not YAML"),
        ("a: %s" % ("9" * 5_000), "digits"),
        ("a: \x00", "not YAML"),
        ("a: *nothing", "names what it stands in, or nothing"),
        ("a: &a [1, *a]", "names what it stands in, or nothing"),
        ("a: &a {b: {c: *a}}", "names what it stands in, or nothing"),
    ],
)
def test_what_is_not_json_s_is_refused(text: str, says: str) -> None:
    message = _refused(text)
    assert says in message and message.isprintable()


@pytest.mark.parametrize("nest", ['{"a":' * 100_000, '{"a":' + "[" * 100_000, "a: " + "[" * 100_000, "- " * 100_000])
def test_depth_ends_no_process(nest: str) -> None:
    _refused(nest)


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_depth_has_a_bound(brackets: str) -> None:
    first, last = brackets
    opened = first if brackets == "[]" else '{"a": '
    deep = assistant.ANALYSIS_DEPTH_MAX
    for start in ('{"a": ', "a: "):
        end = "}" if start.startswith("{") else ""
        assert object_of(start + opened * (deep - 2) + (first + last) + last * (deep - 2) + end)
        assert "deep" in _refused(start + opened * deep + (first + last) + last * deep + end)


def test_a_billion_laughs_are_refused_before_they_are_built() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    started = time.process_time()
    assert "values" in _refused("\n".join(lines))
    assert time.process_time() - started < 1


def test_merged_bombs_are_refused_too() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9)]
    assert "values" in _refused("\n".join(lines))


def test_values_have_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "ANALYSIS_VALUES_MAX", 12)
    assert object_of(json.dumps({"a": [0] * 10})) and object_of("a: [0, 0, 0, 0]")
    for text in (json.dumps({"a": [0] * 11}), "a: [" + "0, " * 12 + "]", "a: &a [0, 0, 0, 0]\nb: [*a, *a]"):
        assert "values" in _refused(text)
