"""What each type of trigger and of node may say: a schema for each.

Texts are templates (`templates.py`), but for names that must be known when a definition is saved: models, methods,
operators. A text without a path is checked here as what it is to be, one with a path when it is rendered.

`{{id.output}}` of a node is, by its type:

    ai_call               the answer's text                       condition   whether it was met
    send_email            {"message_id", "to", "subject"}         transform   what it sets
    http_request          {"status", "headers", "body"}           delay       null
    telegram_message      {"message_id", "chat_id"}               for_each    a list: the last output of each item
    google_sheets_append  {"range", "rows"}                       approval    {"by", "comment"}; a refusal is an error
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from marshmallow import Schema, ValidationError, validates_schema

from config import limits as hub_limits
from config import outgoing
from config import workflows as limits
from hub import identity_input
from hub.errors import invalid
from hub.fields import Choice, Flag, Input, Integer, Nested, Number, Text, parse_moment
from hub.profile_fields import Timezone
from hub.workflows.definitions import conditions
from hub.workflows.definitions.fields import ByType, Cron, Items, ListOrPath, Notes, OneOrItems, Template, Tree

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
# By these a request would be another than the one that was checked; the connection's own are not an author's.
_HEADERS_REFUSED: Final = frozenset(
    {*("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"), "cookie"}
)


def _text(high: int = limits.TEXT_CHARS_MAX, **kwargs: Any) -> Template:
    return Template(low=1, high=high, **kwargs)


def _is_moment(text: str) -> None:
    try:
        parse_moment(text)
    except ValueError:
        raise invalid("until", "must be an ISO 8601 date-time") from None


def _is_line(text: str) -> None:
    """It stands in the head of a mail, or is a name at another company."""
    if not text.isprintable():
        raise invalid("text", "must be one line of printable characters")


# --- what builders draw -----------------------------------------------------------------------------------------


class Position(Input):
    """Where something stands on a builder's canvas, in its own unit."""

    x = Number(low=-limits.POSITION_MAX, high=limits.POSITION_MAX, required=True)
    y = Number(low=-limits.POSITION_MAX, high=limits.POSITION_MAX, required=True)


class Drawn(Input):
    """What is kept for whoever draws a workflow, and changes nothing of what it does."""

    name = Text(high=limits.LABEL_CHARS_MAX)
    position = Nested(Position)
    ui = Notes()


# --- triggers ---------------------------------------------------------------------------------------------------


class ScheduleConfig(Input):
    cron = Cron(required=True)
    timezone = Timezone()


class WebhookConfig(Input):
    path = Text(high=limits.LABEL_CHARS_MAX)  # a label: the address is answered when the workflow is made


class TelegramConfig(Input):
    chat_id = Text(low=1, high=limits.LABEL_CHARS_MAX)  # messages of other chats start nothing


def _trigger(config: type[Schema], *, required: bool = False) -> type[Schema]:
    kind = Text(high=limits.TYPE_CHARS_MAX, required=True)
    return Drawn.from_dict({"type": kind, "config": Nested(config, required=required)})


TRIGGERS: Final[Mapping[str, type[Schema]]] = {
    "manual": _trigger(Input),
    "schedule": _trigger(ScheduleConfig, required=True),
    "webhook": _trigger(WebhookConfig),
    "telegram": _trigger(TelegramConfig),
}


# --- what nodes do ----------------------------------------------------------------------------------------------


class AiCallConfig(Input):
    model = Text(low=1, high=limits.LABEL_CHARS_MAX, required=True)
    prompt = _text(limits.PROMPT_CHARS_MAX, required=True)
    system = _text(limits.PROMPT_CHARS_MAX)
    max_tokens = Integer(low=1, high=hub_limits.MAX_TOKENS_MAX)
    temperature = Number(low=0, high=limits.TEMPERATURE_MAX)


class SendEmailConfig(Input):
    """Without a `body` the output of the node before is the body."""

    to = _text(hub_limits.EMAIL_CHARS_MAX, literal=identity_input.email, required=True)
    subject = _text(outgoing.SUBJECT_CHARS_MAX, literal=_is_line, required=True)
    body = _text()


def _is_web_address(text: str) -> None:
    """Whether it may be called the settings say: that is looked at where they are known."""
    if not text.lower().startswith(("http://", "https://")):
        raise invalid("url", "must be an absolute http or https address")


class HttpRequestConfig(Input):
    method = Choice(METHODS, required=True)
    url = _text(hub_limits.WEBHOOK_URL_CHARS_MAX, literal=_is_web_address, required=True)
    headers = Tree(only=(dict,), says="must be an object")
    body = Tree()
    timeout_seconds = Number(low=1, high=outgoing.OUTBOUND_SECONDS_MAX)

    @validates_schema
    def _headers_are_the_authors(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        headers = data.get("headers", {})
        if len(headers) > limits.HEADERS_MAX:
            raise ValidationError(f"must have at most {limits.HEADERS_MAX} headers", "headers")
        if failures := {name: [wrong] for name, value in headers.items() if (wrong := _wrong_header(name, value))}:
            raise ValidationError({"headers": failures})


def _wrong_header(name: str, value: Any) -> str:
    if not _HEADER.fullmatch(name) or name.lower() in _HEADERS_REFUSED:
        return "is no header that a request may set"
    if not isinstance(value, str) or len(value) > limits.HEADER_CHARS_MAX or not value.isprintable():
        return f"must be a string of at most {limits.HEADER_CHARS_MAX} printable characters"
    return ""


class TelegramMessageConfig(Input):
    """Without a `chat_id` it goes to the integration's own chat."""

    chat_id = _text(limits.LABEL_CHARS_MAX, literal=_is_line)
    text = _text(limits.TELEGRAM_TEXT_CHARS_MAX, required=True)


class GoogleSheetsAppendConfig(Input):
    """`values` is a row or a list of rows, or one path that leads to such."""

    spreadsheet_id = _text(limits.LABEL_CHARS_MAX, literal=_is_line, required=True)
    range = _text(limits.LABEL_CHARS_MAX, literal=_is_line, required=True)
    values = ListOrPath(high=limits.SHEET_ROWS_MAX, required=True)


class ConditionConfig(Input):
    left = Tree(required=True, allow_none=True)
    operator = Choice(tuple(conditions.OPERATORS), required=True)
    right = Tree(allow_none=True)

    @validates_schema
    def _right_is_there_where_it_counts(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if ("right" in data) == (data["operator"] in conditions.UNARY):
            must = "must not be there with" if "right" in data else "is required with"
            raise ValidationError(f"{must} {data['operator']}", "right")


class TransformConfig(Input):
    set = Tree(only=(dict,), says="must be an object", required=True)


class DelayConfig(Input):
    """So many seconds from when it is reached, or until a moment; one that is past is no delay."""

    seconds = Number(low=0, high=limits.DELAY_SECONDS_MAX)
    until = _text(limits.LABEL_CHARS_MAX, literal=_is_moment)

    @validates_schema
    def _one_of_them(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if len(data) != 1:
            raise ValidationError("must have either seconds or until")


class ApprovalConfig(Input):
    """`to` is whom to ask, by their address; without it the workflow's owner."""

    message = _text(required=True)
    timeout_seconds = Integer(low=1, high=limits.APPROVAL_SECONDS_MAX)
    to = _text(hub_limits.EMAIL_CHARS_MAX, literal=identity_input.email)


# --- nodes ------------------------------------------------------------------------------------------------------


class Retry(Input):
    """`attempts` has the first one in it. `backoff_seconds` pass before the second, twice as many before each one more."""

    attempts = Integer(low=1, high=limits.RETRY_ATTEMPTS_MAX, required=True)
    backoff_seconds = Number(low=0, high=limits.RETRY_BACKOFF_SECONDS_MAX)


class Node(Drawn):
    """One that fails ends the execution, unless an edge with `on: "error"` leads on from it, or it may `continue`: then its
    output is null.
    """

    id = Text(
        low=1,
        high=limits.NODE_ID_CHARS_MAX,
        pattern="[A-Za-z0-9_-]+",
        says="must have letters, digits, _ and - alone",
        required=True,
    )
    type = Text(high=limits.TYPE_CHARS_MAX, required=True)
    on_error = Choice(("stop", "continue"))


class CallingNode(Node):
    """One that asks somebody else, who may answer another time."""

    retry = Nested(Retry)


def _node(base: type[Node], config: type[Schema]) -> type[Schema]:
    return base.from_dict({"config": Nested(config, required=True)})


# Those that may stand inside a `for_each`: what takes neither time nor decisions.
ITEM_NODES: Final[Mapping[str, type[Schema]]] = {
    "ai_call": _node(CallingNode, AiCallConfig),
    "send_email": _node(CallingNode, SendEmailConfig),
    "http_request": _node(CallingNode, HttpRequestConfig),
    "telegram_message": _node(CallingNode, TelegramMessageConfig),
    "google_sheets_append": _node(CallingNode, GoogleSheetsAppendConfig),
    "transform": _node(Node, TransformConfig),
}


class ForEachConfig(Input):
    """`do` is done for each of `items`, side by side; where it is a list, one after the other for each."""

    items = ListOrPath(high=limits.ITEMS_MAX, required=True)
    do = OneOrItems(ByType(ITEM_NODES), low=1, high=limits.ITEM_NODES_MAX, required=True)


NODES: Final[Mapping[str, type[Schema]]] = {
    **ITEM_NODES,
    "condition": _node(Node, ConditionConfig),
    "delay": _node(Node, DelayConfig),
    "for_each": _node(Node, ForEachConfig),
    "approval": _node(Node, ApprovalConfig),
}

Edge: Final = Input.from_dict(
    {
        "from": Text(low=1, high=limits.NODE_ID_CHARS_MAX, required=True),
        "to": Text(low=1, high=limits.NODE_ID_CHARS_MAX, required=True),
        "when": Flag(),
        "on": Choice(("error",)),
        "id": Text(high=limits.LABEL_CHARS_MAX),  # whatever a builder knows it by
        "label": Text(high=limits.LABEL_CHARS_MAX),
        "ui": Notes(),
    }
)


class DefinitionInput(Input):
    trigger = ByType(TRIGGERS, required=True)
    nodes = Items(ByType(NODES), low=1, high=limits.NODES_MAX, required=True)
    edges = Items(Nested(Edge), low=1, high=limits.EDGES_MAX, required=True)
    ui = Notes()
