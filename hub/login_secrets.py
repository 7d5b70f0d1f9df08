"""The secrets of a login: its refresh token and its cookie, both `<login id>.<43 random characters>`.

They are shown once. The database keeps their SHA-256, which is enough for 256 random bits.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from config import limits
from models.database import Document
from models.ids import new_id
from models.logins import new_login


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A login about to be stored, and its secrets for who signs in."""

    document: Document
    refresh_token: str = field(repr=False)
    cookie: str = field(repr=False)


def start(user_id: str, moment: datetime) -> NewLogin:
    login_id = new_id("login")
    refresh_token, cookie = new_secret(login_id), new_secret(login_id)
    document = new_login(login_id, user_id, digest(refresh_token), digest(cookie), moment, end(moment))
    return NewLogin(document, refresh_token, cookie)


def end(moment: datetime) -> datetime:
    """When a login used at `moment` ends by itself."""
    return moment + timedelta(seconds=limits.LOGIN_SECONDS)


def new_secret(login_id: str) -> str:
    return f"{login_id}.{secrets.token_urlsafe(32)}"


def login_of(value: object) -> str | None:
    """The login that a secret names; None for what cannot be one of ours."""
    if not isinstance(value, str) or len(value) > limits.COOKIE_CHARS_MAX or not value.isascii():
        return None
    login_id, dot, secret = value.partition(".")
    return login_id if dot and secret and is_login(login_id) else None


def is_login(credential_id: str | None) -> bool:
    """Whether an id is that of a login, and not that of an API key."""
    return credential_id is not None and credential_id.startswith("login_")


def digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def matches(value: str, stored_digest: str) -> bool:
    return hmac.compare_digest(digest(value), stored_digest)
