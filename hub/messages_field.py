"""The `messages` of a completion, checked: a non-empty list of turns in OpenAI's form.

Written by hand instead of nested schemas, because every completion passes here: this costs two microseconds a message.
"""

from typing import Any, Final

from marshmallow import ValidationError

from config import limits
from hub.fields import Strict

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
PLAIN_ROLES: Final = frozenset({"system", "user", "assistant"})
_PARTS_MAX: Final = 256


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
        failures: dict[str, list[str]] = {}
        roles = PLAIN_ROLES if self._plain else ROLES
        role = message.get("role")
        if not isinstance(role, str) or role not in roles:
            failures["role"] = [f"must be one of {', '.join(sorted(roles))}"]
        failure = _text_failure(message.get("content")) if self._plain else _content_failure(message)
        if failure is not None:
            failures["content"] = [failure]
        if self._plain:
            failures |= {name: ["unknown field"] for name in message if name not in ("role", "content")}
        return failures


def _text_failure(content: Any) -> str | None:
    if not isinstance(content, str):
        return "must be a string"
    if len(content) > limits.MESSAGE_CHARS_MAX:
        return f"must have at most {limits.MESSAGE_CHARS_MAX} characters"
    return None


def _content_failure(message: dict[str, Any]) -> str | None:
    content = message.get("content")
    if isinstance(content, str):
        return _text_failure(content)
    if content is None:
        carries_something = any(message.get(name) for name in ("tool_calls", "function_call", "refusal"))
        return None if carries_something else "must be a string or a list of parts"
    if not isinstance(content, list) or not 0 < len(content) <= _PARTS_MAX:
        return f"must be a string or a list of 1 to {_PARTS_MAX} parts"
    if not all(isinstance(part, dict) and isinstance(part.get("type"), str) for part in content):
        return "each part must be an object with a type"
    texts = [part.get("text") for part in content if part["type"] == "text"]
    if not all(isinstance(text, str) for text in texts):
        return "a text part must have a text"
    return None
