"""Strict JSON: what is refused, how fast, and that plain data comes through unchanged."""

import json
import random
import time
from typing import Any

import orjson
import pytest

from config import limits
from hub.errors import Code, HubError
from hub.json_input import loads

BOUND = 1 << 20


def refused(data: bytes, bound: int = BOUND) -> Code:
    with pytest.raises(HubError) as caught:
        loads(data, bound)
    return caught.value.code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"{",
        b'{"a":1}x',
        b'{"a":1,}',
        b"{'a':1}",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":NaN',
        b'{"a":NaN,"a":1}',
        b'{"\\ud800":NaN}',
        b'{"\\u0000":NaN}',
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":"\\u0000"}',
        b'{"\\u0000":1}',
        b'{"a":"x\\\\\\u0000"}',
        b'{"a":"\x00"}',
        b'{"a":"\n"}',
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" * 100_000,
        b'[{"a":' * 50_000,
        b"]" * 100_000,
        b"[}" * 40,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_what_is_not_plain_json_is_malformed(data: bytes) -> None:
    assert refused(data) is Code.MALFORMED


@pytest.mark.parametrize(
    ("number", "code"),
    [
        *((constant, Code.MALFORMED) for constant in ("NaN", "Infinity", "-Infinity")),
        *((number, Code.INVALID) for number in ("1e400", "-1e400", str(2**63), str(-(2**63) - 1), "-0", "9" * 5_000)),
    ],
    ids=lambda value: str(value)[:24],
)
def test_wrong_numbers_are_named(number: str, code: Code) -> None:
    """Wherever they stand, all at once; what is no JSON at all decides."""
    for text, fields in (
        ('{"a":%s}', ["a"]),
        ('{"a":{"b":[0,%s]},"c\\u00e4":{}}', ["a.b.1"]),
        ('{"a":%s,"b":"%s","c":1e999}', ["a", "c"]),
        ("[%s]", ["0"]),
        ("%s", ["body"]),
    ):
        with pytest.raises(HubError) as caught:
            loads(text.replace("%s", number).encode(), BOUND)
        assert (caught.value.code, [detail.field for detail in caught.value.details]) == (code, fields)


def test_of_many_wrong_numbers_the_first_are_named_and_briefly() -> None:
    for body in (b"[" + b"NaN," * 100_000 + b"NaN]", b'{"%b":[%bNaN]}' % (b"k" * 300_000, b"NaN," * 100_000)):
        started = time.process_time()
        with pytest.raises(HubError) as caught:
            loads(body, BOUND)
        assert time.process_time() - started < 3 * 1.0
        assert len(caught.value.details) == limits.FAILURES_TOLD_MAX
        assert all(len(detail.field) <= limits.FIELD_CHARS_MAX for detail in caught.value.details)


def test_length_is_looked_at_first() -> None:
    assert refused(b"[" * 11, 10) is Code.TOO_LARGE
    assert loads(b"[1,2,3,45]", 10) == [1, 2, 3, 45]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b" null ", None),
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"0.1", 0.1),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\u0000"', "\\u0000"),
        (b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["', "[" * 40),
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        (b'["' + b'\\"[' * 100 + b'"]', ['"[' * 100]),
    ],
)
def test_plain_json_comes_through(data: bytes, value: Any) -> None:
    assert loads(data, BOUND) == value


def test_random_values_come_through_whatever_their_strings_hold() -> None:
    chance = random.Random(7)

    def value(depth: int) -> Any:
        kind = chance.randrange(6 if depth < 8 else 4)
        if kind == 0:
            return chance.choice([None, True, False, chance.randint(-(2**63), 2**63 - 1), chance.random()])
        if kind < 4:
            return "".join(chance.choice('[]{}"\\\n\té☃\U0001f600a') for _ in range(chance.randrange(12)))
        if kind == 4:
            return [value(depth + 1) for _ in range(chance.randrange(8))]
        return {f"k{number}[{{": value(depth + 1) for number in range(chance.randrange(8))}

    for _ in range(300):
        made = value(0)
        assert loads(orjson.dumps(made), BOUND) == made
        assert loads(json.dumps(made).encode(), BOUND) == made


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b"[" * 300_000 + b"]" * 300_000,
        b'{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{"' + b'\\"' * 100_000,
        b'[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["' + b"\\" * 100_001,
        b"[" * 40 + b'"' * 100_001,
    ],
)
def test_hostile_bodies_cost_little(data: bytes) -> None:
    started = time.process_time()
    refused(data)
    assert time.process_time() - started < 0.1


def test_a_normal_body_costs_little() -> None:
    body = orjson.dumps({"model": "gpt-4", "messages": [{"role": "user", "content": "Hello " * 40}], "max_tokens": 100})
    started = time.process_time()
    for _ in range(2_000):
        loads(body, BOUND)
    assert (time.process_time() - started) / 2_000 < 45e-6  # three times the bound of 15 us


@pytest.mark.parametrize("each", [b"1", b'""', b"[[[]]]", b'{"a":1}', b'{"a":""}'])
def test_so_many_values_and_no_more(each: bytes) -> None:
    beginnings = 1 + each.count(b"[") + each.count(b"{")
    most = limits.JSON_VALUES_MAX // beginnings
    loads(b"[" + b",".join([each] * most) + b"]", 1 << 24)
    assert refused(b"[" + b",".join([each] * (most + 1)) + b"]", 1 << 24) is Code.TOO_LARGE


def test_what_stands_in_strings_is_no_value() -> None:
    text = '[{,\\"' * limits.JSON_VALUES_MAX
    assert loads(orjson.dumps({"a": text, "b": [text]}), 1 << 24) == {"a": text, "b": [text]}


def test_the_depth_that_is_allowed_is_the_one_in_the_limits() -> None:
    depth = limits.JSON_DEPTH_MAX
    loads(b'{"a":' * depth + b"1" + b"}" * depth, BOUND)
    assert refused(b'{"a":' * (depth + 1) + b"1" + b"}" * (depth + 1)) is Code.MALFORMED
