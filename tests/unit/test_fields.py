"""Strict fields: how failures are told together, and what data of the sender's own shape may hold."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from marshmallow import Schema

from config import limits
from hub import fields
from hub.errors import Code, HubError, invalid
from models.clock import now


class Thing(fields.Input):
    name = fields.Text(low=1, high=5, required=True)
    size = fields.Integer(low=0, high=9)
    more = fields.Stored(bytes_max=100)
    until = fields.FutureMoment()


class ThingChange(fields.Change):
    name = fields.Text(low=1, high=5)
    size = fields.Integer(low=0, high=9)


def refused(data: Any, *checks: fields.Check, schema: Schema | None = None) -> dict[str, str]:
    """The fields that are refused, with the reasons."""
    with pytest.raises(HubError) as caught:
        fields.load(schema or Thing(), data, *checks)
    assert caught.value.code is Code.INVALID
    return {detail.field: detail.message for detail in caught.value.details}


def test_checks_are_asked_about_what_is_right_and_add_their_failures() -> None:
    seen: list[dict[str, Any]] = []

    def check(given: dict[str, Any]) -> None:
        seen.append(given)
        raise invalid("X-Owner", "is nobody")

    assert set(refused({"name": "", "size": 3}, check)) == {"name", "X-Owner"}
    assert set(refused({"name": "a", "size": 3}, check, check)) == {"X-Owner"}
    assert set(refused([], check)) == {"body", "X-Owner"}
    assert seen == [{"size": 3}, *[{"name": "a", "size": 3}] * 2, {}]


def test_a_check_that_fails_otherwise_is_no_failure_of_the_input() -> None:
    def check(_: dict[str, Any]) -> None:
        raise HubError(Code.UNAVAILABLE, "not now")

    with pytest.raises(HubError) as caught:
        fields.load(Thing(), {}, check)
    assert caught.value.code is Code.UNAVAILABLE


def test_of_very_many_failures_the_first_are_told_by_short_names() -> None:
    found = refused({f"{number}{'x' * 1_000}": 1 for number in range(1_000)})
    assert len(found) == limits.FAILURES_TOLD_MAX
    assert all(len(name) <= limits.FIELD_CHARS_MAX for name in found)


def test_a_change_changes_something() -> None:
    assert refused({}, schema=ThingChange()) == {"body": "must have at least one of name, size"}
    assert set(refused({"name": ""}, schema=ThingChange())) == {"name"}
    assert fields.load(ThingChange(), {"size": 0}) == {"size": 0}


@pytest.mark.parametrize("value", [{"$gt": 1}, {"a": [{"b.c": 1}]}, {"a": {"b": {"$where": "1"}}}, {"a": "x" * 100}])
def test_what_a_database_would_read_is_not_stored(value: Any) -> None:
    assert set(refused({"name": "a", "more": value})) == {"more"}


def test_harmless_keys_are_stored() -> None:
    harmless = {"a": [{"b": 1}], "price$": 1}
    assert fields.load(Thing(), {"name": "a", "more": harmless})["more"] == harmless


def test_a_moment_is_read_in_its_zone_and_lies_in_the_future() -> None:
    later = now().replace(microsecond=0) + timedelta(hours=1)
    for text in (later.isoformat(), later.replace(tzinfo=None).isoformat(), later.isoformat().replace("+00:00", "Z")):
        assert fields.load(Thing(), {"name": "a", "until": text})["until"] == later
    abroad = "2999-01-01T00:00:00+01:00"
    assert fields.load(Thing(), {"name": "a", "until": abroad})["until"] == datetime(2998, 12, 31, 23, tzinfo=UTC)
    for text in ("", "soon", 5, None, "2020-01-01", "9999-12-31T23:59:59-12:00", "2999-13-01"):
        assert set(refused({"name": "a", "until": text})) == {"until"}, text
