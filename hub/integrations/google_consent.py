"""How a user lets the hub use a Google account: the way to Google's consent page, and the code that comes back.

    begin --state, cookie--> Google --code--> finish --tokens--> Integrations         (our own pages)
                             Google --code--> a program of the user's --exchange----> (the documented call)

A state is good for one use, by the browser that began: nobody can have another's account connected to their own user.
"""

import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import structlog

from config import limits
from config.settings import Settings
from hub import one_time
from hub.errors import Code, HubError, invalid
from hub.google import Attempt, Google
from hub.google_sign_in import Beginning
from models import one_time as stored
from models.clock import now
from models.database import Database

log = structlog.get_logger(__name__)

SCOPES: Final = (
    "https://www.googleapis.com/auth/spreadsheets",
    "https://www.googleapis.com/auth/drive.file",
)
CALLBACK: Final = "/api/integrations/google/callback"
_POPUP: Final = "postmessage"  # what Google's own script for pages names in the place of an address
_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_KIND: Final = "integration"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What Google gave. `expires_at` is in seconds since 1970, of the access token alone; `scopes` is what it stands for."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: int
    scopes: Sequence[str] = SCOPES


class GoogleConsent:
    """One per process. Methods raise `HubError` UNAVAILABLE where Google is away, or is not set up on this hub."""

    def __init__(self, settings: Settings, database: Database, google: Google) -> None:
        self._settings = settings
        self._database = database
        self._google = google
        self._callback = f"{settings.public_url}{CALLBACK}"

    async def begin(self, user: str, browser: str) -> Beginning:
        """`browser` is the secret that the browser has from a start before, or ""."""
        self.check_set_up()
        nonce, verifier, fresh = (secrets.token_urlsafe(32) for _ in range(3))
        browser = browser if _BROWSER.fullmatch(browser) else fresh
        data = {"verifier": verifier, "browser": one_time.digest(browser)}
        state, document = one_time.issue(_KIND, limits.OAUTH_STATE_SECONDS, user, **data)
        address = await self._google.consent_address(Attempt(state, nonce, verifier), self._callback, SCOPES)
        await stored.add(self._database, document)
        return Beginning(address, browser)

    async def finish(self, state: str, browser: str) -> tuple[str, str]:
        """Whose the state was, once, and the verifier that goes with its code. Raises `HubError` FORBIDDEN."""
        record = await stored.use(self._database, one_time.digest(state), _KIND, now())
        if record is None or not hmac.compare_digest(record["data"]["browser"], one_time.digest(browser)):
            raise HubError(Code.FORBIDDEN, "This connection was not begun in this browser, or long ago")
        return record["user"], record["data"]["verifier"]

    async def exchange(self, code: str, redirect_uri: str | None, verifier: str | None) -> Tokens:
        """The tokens for a code that was made for `redirect_uri`, which is our own callback where none is given.

        Raises `HubError` INVALID: a code that Google does not take, or that stands for too little.
        """
        self.check_set_up()
        if redirect_uri not in (None, _POPUP, self._callback, *self._settings.oauth_redirects):
            raise invalid("redirect_uri", "is not an address that a consent may end at")
        proof = {} if verifier is None else {"code_verifier": verifier}
        form = {"code": code, "redirect_uri": redirect_uri or self._callback, **proof}
        status, answer = await self._google.tokens("authorization_code", **form)
        if 400 <= status < 500:
            log.info("Google refused a code", status=status, error=str(answer.get("error"))[:100])
            raise invalid(
                "oauth_code", "is not a code that Google takes: it is used up, expired, or of another address"
            )
        return _granted(answer)

    async def renew(self, tokens: Tokens) -> Tokens | None:
        """With a fresh access token; None where Google says that the consent has ended."""
        self.check_set_up()
        status, answer = await self._google.tokens("refresh_token", refresh_token=tokens.refresh)
        if status == 400 and answer.get("error") == "invalid_grant":
            return None
        if not isinstance(answer.get("access_token"), str):
            raise _senseless()
        given = answer.get("refresh_token")
        return _tokens(answer, given if isinstance(given, str) else tokens.refresh, tokens.scopes)

    async def revoke(self, tokens: Tokens) -> None:
        await self._google.revoke(tokens.refresh)

    def check_set_up(self) -> None:
        """Raises `HubError` UNAVAILABLE on a hub that has no client at Google."""
        if not self._google.configured:
            message = "Google is not set up on this hub: GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are missing"
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=3_600.0)


def _granted(answer: Mapping[str, Any]) -> Tokens:
    """Raises `HubError` INVALID where what the user has allowed is too little, or does not last."""
    scopes = answer.get("scope")
    if isinstance(scopes, str) and not set(scopes.split()).intersection(SCOPES):
        raise invalid("oauth_code", "does not stand for access to Google Sheets: allow it on Google's page")
    if not isinstance(answer.get("access_token"), str):
        raise _senseless()
    refresh = answer.get("refresh_token")
    if not isinstance(refresh, str):
        raise invalid(
            "oauth_code", "does not stand for lasting access: ask Google with access_type=offline and prompt=consent"
        )
    return _tokens(answer, refresh, SCOPES)


def _tokens(answer: Mapping[str, Any], refresh: str, scopes: Sequence[str]) -> Tokens:
    """`scopes` holds where the answer names none (RFC 6749, 5.1)."""
    seconds = answer.get("expires_in")
    life = seconds if isinstance(seconds, int) and 0 < seconds <= limits.OAUTH_METADATA_SECONDS * 24 else 0
    given = answer.get("scope")
    granted = tuple(given.split()) if isinstance(given, str) else scopes
    return Tokens(answer["access_token"], refresh, int((now() + timedelta(seconds=life)).timestamp()), granted)


def _senseless() -> HubError:
    log.warning("Google's answer has no access token")
    return HubError(Code.UNAVAILABLE, "Google does not answer as it should just now", retry_after_seconds=30.0)
