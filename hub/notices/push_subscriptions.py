"""Which browsers a user is told in: made, listed and removed; and what a browser's keys have to be.

A subscription that a browser's login has made goes with that login, however it ends: whoever was signed out (by a new
password, an administrator, or a week of absence) is told nothing more there. The page posts its subscription again when
the same user signs in again. One made by an API key stays until it is removed, or its push service ends it.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec

from config import outgoing
from config.settings import Settings
from hub import outbound
from hub.errors import Code, HubError, invalid
from hub.fields import Text
from hub.identity_cache import Identity
from hub.notices.vapid import Vapid
from hub.safe_http import SafeHttp
from models import logins
from models import push_subscriptions as subscriptions
from models.clock import now
from models.database import Database, Document, DuplicateKey
from models.ids import new_id

# RFC 8291's own (its appendix A).
_EXAMPLE_KEY: Final = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
_TRIES: Final = 3  # two users of one browser at the same moment: one of them comes second


class PublicKey(Text):
    """`p256dh`: a point of the curve P-256, uncompressed, base64url; without padding when it is loaded."""

    def __init__(self, **kwargs: Any) -> None:
        says = "must be an uncompressed P-256 public key, base64url"
        super().__init__(low=87, high=88, pattern="[A-Za-z0-9_-]{87}=?", says=says, example=_EXAMPLE_KEY, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).rstrip("=")
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64.urlsafe_b64decode(text + "="))
        except ValueError:
            raise self.fail(self._says) from None
        return text


class AuthSecret(Text):
    """`auth`: 16 bytes, base64url; without padding when it is loaded."""

    def __init__(self, **kwargs: Any) -> None:
        says = "must be 16 bytes, base64url"
        super().__init__(low=22, high=24, pattern="[A-Za-z0-9_-]{22}(==)?", says=says, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).rstrip("=")


class PushSubscriptions:
    """One per process. All methods raise `DatabaseError`."""

    def __init__(self, settings: Settings, database: Database, http: SafeHttp, vapid: Vapid) -> None:
        self._settings = settings
        self._database = database
        self._http = http
        self._vapid = vapid

    @property
    def public_key(self) -> str:
        """What a browser subscribes by."""
        return self._vapid.public_key

    def check(self, given: Mapping[str, Any]) -> None:
        """Raises `HubError` INVALID for an `endpoint` that is not ours to call, or an `expirationTime` that has passed."""
        if "endpoint" in given:
            self._check_endpoint(given["endpoint"])
        expires_at = given.get("expirationTime")
        if expires_at is not None and expires_at <= now().timestamp() * 1_000:
            raise invalid("expirationTime", "must be in the future")

    def _check_endpoint(self, endpoint: str) -> None:
        self._http.check(endpoint, "endpoint")
        settings = self._settings
        let_through = outbound.is_allowed(endpoint, settings.outbound_allow, not settings.production)
        if urlsplit(endpoint).scheme != "https" and not let_through:
            raise invalid("endpoint", "must be an https address")
        try:
            self._vapid.authorization(endpoint)
        except ValueError:
            raise invalid("endpoint", "must have a host that a push service can have") from None

    async def add(self, caller: Identity, given: Mapping[str, Any], user_agent: str | None) -> Document:
        """Tell the caller by this browser from now on: a `PushSubscription` as browsers write it, once more too.

        Where there are too many, the one that was renewed longest ago goes. Raises `HubError`: INVALID as `check` does,
        CONFLICT where others subscribe the same browser all the time.
        """
        self.check(given)
        put = await self._put(given["endpoint"], _fields(caller, given, user_agent))
        kept = await subscriptions.of_user(self._database, caller.user_id)
        await subscriptions.keep_only(self._database, caller.user_id, [each["_id"] for each in kept])
        return put

    async def _put(self, endpoint: str, fields: Document) -> Document:
        for _ in range(_TRIES):
            try:
                return await subscriptions.put(self._database, new_id("push"), endpoint, fields, now())
            except DuplicateKey:
                continue
        raise HubError(Code.CONFLICT, "This browser is being subscribed by somebody else")

    async def standing(self, user: str) -> list[Document]:
        """A user's subscriptions, newest first. Those whose login has ended are removed now."""
        found = await subscriptions.of_user(self._database, user)
        made_by = {each["login"] for each in found if "login" in each}
        live = await logins.standing(self._database, sorted(made_by), now())
        ended = [each["_id"] for each in found if "login" in each and each["login"] not in live]
        if ended:
            await subscriptions.remove(self._database, user, ended)
        return [each for each in found if each["_id"] not in ended]

    async def remove(self, user: str, subscription_id: str) -> None:
        """Raises `HubError` NOT_FOUND, for somebody else's too."""
        if not await subscriptions.remove(self._database, user, [subscription_id]):
            raise HubError(Code.NOT_FOUND, "No such subscription")


def _fields(caller: Identity, given: Mapping[str, Any], user_agent: str | None) -> Document:
    expires_at = given.get("expirationTime")
    expiry = {} if expires_at is None else {"expires_at": datetime.fromtimestamp(expires_at / 1_000, UTC)}
    return {
        "user": caller.user_id,
        **({} if caller.login_id is None else {"login": caller.login_id}),
        "p256dh": given["keys"]["p256dh"],
        "auth": given["keys"]["auth"],
        "user_agent": (user_agent or "")[: outgoing.USER_AGENT_CHARS_MAX] or None,
        **expiry,
    }
