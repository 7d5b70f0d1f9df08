"""Checks written by hand, for what every completion carries: a nested marshmallow schema takes ten times as long.

    Check(value) -> what is wrong with it, in the form of marshmallow's messages; empty where nothing is

They are put together: `an_object` and `a_list` make checks of checks. What they do not name is not looked at.
"""

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import ValidationError

from config import limits
from hub.fields import Form, Strict

Check = Callable[[Any], Any]


def string(value: Any) -> list[str]:
    return [] if isinstance(value, str) else ["must be a string"]


def text(value: Any) -> list[str]:
    if isinstance(value, str) and len(value) > limits.MESSAGE_CHARS_MAX:
        return [f"must have at most {limits.MESSAGE_CHARS_MAX} characters"]
    return string(value)


def flag(value: Any) -> list[str]:
    return [] if isinstance(value, bool) else ["must be true or false"]


def an_object(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these fields and any others; what is optional may be null too."""

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            return ["must be an object"]
        failures = {name: failure for name, of_field in required.items() if (failure := of_field(value.get(name)))}
        for name, of_field in (optional or {}).items():
            if value.get(name) is not None and (failure := of_field(value[name])):
                failures[name] = failure
        return failures

    return check


def a_list(of_item: Check, low: int, high: int, says: str) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, list) or not low <= len(value) <= high:
            return [says]
        return {number: failure for number, item in enumerate(value) if (failure := of_item(item))}

    return check


def text_or(check: Check) -> Check:
    """A text of its own, or what the check is of."""
    return lambda value: text(value) if isinstance(value, str) else check(value)


def of_kinds(kinds: Mapping[str, Check]) -> Check:
    """An object that says by its `type` what it is; one of a kind that is not known here goes through to the provider."""

    def check(value: Any) -> Any:
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            return ["must be an object with a type"]
        of_kind = kinds.get(value["type"])
        return of_kind(value) if of_kind else []

    return check


class Checked(Strict):
    """A field whose rule is a check; every failure inside of it is told by its own path."""

    def __init__(self, check: Check, form: Form, **kwargs: Any) -> None:
        super().__init__(bounds=form, **kwargs)
        self._check = check

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if failure := self._check(value):
            raise ValidationError(failure)
        return value
