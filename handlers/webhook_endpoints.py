"""What the APIs' webhook endpoints have in common: the input that makes and changes one, and how it is shown.

Each API adds which events may be named. A secret is shown once, in the answer to who set it.
"""

from datetime import datetime
from typing import Any, ClassVar

from config import limits
from hub import fields
from hub.webhooks.endpoints import EVENTS, signing_secret
from hub.webhooks.payloads import camel
from hub.webhooks.signatures import STANDARD, is_standard
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]


class EventNames(fields.Strict):
    """At least one of the events that an API lets an endpoint subscribe to, each once."""

    form: ClassVar[fields.Form] = {"type": "array", "minItems": 1, "maxItems": limits.WEBHOOK_EVENTS_MAX}

    def __init__(self, api: str, **kwargs: Any) -> None:
        super().__init__(bounds={"items": {"type": "string", "enum": list(EVENTS[api])}}, **kwargs)
        self._names = EVENTS[api]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list) or not 0 < len(value) <= limits.WEBHOOK_EVENTS_MAX:
            raise self.fail("must be a list of at least one event")
        if not all(isinstance(name, str) and name in self._names for name in value):
            raise self.fail(f"must be of {', '.join(self._names)}")
        return list(dict.fromkeys(value))


class Secret(fields.Text):
    """Any text that a header could carry; one in the form of Standard Webhooks must be so in full."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            low=8,
            high=limits.WEBHOOK_SECRET_CHARS_MAX,
            pattern=r"[\x21-\x7e]+",
            says="must be printable ASCII, no spaces",
            example="your-webhook-secret",
            **kwargs,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        secret = str(super()._deserialize(value, attr, data, **kwargs))
        if secret.startswith(STANDARD) and not is_standard(secret):
            raise self.fail(f"must be the base64 of 24 to 64 bytes after {STANDARD}")
        return secret


def _url(**kwargs: Any) -> fields.Text:
    return fields.Text(low=1, high=limits.WEBHOOK_URL_CHARS_MAX, example="https://your-app.com/webhook", **kwargs)


class NewEndpointInput(fields.Input):
    """All but the events."""

    url = _url(required=True)
    secret = Secret()
    active = fields.Flag(load_default=True)


class EndpointInput(fields.Change):
    """All but the events."""

    url = _url()
    secret = Secret()
    active = fields.Flag()


def endpoint_view(endpoint: Document, queue: Document) -> Json:
    """With how its deliveries go."""
    view: Json = camel(endpoint_facts(endpoint, queue))
    return view


def endpoint_facts(endpoint: Document, queue: Document) -> Json:
    """What an endpoint is and how its deliveries go, in snake_case. `waiting` are events that are not delivered yet."""
    disabled = endpoint.get("disabled")
    return {
        "id": endpoint["_id"],
        "url": endpoint["url"],
        "events": endpoint["events"],
        "active": endpoint["active"],
        "created_at": timestamp(endpoint["created_at"]),
        "updated_at": timestamp(endpoint["updated_at"]),
        "last_delivery": _moment(queue["last_delivery"]),
        "failing_since": _moment(queue["failing_since"]),
        "waiting": queue["seq"] - queue["done"],
        "dropped": queue["dropped"],
        "disabled": None if disabled is None else {"at": timestamp(disabled["at"]), "reason": disabled["reason"]},
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def told_once(secret: str) -> Json:
    """The secret, and for one of plain text the form that Standard Webhooks libraries take."""
    standard = signing_secret(secret)
    return {"secret": secret} if standard is None else {"secret": secret, "signing_secret": standard}
