"""The `messages` of a completion, checked: a non-empty list of turns in OpenAI's form.

Written by hand instead of nested schemas, because every completion passes here: a plain message costs two microseconds, and
a tool call three, for which marshmallow takes twenty-two. What OpenAI's form does not know is the provider's matter.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from marshmallow import ValidationError

from config import limits
from hub.fields import Strict

# What is wrong with a value, in the form of marshmallow's messages; empty where nothing is.
Check = Callable[[Any], Any]

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
PLAIN_ROLES: Final = frozenset({"system", "user", "assistant"})
_PLAIN_FIELDS: Final = frozenset({"role", "content"})
_CARRIERS: Final = ("tool_calls", "function_call", "refusal")  # a message with one of these needs no content


def _string(value: Any) -> list[str]:
    return [] if isinstance(value, str) else ["must be a string"]


def _text(value: Any) -> list[str]:
    if isinstance(value, str) and len(value) > limits.MESSAGE_CHARS_MAX:
        return [f"must have at most {limits.MESSAGE_CHARS_MAX} characters"]
    return _string(value)


def _object(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
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


def _list(of_item: Check, low: int, high: int, says: str) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, list) or not low <= len(value) <= high:
            return [says]
        return {number: failure for number, item in enumerate(value) if (failure := of_item(item))}

    return check


_function = _object({"name": _string, "arguments": _text})
_custom = _object({"name": _string, "input": _text})
_call = _object({"id": _string}, {"type": _string, "function": _function, "custom": _custom})
_image = _object({"url": _string}, {"detail": _string})  # the picture itself may stand in its address
_kinds_of_parts: Final[Mapping[str, Check]] = {
    "text": _object({"text": _text}),
    "refusal": _object({"refusal": _text}),
    "image_url": _object({"image_url": _image}),
}


def _part(part: Any) -> Any:
    """One of a kind that is not known here goes through to the provider."""
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        return ["must be an object with a type"]
    check = _kinds_of_parts.get(part["type"])
    return check(part) if check else []


def _tool_call(call: Any) -> Any:
    if failures := _call(call):
        return failures
    return [] if call.get("function") or call.get("custom") else ["must have a function"]


_PARTS_MAX: Final = limits.PARTS_PER_MESSAGE_MAX
_CALLS_MAX: Final = limits.TOOL_CALLS_PER_MESSAGE_MAX
_parts = _list(_part, 1, _PARTS_MAX, f"must be a string or a list of 1 to {_PARTS_MAX} parts")
_beside = _object(
    {},
    {
        "name": _string,
        "refusal": _text,
        "tool_call_id": _string,
        "function_call": _function,
        "tool_calls": _list(_tool_call, 0, _CALLS_MAX, f"must be a list of at most {_CALLS_MAX} calls"),
    },
)


class Messages(Strict):
    """Turns with a role and a content.

    `plain` takes texts of a system, user or assistant alone, and no other field; otherwise everything that OpenAI's form
    knows goes through to the provider: parts, tool calls, names.
    """

    def __init__(self, *, plain: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._plain = plain

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list) or not value:
            raise ValidationError("must be a list with at least one message")
        if len(value) > limits.MESSAGES_PER_REQUEST_MAX:
            raise ValidationError(f"must have at most {limits.MESSAGES_PER_REQUEST_MAX} messages")
        failures = {number: failure for number, message in enumerate(value) if (failure := self._check(message))}
        if failures:
            raise ValidationError(failures)
        return value

    def _check(self, message: Any) -> Any:
        if not isinstance(message, dict):
            return ["must be an object"]
        failures: dict[str, Any] = {}
        roles = PLAIN_ROLES if self._plain else ROLES
        role = message.get("role")
        if not isinstance(role, str) or role not in roles:
            failures["role"] = [f"must be one of {', '.join(sorted(roles))}"]
        if failure := _text(message.get("content")) if self._plain else _content(message):
            failures["content"] = failure
        if not message.keys() <= _PLAIN_FIELDS:
            failures |= _foreign(message) if self._plain else _beside(message)
        return failures


def _foreign(message: dict[str, Any]) -> dict[str, list[str]]:
    return {name: ["unknown field"] for name in message if name not in _PLAIN_FIELDS}


def _content(message: dict[str, Any]) -> Any:
    content = message.get("content")
    if isinstance(content, str):
        return _text(content)
    if content is None:
        carries_something = any(message.get(name) for name in _CARRIERS)
        return [] if carries_something else ["must be a string or a list of parts"]
    return _parts(content)
