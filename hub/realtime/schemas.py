"""What each command must look like. Unknown fields are refused, and no type is taken for another.

The schemas see a frame without its `id` and `type`. Amounts, ids and lists are bounded here, so that what comes behind
may rely on it.
"""

from collections.abc import Mapping
from typing import Any, Final

from marshmallow import ValidationError, fields, validate, validates_schema

from config import limits, workflows
from hub.fields import Choice, Flag, Input, Integer, Nested, Number, Stops, Text
from hub.insight.ratings import RATINGS
from hub.messages_field import Messages

_OFFSET_MAX: Final = 2**53  # what a browser's number holds exactly
_ID_CHARS_MAX: Final = 128


def _identifier(**options: Any) -> Text:
    return Text(low=1, high=_ID_CHARS_MAX, **options)


def _page() -> Integer:
    return Integer(low=1, high=limits.PAGE_SIZE_MAX, load_default=limits.PAGE_SIZE_DEFAULT)


class Nothing(Input):
    pass


class Position(Input):
    epoch = _identifier(required=True)
    offset = Integer(low=0, high=_OFFSET_MAX, required=True)


class Connect(Input):
    token = Text(low=1, high=limits.ACCESS_TOKEN_CHARS_MAX)
    recover = Nested(Position)


class Refresh(Input):
    token = Text(low=1, high=limits.ACCESS_TOKEN_CHARS_MAX, required=True)


class ChatStart(Input):
    """`stream` may say what is so anyway, for who comes from an API where it is asked for. A conversation or a
    project may name the model.
    """

    model = _identifier()
    messages = Messages(plain=True)
    message = Text(low=1, high=limits.MESSAGE_CHARS_MAX)
    conversation_id = _identifier()
    project_id = Integer(low=1, high=_OFFSET_MAX)
    max_tokens = Integer(low=1, high=limits.MAX_TOKENS_MAX)
    temperature = Number(low=0, high=2)
    top_p = Number(low=0, high=1)
    stop = Stops()
    on_disconnect = Choice(("continue", "cancel"), load_default="continue")
    idempotency_key = Text(low=1, high=limits.IDEMPOTENCY_KEY_CHARS_MAX)
    stream = Flag(validate=validate.Equal(True, error="Answers on a socket are streamed."))

    @validates_schema
    def _one_question(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("messages" in data) == ("message" in data):
            raise ValidationError("Send either `messages` or `message`.", "messages")

    @validates_schema
    def _some_model(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data.keys().isdisjoint(("model", "conversation_id", "project_id")):
            raise ValidationError("is required", "model")


class ChatStop(Input):
    stream_id = _identifier(required=True)


class ChatResume(Input):
    stream_id = _identifier(required=True)
    epoch = _identifier(required=True)
    after = Integer(low=0, high=_OFFSET_MAX, required=True)


class ChatRate(Input):
    message_id = _identifier()
    stream_id = _identifier()
    rating = Choice(RATINGS, required=True, allow_none=True)

    @validates_schema
    def _one_answer(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("message_id" in data) == ("stream_id" in data):
            raise ValidationError("Send either `message_id` or `stream_id`.", "message_id")


class Channel(Input):
    channel = _identifier(required=True)


def _wishes() -> fields.List[str]:
    return fields.List(_identifier(), load_default=[], validate=validate.Length(max=limits.ADMIN_FILTERS_MAX))


class EventFilters(Input):
    types = _wishes()
    users = _wishes()


class Subscribe(Channel):
    filters = Nested(EventFilters)


class History(Input):
    after = Integer(low=0, high=_OFFSET_MAX, required=True)
    epoch = _identifier()
    limit = _page()


class Page(Input):
    limit = _page()
    before = _identifier()


class Conversation(Input):
    conversation_id = _identifier(required=True)


class ConversationMessages(Conversation):
    limit = Integer(low=1, high=limits.PAGE_SIZE_MAX, load_default=limits.PAGE_SIZE_MAX)


class Notifications(Input):
    ids = fields.List(_identifier(), required=True, validate=validate.Length(min=1, max=limits.PAGE_SIZE_MAX))


class WorkflowApprove(Input):
    execution_id = _identifier(required=True)
    node = Text(low=1, high=workflows.NODE_ID_CHARS_MAX, required=True)
    approved = Flag(required=True)
    comment = Text(high=workflows.COMMENT_CHARS_MAX, load_default="")
