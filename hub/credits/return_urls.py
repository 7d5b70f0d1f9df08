"""Where a payer goes on after a checkout: an address that others gave us. It is checked, and only ever shown as a link."""

from typing import Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

from config import assistant
from hub.errors import invalid
from hub.fields import ByRule, Form

FIELD: Final = "return_url"


class ReturnUrl(ByRule):
    """An absolute http or https address."""

    form: ClassVar[Form] = {
        "type": "string",
        "format": "uri",
        "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
        "maxLength": assistant.RETURN_URL_CHARS_MAX,
        "examples": ["https://your-app.com/credits/success"],
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(check, **kwargs)


def check(value: object) -> str:
    """The address as it came. Raises `HubError` INVALID."""
    if not isinstance(value, str):
        raise invalid(FIELD, "must be a string")
    if len(value) > assistant.RETURN_URL_CHARS_MAX:
        raise invalid(FIELD, f"must have at most {assistant.RETURN_URL_CHARS_MAX} characters")
    if not _is_absolute(value):
        raise invalid(FIELD, "must be an absolute http or https address", value)
    return value


def _is_absolute(text: str) -> bool:
    """Browsers read a backslash as a slash: with one, the host that is shown could be another than that which is visited."""
    if "\\" in text or not text.isprintable() or any(char.isspace() or "\ud800" <= char <= "\udfff" for char in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def link(url: str, session: str, status: str) -> str:
    """The same address, told of which checkout the visitor comes and how it stands. Its own query stays as it is, byte by
    byte: it may be in any form, and signed.
    """
    told, parts = {"session_id": session, "status": status}, urlsplit(url)
    own = "&".join(piece for piece in parts.query.split("&") if piece.partition("=")[0] not in told)
    return parts._replace(query=f"{own}&{urlencode(told)}" if own else urlencode(told)).geturl()


def host(url: str) -> str:
    return urlsplit(url).hostname or ""
