"""Signing in by Google: from the wish to a login, over two redirects and a code that is good for a minute.

    begin --state, cookie--> Google --code--> finish --one-use code--> the page it began on --> exchange --> login

What is remembered between the steps lies in the database under the SHA-256 of what the browser carries, so that any node can
take the next step. An account is found by Google's own id; an address alone opens one only where both sides have confirmed
it, for whoever signed up with somebody else's address must not get their company.
"""

import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog

from config import assistant, limits
from config.settings import Settings
from hub import identity_input, one_time
from hub.accounts import Accounts
from hub.errors import Code, HubError, invalid
from hub.google import Attempt, Google, GoogleIdentity
from hub.identity import Identities, LoginResult
from models import one_time as stored
from models import users
from models.clock import now
from models.database import Database, Document

log = structlog.get_logger(__name__)

_BROWSER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ERRORS: Final = frozenset({"access_denied", "temporarily_unavailable", "server_error"})


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where the browser goes, and the secret that it keeps in a cookie until it is back."""

    address: str
    browser: str = field(repr=False)


class GoogleSignIn:
    """One per process."""

    def __init__(
        self, settings: Settings, database: Database, identities: Identities, accounts: Accounts, google: Google
    ) -> None:
        self._settings = settings
        self._database = database
        self._identities = identities
        self._accounts = accounts
        self._google = google
        self._own = f"{settings.public_url}/auth/callback"

    @property
    def configured(self) -> bool:
        return self._google.configured

    async def begin(self, redirect: str | None, passed: str | None, browser: str) -> Beginning:
        """Start towards Google. `passed` is a text of the caller's that comes back with the end.

        `browser` is the secret that the browser has from a start before, or "": two tabs share it, so that each finishes.

        Raises `HubError`: UNAVAILABLE, INVALID (a redirect that is not on the list).
        """
        if not self.configured:
            message = (
                "Sign-in by Google is not set up on this hub: GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are missing"
            )
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=3_600.0)
        target = redirect if redirect is not None else self._own
        if target not in self._settings.oauth_redirects:
            raise invalid("redirect_uri", "is not an address that a sign-in may end at")
        nonce, verifier, fresh = (secrets.token_urlsafe(32) for _ in range(3))
        browser = browser if _BROWSER.fullmatch(browser) else fresh
        data = {"target": target, "passed": passed, "nonce": nonce, "verifier": verifier, "browser": _hash(browser)}
        state, document = one_time.issue("state", limits.OAUTH_STATE_SECONDS, **data)
        address = await self._google.authorization_address(Attempt(state, nonce, verifier))
        await stored.add(self._database, document)
        return Beginning(address, browser)

    async def finish(self, state: str, browser: str, code: str | None, error: str | None) -> str:
        """The browser is back: where it goes now, with a `code` to exchange or with an `error`.

        An unknown state leads to our own page alone: where it began cannot be known. Nothing here signs anybody in.
        """
        record = await stored.use(self._database, one_time.digest(state), "state", now())
        if record is None or not hmac.compare_digest(record["data"]["browser"], _hash(browser)):
            return _with(self._own, error="invalid_state")
        data = record["data"]
        if error is not None or code is None:
            return _back(data, error=error if error in _ERRORS else "server_error")
        try:
            identity = await self._google.identify(code, Attempt(state, data["nonce"], data["verifier"]))
            user = await self._user_of(identity)
        except HubError as refusal:
            return _back(data, error=_word(refusal))
        return _back(data, code=await self._code(user, data))

    async def _code(self, user_id: str, data: Mapping[str, Any]) -> str:
        """What the page exchanges for a login; who has a second factor needs a while for it."""
        user = await users.by_id(self._database, user_id)
        waits = user is not None and bool(user.get("two_factor"))
        seconds = assistant.TWO_FACTOR_TICKET_SECONDS if waits else limits.OAUTH_CODE_SECONDS
        browser = data["browser"] if data["target"] == self._own else None
        secret, document = one_time.issue("code", seconds, user_id, browser=browser)
        await stored.add(self._database, document)
        return secret

    async def exchange(self, code: str, browser: str, second: str | None, field: str) -> LoginResult:
        """A login for the code, once. One that was made for our own page is of use to the browser that began alone.

        Who has a second factor shows it here too: `second`, which whoever sends it calls `field`. Until that is right the
        sign-in's own code stays good. Raises `HubError`: UNAUTHENTICATED, and as `Identities.show_second` does.
        """
        digest = one_time.digest(code)
        record = await stored.standing(self._database, digest, "code", now())
        if record is None:
            raise _bad_code()
        bound = record["data"]["browser"]
        if bound is not None and not hmac.compare_digest(bound, _hash(browser)):
            await stored.use(self._database, digest, "code", now())  # who has stolen it is not to leave it standing
            raise _bad_code()
        passed = await self._identities.show_second(record["user"], second, field)
        if await stored.use(self._database, digest, "code", now()) is None:  # a twin was faster
            raise _bad_code()
        return await self._identities.sign_in(record["user"], passed=passed)

    # --- who that is here ----------------------------------------------------------------------------------

    async def _user_of(self, identity: GoogleIdentity) -> str:
        """The id of the user, found, joined or made. Raises `HubError`: FORBIDDEN, CONFLICT, INVALID, UNAVAILABLE."""
        user = await users.by_google(self._database, identity.subject)
        if user is None:
            user = await self._by_address(identity)
        if user is None:
            return await self._made(identity)
        if user["status"] != "active":
            raise HubError(Code.FORBIDDEN, "This account is suspended")
        return str(user["_id"])

    async def _by_address(self, identity: GoogleIdentity) -> Document | None:
        """A user with the same address, joined to this Google account, where both sides have confirmed it."""
        if not identity.email_verified:
            raise HubError(Code.FORBIDDEN, "Google has not confirmed this address")
        key = identity_input.key(identity_input.email(identity.email))
        user = await users.by_email(self._database, key)
        if user is None or user["status"] != "active":
            return user
        await self._accounts.join_google(user["_id"], key, identity.subject)
        log.info("a user was joined to a Google account", user=user["_id"])
        return user

    async def _made(self, identity: GoogleIdentity) -> str:
        try:
            return await self._identities.create_by_google(
                identity.email, identity.subject, identity.first_name, identity.last_name
            )
        except HubError as error:
            user = await users.by_google(self._database, identity.subject)
            if error.code is not Code.CONFLICT or user is None:
                raise
            return str(user["_id"])  # two tabs at once


def _bad_code() -> HubError:
    return HubError(Code.UNAUTHENTICATED, "Invalid or expired sign-in code")


def _word(refusal: HubError) -> str:
    """What the page is told of a refusal; it has a sentence for each."""
    words: Mapping[Code, str] = {
        Code.FORBIDDEN: "not_allowed",
        Code.CONFLICT: "account_exists",
        Code.INVALID: "not_allowed",
        Code.UNAUTHENTICATED: "not_confirmed",
    }
    return words.get(refusal.code, "temporarily_unavailable")


def _back(data: Mapping[str, Any], **fields: str) -> str:
    passed = {"state": data["passed"]} if data["passed"] is not None else {}
    return _with(data["target"], **fields, **passed)


def _with(address: str, **fields: str) -> str:
    parts = urlsplit(address)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *fields.items()])
    return urlunsplit(parts._replace(query=query))


def _hash(browser: str) -> str:
    return one_time.digest(browser)
