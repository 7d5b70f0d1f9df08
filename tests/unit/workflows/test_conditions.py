"""Conditions compare as JSON's types say."""

from typing import Any

import pytest

from hub.errors import Code, HubError
from hub.workflows.definitions.conditions import is_met


@pytest.mark.parametrize(
    ("left", "operator", "right", "met"),
    [
        *(
            (1, "equals", 1.0, True),
            (1, "equals", True, False),
            ("5", "equals", 5, False),
            (None, "equals", None, True),
        ),
        *(([1, {"a": 0}], "equals", [1, {"a": False}], False), ({"a": [1]}, "equals", {"a": [1.0]}, True)),
        *(({"a": 1}, "equals", {"b": 1}, False), ([1], "equals", [1, 2], False), ("a", "not_equals", "b", True)),
        *((2, "greater_than", 1.5, True), (2, "greater_or_equal", 2, True), ("a", "less_than", "b", True)),
        *((2, "less_or_equal", 1, False), ("2026-01-01", "less_than", "2026-02-01", True)),
        *(
            ("invoice 5", "contains", "voice", True),
            ([1, 2], "contains", True, False),
            ([1, "a"], "contains", "a", True),
        ),
        *(({"a": None}, "contains", "a", True), ("abc", "not_contains", "d", True)),
        *(("abc", "starts_with", "ab", True), ("abc", "ends_with", "ab", False)),
    ],
)
def test_operators_compare_as_json_types_say(left: Any, operator: str, right: Any, met: bool) -> None:
    assert is_met({"left": left, "operator": operator, "right": right}) is met


@pytest.mark.parametrize(
    ("left", "exists", "empty"),
    [(None, False, True), ("", True, True), ([], True, True), ({}, True, True), (0, True, False)],
)
def test_null_and_empty_are_told_apart(left: Any, exists: bool, empty: bool) -> None:
    assert is_met({"left": left, "operator": "exists"}) is exists
    assert is_met({"left": left, "operator": "not_exists"}) is not exists
    assert is_met({"left": left, "operator": "is_empty"}) is empty
    assert is_met({"left": left, "operator": "is_not_empty"}) is not empty


@pytest.mark.parametrize(
    ("left", "operator", "right"),
    [
        *((1, "less_than", "2"), (True, "less_than", 2), (None, "greater_than", 1), ([1], "less_than", [2])),
        *(
            (5, "contains", 5),
            ("a", "contains", 1),
            ({}, "contains", 1),
            (1, "starts_with", "a"),
            ("a", "ends_with", None),
        ),
    ],
)
def test_what_cannot_be_asked_is_an_error(left: Any, operator: str, right: Any) -> None:
    with pytest.raises(HubError) as caught:
        is_met({"left": left, "operator": operator, "right": right})
    assert caught.value.code is Code.INVALID and caught.value.details[0].field == "left"
