"""What a node's configuration must be once its templates have become values: checked again, for only now is it known.

A text field takes any value, written as text. Addresses, header lines and lists come from outside here: what would end a
line of a mail's or a request's head is refused, and so is what is too long or of another kind.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from marshmallow import INCLUDE, Schema, ValidationError, fields

from config import limits as hub_limits
from config import outgoing
from config import workflows as limits
from hub.fields import Input, Moment, Strict, Text, load
from hub.profile_fields import Email
from hub.workflows.definitions import templates
from hub.workflows.definitions.graph import Json


def check(node_type: str, config: Json) -> Json:
    """The configuration with texts where texts are wanted, rows for a sheet, and `until` as a moment.

    Raises `HubError` INVALID with a `FieldError` for each failure, `config.to`.
    """
    schema = SCHEMAS[node_type]
    if schema is None:
        return config
    checked: Json = load(schema, {"config": config})["config"]
    return checked


def writers(node_type: str) -> Mapping[str, templates.Writer]:
    """By field, how values stand among other text where they are not text alone."""
    return _WRITERS.get(node_type, {})


def part_of_url(value: str, before: str) -> str:
    """A value within an address is one part of it, whatever it says: it leads nowhere else than its author meant. What an
    address begins with stands as it is. Raises `ValueError`.
    """
    if not before:
        return value
    if value in (".", "..") and "?" not in before:  # there is no way to write these as names
        raise ValueError(f"has {value} for a part of its path")
    return quote(value, safe="")


class Words(Text):
    """A text, or any value as one; null is an empty one."""

    def deserialize(self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any) -> Any:
        return super().deserialize("" if value is None else value, attr, data, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(templates.as_text(value), attr, data, **kwargs)


class OneLine(Words):
    """One that is a line: it stands in the head of a mail or a request."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isprintable():
            raise self.fail("must be one line of printable characters")
        return text


class Lines(Strict):
    """Lines by name."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        line = OneLine(high=limits.HEADER_CHARS_MAX)
        lines, failures = {}, {}
        for name, given in value.items():
            try:
                lines[name] = line.deserialize(given)
            except ValidationError as error:
                failures[name] = error.messages
        if failures:
            raise ValidationError(failures)
        return lines


class Rows(Strict):
    """Rows of plain values; one row by itself is a list of one."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[list[Any]]:
        if not isinstance(value, list) or len(value) > limits.SHEET_ROWS_MAX:
            raise self.fail(f"must be a list of at most {limits.SHEET_ROWS_MAX}")
        rows = value if value and all(isinstance(row, list) for row in value) else [value]
        if any(isinstance(cell, list | dict) for row in rows for cell in row):
            raise self.fail("must be a row of plain values, or a list of such rows")
        return rows


class AiCall(Schema):
    prompt = Words(low=1, high=limits.PROMPT_CHARS_MAX)
    system = Words(high=limits.PROMPT_CHARS_MAX)


class SendEmail(Schema):
    to = Email()
    subject = OneLine(low=1, high=outgoing.SUBJECT_CHARS_MAX)
    body = Words(high=limits.TEXT_CHARS_MAX)


class HttpRequest(Schema):
    """Whether the address may be called is looked at when it is."""

    url = OneLine(low=1, high=hub_limits.WEBHOOK_URL_CHARS_MAX)
    headers = Lines()


class TelegramMessage(Schema):
    chat_id = OneLine(low=1, high=limits.LABEL_CHARS_MAX)
    text = Words(low=1, high=limits.TELEGRAM_TEXT_CHARS_MAX)


class GoogleSheetsAppend(Schema):
    spreadsheet_id = OneLine(low=1, high=limits.LABEL_CHARS_MAX)
    range = OneLine(low=1, high=limits.LABEL_CHARS_MAX)
    values = Rows()


class Delay(Schema):
    until = Moment()


class Approval(Schema):
    message = Words(low=1, high=limits.TEXT_CHARS_MAX)
    to = Email()


def _whole(schema: type[Schema]) -> Schema:
    """What a schema does not name is not changed by templates, or may be anything."""
    return Input.from_dict({"config": fields.Nested(schema, unknown=INCLUDE)})()


_WRITERS: Final[Mapping[str, Mapping[str, templates.Writer]]] = {"http_request": {"config.url": part_of_url}}
SCHEMAS: Final[Mapping[str, Schema | None]] = {
    "ai_call": _whole(AiCall),
    "send_email": _whole(SendEmail),
    "http_request": _whole(HttpRequest),
    "telegram_message": _whole(TelegramMessage),
    "google_sheets_append": _whole(GoogleSheetsAppend),
    "delay": _whole(Delay),
    "approval": _whole(Approval),
    "condition": None,  # these take any values
    "transform": None,
    "for_each": None,  # whether its items are a list is looked at when it is opened
}
