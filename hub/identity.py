"""Identity: sign-up, sign-in, and the one function from a credential to who is asking.

    register, login, refresh --> LoginResult (access token, refresh token, cookie: three credentials of one login)
    resolve(credential) --> cache --miss--> login and user from the database --> Identity

It never knows a header or a cookie's attributes, and never moves money by itself: a sign-up is one operation of the ledger.
Reads let `DatabaseError`s out; whoever answers the caller says that we are unavailable.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog

from config import limits
from config.settings import Settings
from hub import identity_input, key_secrets, login_secrets, mail_jobs, signup
from hub.access_tokens import AccessTokens
from hub.errors import Code, HubError
from hub.identity_cache import Credential, Identity, IdentityCache, KeyLimits, cache_key
from hub.key_uses import KeyUses
from hub.ledger import Ledger
from hub.login_secrets import NewLogin
from hub.operations import Insert
from hub.passwords import Passwords
from hub.realtime.broker import Broker
from hub.revocations import Revocations
from hub.second_factor import SecondFactor
from hub.signup import Registration
from hub.throttle import Throttle
from models import api_keys, counters, logins, users
from models.clock import now
from models.database import Database, Document

__all__ = ["Credential", "Identities", "Identity", "LoginResult", "Registration"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoginResult:
    """A login's user, without the password, and its credentials; `expires_in` is the access token's life in seconds.

    `cookie` is None after a refresh: the one that the login began with stays.
    """

    user: Document
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in: int
    cookie: str | None = field(repr=False)


class Identities:
    """Everyone who may ask something of this hub. One per process."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        ledger: Ledger,
        broker: Broker,
        access_tokens: AccessTokens,
        passwords: Passwords,
        throttle: Throttle,
        wake_mail: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings
        self._database = database
        self._ledger = ledger
        self._access_tokens = access_tokens
        self._passwords = passwords
        self.throttle = throttle
        self._wake_mail = wake_mail
        self._cache = IdentityCache()
        self._refreshing: set[str] = set()
        self.key_uses = KeyUses(database)
        self.revocations = Revocations(database, broker, self._cache)
        self.second_factor = SecondFactor(settings.jwt_secret, database, ledger, wake_mail)

    def close(self) -> None:
        self.revocations.close()

    async def follow(self) -> None:
        """Run as a task: hears of revocations even where the broker lost the message."""
        await self.revocations.follow()

    # --- who is asking -------------------------------------------------------------------------------------

    async def resolve(self, credential: Credential) -> Identity:
        """Who a credential stands for. Reads nothing from the database within 30 seconds of the last time.

        Raises `HubError` UNAUTHENTICATED, or `DatabaseError`.
        """
        identity = await self._resolve(credential)
        if identity.key_id is not None:
            self.key_uses.note(identity.key_id)
        return identity

    async def _resolve(self, credential: Credential) -> Identity:
        size = len(credential.value)
        if not 0 < size <= limits.ACCESS_TOKEN_CHARS_MAX or not credential.value.isascii():
            raise _unauthenticated()
        key = cache_key(credential)
        for _ in range(limits.IDENTITY_READ_TRIES):
            cached = self._cache.get(key)
            if cached is not None:
                return cached
            drops = self._cache.drops
            identity = await self._read(credential)
            if drops == self._cache.drops:  # else a revocation came meanwhile, and what was read may be older
                self._cache.put(key, identity)
                return identity
        return await self._read(credential)

    async def _read(self, credential: Credential) -> Identity:
        if credential.kind == "cookie":
            return await self._read_cookie(credential.value)
        if hmac.compare_digest(credential.value.encode(), self._settings.service_token.encode()):
            return _SERVICE
        if key_secrets.looks_like_one(credential.value):
            return await self._read_key(credential.value)
        claims = self._access_tokens.read(credential.value)
        login = await self._standing_login(claims.login)
        if login["user"] != claims.user:
            raise _unauthenticated()
        user = _active(await users.by_id(self._database, claims.user))
        return _identity(user, "token", claims.login, float(claims.expires_at))

    async def _read_cookie(self, value: str) -> Identity:
        login_id = login_secrets.login_of(value)
        if login_id is None:
            raise _unauthenticated()
        login = await self._standing_login(login_id)
        if not login_secrets.matches(value, login["cookie_hash"]):
            raise _unauthenticated()
        user = _active(await self._user_of(login))
        return _identity(user, "cookie", login_id, login["expires_at"].timestamp())

    async def _read_key(self, value: str) -> Identity:
        key = await api_keys.by_digest(self._database, key_secrets.digest(value))
        if key is None or (key["expires_at"] is not None and key["expires_at"] <= now()):
            raise _unauthenticated()
        return _key_identity(key, _active(await users.by_id(self._database, key["user"])))

    async def _standing_login(self, login_id: str) -> Document:
        """A login that has not ended; the database removes expired ones up to a minute late."""
        login = await logins.by_id(self._database, login_id)
        if login is None or login["expires_at"] <= now():
            raise _unauthenticated()
        return login

    async def _user_of(self, login: Document) -> Document | None:
        """The user of a cookie's login, which each use puts off again, written once an hour."""
        moment = now()
        if moment - login["last_used_at"] < timedelta(seconds=limits.LOGIN_SLIDE_SECONDS):
            return await users.by_id(self._database, login["user"])
        await logins.slide(self._database, login["_id"], moment, login_secrets.end(moment))
        return await users.seen(self._database, login["user"], moment)

    # --- signing up and in ---------------------------------------------------------------------------------

    async def register(self, registration: Registration) -> LoginResult:
        """Make a user with a wallet, welcome credits and a first login, all or nothing.

        A taken address costs the same hash as a free one. Raises `HubError`: INVALID, RATE_LIMITED, CONFLICT naming the
        field, UNAVAILABLE, OUTCOME_UNKNOWN.
        """
        signup.check(registration)
        await self.throttle.registration(registration.address)
        result = await self._create(registration, "user", verify=True)
        self._wake_mail()
        return result

    async def create(self, registration: Registration, role: str = "user") -> LoginResult:
        """`register` without a limit and with any role: for the operator, not for strangers."""
        signup.check(registration)
        return await self._create(registration, role, verify=False)

    async def _create(self, registration: Registration, role: str, verify: bool) -> LoginResult:
        password = await self._passwords.hash(registration.password)
        number = await counters.next_number(self._database, users.NUMBERS)
        user = signup.new_user(registration, password, number, role)
        return await self._sign_up(user, [mail_jobs.promised("verify", user["_id"])] if verify else [])

    async def _sign_up(self, user: Document, also: Sequence[Insert] = ()) -> LoginResult:
        login = login_secrets.start(user["_id"], user["created_at"])
        credits = self._settings.signup_credits_micro
        await self._ledger.commit(signup.operation(user, login.document, credits, also))
        return self._result(user, login)

    async def create_by_google(self, email: str, subject: str, first_name: str, last_name: str) -> str:
        """A user without a password; the id. Raises `HubError`: INVALID, CONFLICT (taken meanwhile), UNAVAILABLE."""
        number = await counters.next_number(self._database, users.NUMBERS)
        user = signup.new_google_user(email, subject, first_name, last_name, number)
        return str((await self._sign_up(user)).user["_id"])

    async def show_second(self, user_id: str, code: str | None, field: str) -> bool:
        """Whether who has been recognised by other means has passed the second factor; False where they have none.

        `field` is what `code` is called where it is sent. Raises `HubError`: UNAUTHENTICATED for who may not sign in, or
        where a code is missing; BAD_CREDENTIALS, RATE_LIMITED.
        """
        user = _active(await users.by_id(self._database, user_id))
        if code is not None and user.get("two_factor"):
            await self.throttle.second_factor(user_id)
        passed = await self.second_factor.check(user, code, field)
        if passed:
            await self.throttle.second_factor_shown(user_id)
        return passed

    async def login(
        self, email: str, password: str, address: str, device: Credential | None = None, code: str | None = None
    ) -> LoginResult:
        """Sign in. A `device` that holds a login of this very account keeps its owner from being locked out by others.

        `code` is of the second factor, and looked at once the password is right: whoever has not got that learns nothing.
        Raises `HubError`: INVALID, RATE_LIMITED, BAD_CREDENTIALS (the same for an unknown address, and the same work),
        FORBIDDEN (right password, suspended user), UNAVAILABLE; UNAUTHENTICATED and BAD_CREDENTIALS that name `code`.
        """
        key = identity_input.key(identity_input.email(email))
        known_login = await self._known_login(device, key)
        await self.throttle.login(key, address, known_login)
        user = await users.by_email(self._database, key)
        if not await self._passwords.verify(password, user["password"] if user else None) or user is None:
            raise HubError(Code.BAD_CREDENTIALS, "Invalid email or password")
        passed = await self.second_factor.check(user, code)  # wrong ones count as wrong passwords do
        await self.throttle.succeeded(key, known_login)
        if user["status"] != "active":
            raise HubError(Code.FORBIDDEN, "This account is suspended")
        return await self.sign_in(user["_id"], passed=passed, by_password=user["password"])

    async def _known_login(self, device: Credential | None, email_key: str) -> str | None:
        """The login that a device already has, if it is one of this account."""
        if device is None:
            return None
        try:
            identity = await self.resolve(device)
        except HubError:
            return None
        return identity.login_id if identity.user.get("email_key") == email_key else None

    async def sign_in(self, user_id: str, *, passed: bool = False, by_password: str | None = None) -> LoginResult:
        """A new login for who has been recognised, never one that was there before: what an attacker planted gains nothing.

        `by_password` is the hash that was compared, `passed` whether the second factor was shown. Whoever changes the one or
        switches on the other ends the logins that they find; a login that came too late for that finds the user's document
        changed, because all of them write it. Raises `HubError`: UNAUTHENTICATED where they may not, BAD_CREDENTIALS.
        """
        moment = now()
        login = login_secrets.start(user_id, moment)
        await logins.add(self._database, login.document)
        user = _active(await users.seen(self._database, user_id, moment))
        if by_password is not None and user["password"] != by_password:
            await self.revoke_login(login.document["_id"], user_id, "password_changed")
            raise HubError(Code.BAD_CREDENTIALS, "Invalid email or password")
        if user.get("two_factor") and not passed:
            await self.revoke_login(login.document["_id"], user_id, "two_factor_on")
            raise _unauthenticated()
        return self._result(user, login)

    def _result(self, user: Document, login: NewLogin) -> LoginResult:
        token, seconds = self._access_tokens.issue(user["_id"], login.document["_id"], user["role"])
        return LoginResult(users.without_password(user), token, login.refresh_token, seconds, login.cookie)

    async def refresh(self, refresh_token: str) -> LoginResult:
        """Exchange a refresh token for a new pair, once.

        One that comes again after its exchange was stolen, from one side or the other: the whole login ends. Copies that
        arrive *while* it is being exchanged are only refused: a page's two requests are no theft. There is no grace
        beyond that; on another node, which cannot see the exchange under way, such a copy counts as a reuse.

        Raises `HubError` UNAUTHENTICATED.
        """
        login_id = login_secrets.login_of(refresh_token)
        if login_id is None or refresh_token in self._refreshing:
            raise _bad_refresh()
        self._refreshing.add(refresh_token)
        try:
            return await self._rotate(login_id, refresh_token)
        finally:
            self._refreshing.discard(refresh_token)

    async def _rotate(self, login_id: str, old: str) -> LoginResult:
        moment = now()
        fresh, used = login_secrets.new_secret(login_id), login_secrets.digest(old)
        end = login_secrets.end(moment)
        login = await logins.rotate(self._database, login_id, used, login_secrets.digest(fresh), moment, end)
        if login is None:
            await self._end_if_reused(login_id, used)
            raise _bad_refresh()
        user = _active(await users.seen(self._database, login["user"], moment))
        token, seconds = self._access_tokens.issue(user["_id"], login_id, user["role"])
        return LoginResult(users.without_password(user), token, fresh, seconds, None)

    async def _end_if_reused(self, login_id: str, used: str) -> None:
        login = await logins.by_id(self._database, login_id)
        if login is not None and used in login["used_refresh"]:
            log.warning("a used refresh token came again", user=login["user"], login=login_id)
            await self.revoke_login(login_id, login["user"], "refresh_reused")

    # --- signing out and being put out ---------------------------------------------------------------------

    async def logout(self, identity: Identity) -> None:
        """End the login that asked; an API key or the service has none."""
        if identity.login_id is not None:
            await self.revoke_login(identity.login_id, identity.user_id, "logout")

    async def revoke_login(self, login_id: str, user_id: str, reason: str) -> None:
        """End one login on every node, with its sockets and generations."""
        await self.revocations.end(user_id, reason, login_id)

    async def change_user(self, user_id: str, changes: dict[str, Any]) -> Document:
        """Change a user's document, and have every node read it again. Raises `HubError` NOT_FOUND, `DuplicateKey`."""
        user = await users.change(self._database, user_id, changes, now())
        if user is None:
            raise HubError(Code.NOT_FOUND, "No such user")
        await self.revocations.changed(user_id)
        return users.without_password(user)


_SERVICE = Identity("service", "service", "enterprise", "service", None, None, None, None, {})


def _identity(user: Document, kind: Any, login_id: str | None, expires_at: float | None) -> Identity:
    shown = users.without_password(user)
    return Identity(user["_id"], user["role"], user["tier"], kind, login_id, None, None, expires_at, shown)


def _key_identity(key: Document, user: Document) -> Identity:
    permissions = None if key["permissions"] is None else frozenset(key["permissions"])
    expires_at = None if key["expires_at"] is None else key["expires_at"].timestamp()
    identity = _identity(user, "key", None, expires_at)
    return replace(identity, key_id=key["_id"], permissions=permissions, limits=_key_limits(key["limits"]))


def _key_limits(given: Document) -> KeyLimits | None:
    if not any(value is not None for value in given.values()):
        return None
    models = None if given["models"] is None else frozenset(given["models"])
    return KeyLimits(**{**given, "models": models})


def _active(user: Document | None) -> Document:
    if user is None or user["status"] != "active":
        raise _unauthenticated()
    return user


def _unauthenticated() -> HubError:
    return HubError(Code.UNAUTHENTICATED, "Invalid or expired credentials")


def _bad_refresh() -> HubError:
    return HubError(Code.UNAUTHENTICATED, "Invalid or expired refresh token")
