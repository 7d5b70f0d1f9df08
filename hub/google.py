"""Google as an OpenID provider: discovery, the address to go to, and a code for a checked identity, or for tokens.

    metadata --authorization_address--> browser -> Google -> code --identify--> ID token, checked --> GoogleIdentity
             --consent_address--------> browser -> Google -> code --tokens----> what the user let us do, as Google says it

It knows the protocol alone: PKCE (S256), nonce, signature by the published keys. Who that is here, and whether they may come
in, is the matter of `hub/google_sign_in.py`. Any provider that OpenID Connect discovery describes will do.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
import jwt
import structlog

from config import limits
from config.settings import Settings
from hub import json_input
from hub.errors import Code, HubError

log = structlog.get_logger(__name__)

_ALGORITHMS: Final = ["RS256", "ES256"]  # asymmetric ones alone: a published key must never pass for a shared secret
_OPTIONS: Final[Any] = {"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]}
_LEEWAY_SECONDS: Final = 30
_PATH: Final = "/.well-known/openid-configuration"
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_REVOCATION: Final = "revocation_endpoint"  # which not every provider has
_SUBJECT_CHARS_MAX: Final = 255


@dataclass(frozen=True, slots=True)
class GoogleIdentity:
    """Who Google says that somebody is. `email` counts only where `email_verified`."""

    subject: str
    email: str
    email_verified: bool
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What ties one sign-in together from the way out to the way back."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Google:
    """One per process. All methods raise `HubError` UNAVAILABLE where the provider is away or makes no sense."""

    def __init__(self, settings: Settings) -> None:
        self._id = settings.google_client_id
        self._secret = settings.google_client_secret
        self._issuer = settings.google_issuer_url
        self._callback = f"{settings.public_url}/api/auth/google/callback"
        self._session: aiohttp.ClientSession | None = None
        self._metadata: tuple[float, dict[str, str]] | None = None
        self._keys: tuple[float, dict[str | None, jwt.PyJWK]] | None = None
        self._reading = asyncio.Lock()

    @property
    def configured(self) -> bool:
        return self._id is not None and self._secret is not None

    async def open(self) -> None:
        """Must run in the loop that will use it."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=limits.OAUTH_SECONDS_MAX),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def authorization_address(self, attempt: Attempt) -> str:
        """Where to send the browser, to sign in."""
        return await self._address(attempt, self._callback, "openid email profile", nonce=attempt.nonce)

    async def consent_address(self, attempt: Attempt, callback: str, scopes: Sequence[str]) -> str:
        """Where to send the browser, to let us do something for its user, while the user is away too."""
        lasting = {"access_type": "offline", "prompt": "consent", "include_granted_scopes": "false"}
        return await self._address(attempt, callback, " ".join(scopes), **lasting)

    async def _address(self, attempt: Attempt, callback: str, scope: str, **more: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=")
        fields = {
            "response_type": "code",
            "client_id": self._id or "",
            "redirect_uri": callback,
            "scope": scope,
            "state": attempt.state,
            **more,
            "code_challenge": challenge.decode(),
            "code_challenge_method": "S256",
        }
        endpoint = (await self._endpoints())["authorization_endpoint"]
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(fields)}"

    async def identify(self, code: str, attempt: Attempt) -> GoogleIdentity:
        """Exchange a code, and check whom it stands for. Raises `HubError` UNAUTHENTICATED too."""
        form = {"code": code, "redirect_uri": self._callback, "code_verifier": attempt.verifier}
        status, answer = await self.tokens("authorization_code", **form)
        token = answer.get("id_token")
        if 400 <= status < 500 or not isinstance(token, str):
            log.info("the identity provider refused a code", status=status, error=str(answer.get("error"))[:100])
            raise _refused()
        return _identity(await self._checked(token, attempt.nonce))

    async def tokens(self, grant_type: str, **form: str) -> tuple[int, dict[str, Any]]:
        """The status and the answer of the token endpoint; a refusal is an answer too."""
        ours = {"grant_type": grant_type, "client_id": self._id or "", "client_secret": self._secret or ""}
        return await self._call("POST", (await self._endpoints())["token_endpoint"], {**ours, **form})

    async def revoke(self, token: str) -> None:
        """Have Google forget what the token stands for. Whether it knew the token is not told."""
        endpoint = (await self._endpoints()).get(_REVOCATION)
        if endpoint is not None:
            await self._call("POST", endpoint, {"token": token})

    # --- the ID token --------------------------------------------------------------------------------------

    async def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._id,
                issuer=[self._issuer, self._issuer.removeprefix("https://")],  # Google documents both
                leeway=_LEEWAY_SECONDS,
                options=_OPTIONS,
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            log.warning("an ID token is not as it should be", error=f"{type(error).__name__}: {error}"[:200])
            raise _refused() from error
        if claims["aud"] not in (self._id, [self._id]):
            log.warning("an ID token is meant for others too")
            raise _refused()
        given = claims["nonce"]
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
            log.warning("an ID token has another sign-in's nonce")
            raise _refused()
        return claims

    async def _key(self, key_id: str | None) -> jwt.PyJWK:
        """The published key of this id, read anew where it is not among those we know; without an id the only one."""
        keys = await self._published(limits.OAUTH_METADATA_SECONDS)
        if key_id is None and len(keys) == 1:
            return next(iter(keys.values()))
        if key_id not in keys:
            keys = await self._published(limits.OAUTH_KEYS_RETRY_SECONDS)
        if key_id not in keys:
            log.warning("an ID token names a key that is not published")
            raise _refused()
        return keys[key_id]

    async def _published(self, seconds: float) -> dict[str | None, jwt.PyJWK]:
        if self._keys is not None and time.monotonic() - self._keys[0] < seconds:
            return self._keys[1]
        address = (await self._endpoints())["jwks_uri"]
        status, answer = await self._call("GET", address)
        try:
            keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(answer).keys}
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError) as error:
            raise _away(f"no keys at {address}, status {status}") from error
        self._keys = (time.monotonic(), keys)
        return keys

    # --- the provider --------------------------------------------------------------------------------------

    async def _endpoints(self) -> dict[str, str]:
        """The provider's own description, kept for an hour."""
        async with self._reading:
            if self._metadata is None or time.monotonic() - self._metadata[0] >= limits.OAUTH_METADATA_SECONDS:
                _, answer = await self._call("GET", self._issuer.removesuffix("/") + _PATH)
                self._metadata = (time.monotonic(), self._described(answer))
            return self._metadata[1]

    def _described(self, answer: dict[str, Any]) -> dict[str, str]:
        """Its endpoints, where they are as safe as its own address."""
        if answer.get("issuer") != self._issuer:
            raise _away(f"its description names another issuer: {answer.get('issuer')}")
        found = {name: answer.get(name) for name in _ENDPOINTS}
        schemes = ("https",) if self._issuer.startswith("https:") else ("https", "http")
        for name, address in found.items():
            if not isinstance(address, str) or urlsplit(address).scheme not in schemes:
                raise _away(f"its description has no usable {name}")
        revocation = answer.get(_REVOCATION)
        if isinstance(revocation, str) and urlsplit(revocation).scheme in schemes:
            found[_REVOCATION] = revocation
        return {name: str(address) for name, address in found.items()}

    async def _call(self, method: str, address: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """One bounded call; whatever is not a JSON object counts as an empty one."""
        assert self._session is not None, "opened first"
        try:
            async with self._session.request(method, address, data=form, allow_redirects=False) as response:
                body = await response.content.read(limits.OAUTH_BYTES_MAX)
                while chunk := await response.content.read(limits.OAUTH_BYTES_MAX):
                    body += chunk
                    if len(body) > limits.OAUTH_BYTES_MAX:
                        raise _away("its answer is too large")
        except (aiohttp.ClientError, OSError) as error:
            raise _away(f"{type(error).__name__}: {error}") from error
        if response.status >= 500:
            raise _away(f"status {response.status}")
        try:
            answer = json_input.loads(body, limits.OAUTH_BYTES_MAX)
        except HubError:
            answer = {}
        return response.status, answer if isinstance(answer, dict) else {}


def _identity(claims: dict[str, Any]) -> GoogleIdentity:
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_CHARS_MAX:
        raise _refused()
    first, last = claims.get("given_name"), claims.get("family_name")
    return GoogleIdentity(
        subject=subject,
        email=email if isinstance(email, str) else "",
        email_verified=claims.get("email_verified") is True and isinstance(email, str),
        first_name=first if isinstance(first, str) else "",
        last_name=last if isinstance(last, str) else "",
    )


def _refused() -> HubError:
    return HubError(Code.UNAUTHENTICATED, "The sign-in by Google could not be confirmed")


def _away(reason: str) -> HubError:
    log.warning("the identity provider cannot be used", reason=reason[:200])
    return HubError(Code.UNAVAILABLE, "Google does not answer as it should just now", retry_after_seconds=30.0)
