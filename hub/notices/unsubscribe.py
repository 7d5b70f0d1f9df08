"""Unsubscribing by a link of a letter: whoever has the letter may end its kind, without signing in (RFC 8058).

The link's token names a user and a category, or all mail, under an HMAC whose key comes from the hub's own secret: nothing
is stored, and it is good for as long as that secret is. It can switch mails off and do nothing else, so that a forwarded
letter gives no more away than that.
"""

import hmac
from base64 import urlsafe_b64encode
from typing import Final

from config.settings import Settings
from hub.errors import Code, HubError
from models import notification_settings
from models.clock import now
from models.database import Database

ALL: Final = "all"  # in the place of a category: the whole medium
_MEDIUM: Final = "email"
_PURPOSE: Final = b"unsubscribe from notifications by mail"  # no other signature of this secret is one of these


class Unsubscribing:
    """One per process; processes with the same secret know each other's links."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._key = hmac.digest(settings.jwt_secret.encode(), _PURPOSE, "sha256")
        self._public_url = settings.public_url
        self._database = database

    def link(self, user: str, what: str) -> str:
        """The address that ends mails of a category, or `ALL`, to a user."""
        named = f"{user}.{what}"
        return f"{self._public_url}/unsubscribe?token={named}.{self._signature(named)}"

    def named(self, token: str) -> tuple[str, str]:
        """The user and the category, or `ALL`. Raises `HubError` INVALID for what is no token of ours."""
        named, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(named).encode()):
            raise HubError(Code.INVALID, "token: this is not a link that the hub has mailed")
        user, _, what = named.rpartition(".")
        return user, what

    async def switch_off(self, token: str) -> str:
        """No more mails of what the token names, which is returned. Raises `HubError` INVALID or `DatabaseError`."""
        user, what = self.named(token)
        off = {_MEDIUM: False}
        media, categories = (off, {}) if what == ALL else ({}, {what: off})
        await notification_settings.change(self._database, user, media, categories, now())
        return what

    def _signature(self, named: str) -> str:
        digest = hmac.digest(self._key, named.encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")
