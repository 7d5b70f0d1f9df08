"""The `messages` of a completion, checked: a non-empty list of turns in OpenAI's form.

Written by hand instead of nested schemas, because every completion passes here: a plain message costs two microseconds, and
a tool call three, for which marshmallow takes twenty-two. What OpenAI's form does not know is the provider's matter.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from marshmallow import ValidationError

from config import limits
from hub.checks import Check, a_list, an_object, of_kinds, string, text
from hub.fields import Form, Strict

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
PLAIN_ROLES: Final = frozenset({"system", "user", "assistant"})
_PLAIN_FIELDS: Final = frozenset({"role", "content"})
_CARRIERS: Final = ("tool_calls", "function_call", "refusal")  # a message with one of these needs no content


_function = an_object({"name": string, "arguments": text})
_custom = an_object({"name": string, "input": text})
_call = an_object({"id": string}, {"type": string, "function": _function, "custom": _custom})
_image = an_object({"url": string}, {"detail": string})  # the picture itself may stand in its address
_kinds_of_parts: Final[Mapping[str, Check]] = {
    "text": an_object({"text": text}),
    "refusal": an_object({"refusal": text}),
    "image_url": an_object({"image_url": _image}),
}


def _tool_call(call: Any) -> Any:
    if failures := _call(call):
        return failures
    return [] if call.get("function") or call.get("custom") else ["must have a function"]


_PARTS_MAX: Final = limits.PARTS_PER_MESSAGE_MAX
_CALLS_MAX: Final = limits.TOOL_CALLS_PER_MESSAGE_MAX
_parts = a_list(of_kinds(_kinds_of_parts), 1, _PARTS_MAX, f"must be a string or a list of 1 to {_PARTS_MAX} parts")
_beside = an_object(
    {},
    {
        "name": string,
        "refusal": text,
        "tool_call_id": string,
        "function_call": _function,
        "tool_calls": a_list(_tool_call, 0, _CALLS_MAX, f"must be a list of at most {_CALLS_MAX} calls"),
    },
)


def _form(plain: bool) -> dict[str, Any]:
    """One message in JSON Schema. What only OpenAI's form knows is described by its own documents."""
    roles = {"type": "string", "enum": sorted(PLAIN_ROLES if plain else ROLES)}
    text = {"type": "string", "maxLength": limits.MESSAGE_CHARS_MAX}
    if plain:
        properties = {"role": roles, "content": text}
        return {
            "type": "object",
            "required": ["role", "content"],
            "properties": properties,
            "additionalProperties": False,
        }
    parts = {"type": "array", "minItems": 1, "maxItems": _PARTS_MAX, "items": {"type": "object", "required": ["type"]}}
    content = {"anyOf": [text, parts, {"type": "null"}]}
    return {"type": "object", "required": ["role"], "properties": {"role": roles, "content": content}}


class Messages(Strict):
    """Turns with a role and a content.

    `plain` takes texts of a system, user or assistant alone, and no other field; otherwise everything that OpenAI's form
    knows goes through to the provider: parts, tool calls, names.
    """

    form: ClassVar[Form] = {"type": "array", "minItems": 1, "maxItems": limits.MESSAGES_PER_REQUEST_MAX}

    def __init__(self, *, plain: bool, **kwargs: Any) -> None:
        super().__init__(bounds={"items": _form(plain)}, example=[{"role": "user", "content": "Hello!"}], **kwargs)
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
        if failure := text(message.get("content")) if self._plain else _content(message):
            failures["content"] = failure
        if not message.keys() <= _PLAIN_FIELDS:
            failures |= _foreign(message) if self._plain else _beside(message)
        return failures


def _foreign(message: dict[str, Any]) -> dict[str, list[str]]:
    return {name: ["unknown field"] for name in message if name not in _PLAIN_FIELDS}


def _content(message: dict[str, Any]) -> Any:
    content = message.get("content")
    if isinstance(content, str):
        return text(content)
    if content is None:
        carries_something = any(message.get(name) for name in _CARRIERS)
        return [] if carries_something else ["must be a string or a list of parts"]
    return _parts(content)
