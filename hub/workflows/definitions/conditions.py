"""What a condition compares, once its templates have become values. Pure.

Types mean what they say, as in JSON: `"5"` is no number and `true` is no 1. Ordered are numbers, and texts by their code
points (so ISO 8601 moments of one zone are); patterns are not offered, for a pattern of a user's can take forever.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hub.errors import invalid

Test = Callable[[Any, Any], bool]


def is_met(config: Mapping[str, Any]) -> bool:
    """Whether it holds. Raises `HubError` INVALID naming `left` where this operator cannot be asked of these values."""
    return OPERATORS[config["operator"]](config.get("left"), config.get("right"))


def _kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return "null" if value is None else "a boolean"
    kinds = {int: "a number", float: "a number", str: "text", list: "a list"}
    return kinds.get(type(value), "an object")


def _equals(left: Any, right: Any) -> bool:
    """Alike in all depth; 1 and 1.0 are one number, which `true` is not."""
    if _kind(left) != _kind(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_equals, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_equals(value, right[key]) for key, value in left.items())
    return bool(left == right)


def _order(left: Any, right: Any) -> int:
    """-1, 0 or 1, as the left is less, equal or greater."""
    if _kind(left) != _kind(right) or _kind(left) not in ("a number", "text"):
        raise invalid("left", f"is {_kind(left)} and cannot be ordered with {_kind(right)}")
    return int(left > right) - int(left < right)


def _contains(left: Any, right: Any) -> bool:
    """A text has another within it, a list has an item, an object a member of this name."""
    if isinstance(left, str) and isinstance(right, str):
        return right in left
    if isinstance(left, list):
        return any(_equals(item, right) for item in left)
    if isinstance(left, dict) and isinstance(right, str):
        return right in left
    raise invalid("left", f"is {_kind(left)} and cannot contain {_kind(right)}")


def _begins(left: Any, right: Any) -> bool:
    return _text(left).startswith(_text(right))


def _ends(left: Any, right: Any) -> bool:
    return _text(left).endswith(_text(right))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise invalid("left", f"is compared as text, with {_kind(value)} on one side")
    return value


def _is_empty(value: Any) -> bool:
    """Null, or a text, list or object with nothing in it."""
    return value is None or (isinstance(value, str | list | dict) and not value)


# Those that look at the left alone have no `right`.
UNARY: Final[Mapping[str, Test]] = {
    "exists": lambda left, _: left is not None,
    "not_exists": lambda left, _: left is None,
    "is_empty": lambda left, _: _is_empty(left),
    "is_not_empty": lambda left, _: not _is_empty(left),
}
OPERATORS: Final[Mapping[str, Test]] = {
    "equals": _equals,
    "not_equals": lambda left, right: not _equals(left, right),
    "greater_than": lambda left, right: _order(left, right) > 0,
    "greater_or_equal": lambda left, right: _order(left, right) >= 0,
    "less_than": lambda left, right: _order(left, right) < 0,
    "less_or_equal": lambda left, right: _order(left, right) <= 0,
    "contains": _contains,
    "not_contains": lambda left, right: not _contains(left, right),
    "starts_with": _begins,
    "ends_with": _ends,
    **UNARY,
}
