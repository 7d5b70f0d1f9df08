"""What each command must look like. Unknown fields are refused, and no type is taken for another.

The schemas see a frame without its `id` and `type`. Amounts, ids and lists are bounded here, so that what comes behind
may rely on it.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from config import limits
from hub.errors import Code, FieldError, HubError

_OFFSET_MAX: Final = 2**53  # what a browser's number holds exactly
_ID_CHARS_MAX: Final = 128
_STOPS_MAX: Final = 4
_STOP_CHARS_MAX: Final = 256
_TOKENS_MAX: Final = 10**7
_ROLES: Final = ("system", "developer", "user", "assistant", "tool")


class Number(fields.Field[float]):
    """A JSON number, finite; not a string that looks like one, and not `true`."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValidationError("Not a valid number.")
        return float(value)


class Stops(fields.Field[list[str]]):
    """One text or a few at which an answer ends."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[str]:
        stops = value if isinstance(value, list) else [value]
        if not 1 <= len(stops) <= _STOPS_MAX:
            raise ValidationError(f"Must be a string or 1 to {_STOPS_MAX} of them.")
        if not all(isinstance(stop, str) and 1 <= len(stop) <= _STOP_CHARS_MAX for stop in stops):
            raise ValidationError(f"Each must be a string of 1 to {_STOP_CHARS_MAX} characters.")
        return stops


def _text(chars_max: int, chars_min: int = 1, **options: Any) -> fields.String:
    return fields.String(validate=validate.Length(min=chars_min, max=chars_max), **options)


def _identifier(**options: Any) -> fields.String:
    return _text(_ID_CHARS_MAX, **options)


def _whole(low: int, high: int, **options: Any) -> fields.Integer:
    return fields.Integer(strict=True, validate=validate.Range(low, high), **options)


def _page() -> fields.Integer:
    return _whole(1, limits.PAGE_SIZE_MAX, load_default=limits.PAGE_SIZE_DEFAULT)


class Nothing(Schema):
    pass


class Position(Schema):
    epoch = _identifier(required=True)
    offset = _whole(0, _OFFSET_MAX, required=True)


class Connect(Schema):
    token = _text(limits.ACCESS_TOKEN_CHARS_MAX)
    recover = fields.Nested(Position)


class Refresh(Schema):
    token = _text(limits.ACCESS_TOKEN_CHARS_MAX, required=True)


class ChatMessage(Schema):
    role = fields.String(required=True, validate=validate.OneOf(_ROLES))
    content = _text(limits.MESSAGE_CHARS_MAX, 0, required=True)
    name = _text(64)


class ChatStart(Schema):
    model = _identifier(required=True)
    messages = fields.List(
        fields.Nested(ChatMessage), validate=validate.Length(min=1, max=limits.MESSAGES_PER_REQUEST_MAX)
    )
    message = _text(limits.MESSAGE_CHARS_MAX)
    conversation_id = _identifier()
    max_tokens = _whole(1, _TOKENS_MAX)
    temperature = Number(validate=validate.Range(0, 2))
    top_p = Number(validate=validate.Range(0, 1))
    stop = Stops()
    on_disconnect = fields.String(validate=validate.OneOf(("continue", "cancel")), load_default="continue")
    idempotency_key = _text(limits.IDEMPOTENCY_KEY_CHARS_MAX)

    @validates_schema
    def _one_question(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("messages" in data) == ("message" in data):
            raise ValidationError("Send either `messages` or `message`.", "messages")


class ChatStop(Schema):
    stream_id = _identifier(required=True)


class ChatResume(Schema):
    stream_id = _identifier(required=True)
    epoch = _identifier(required=True)
    after = _whole(0, _OFFSET_MAX, required=True)


class Channel(Schema):
    channel = _identifier(required=True)


class History(Schema):
    after = _whole(0, _OFFSET_MAX, required=True)
    epoch = _identifier()
    limit = _page()


class Page(Schema):
    limit = _page()
    before = _identifier()


class Conversation(Schema):
    conversation_id = _identifier(required=True)


class ConversationMessages(Conversation):
    limit = _whole(1, limits.PAGE_SIZE_MAX, load_default=limits.PAGE_SIZE_MAX)


class Notifications(Schema):
    ids = fields.List(_identifier(), required=True, validate=validate.Length(min=1, max=limits.PAGE_SIZE_MAX))


def load(schema: Schema, data: Mapping[str, Any]) -> dict[str, Any]:
    """The checked fields. Raises `HubError` INVALID that names each field that broke a rule."""
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        details = [FieldError(field, message) for field, message in _flat("", error.messages)]
        summary = "; ".join(f"{detail.field}: {detail.message}" for detail in details[:3])
        raise HubError(Code.INVALID, summary, details) from None
    return loaded


def _flat(path: str, messages: Any) -> list[tuple[str, str]]:
    """marshmallow's nested messages as dotted paths, at most a page of them."""
    if isinstance(messages, dict):
        found: list[tuple[str, str]] = []
        for name, inner in messages.items():
            found += _flat(f"{path}.{name}" if path else str(name)[:_ID_CHARS_MAX], inner)
        return found[: limits.PAGE_SIZE_DEFAULT]
    return [(path.removesuffix("._schema") or "frame", str(message)) for message in messages[:1]]
