"""Access tokens: JWTs that say who someone is for an hour. Signed and read here; whether the login still stands is
`hub/identity.py`'s to know.

Everything that can be refused cheaply is refused before the library sees it: a megabyte costs it 69 ms, and a lone
surrogate makes it raise an error that is none of its own.
"""

import secrets
import time
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jwt

from config import limits
from hub.errors import Code, HubError

ISSUER: Final = "hub"
AUDIENCE: Final = "hub:api"
TYPE: Final = "access"

_ALGORITHM: Final = "HS256"
_HEADER: Final = {"alg": _ALGORITHM, "typ": "JWT"}  # all that a token of ours has: no kid, jku, jwk or crit to believe
_LEEWAY_SECONDS: Final = 30
_OPTIONS: Final[Any] = {
    "require": ["exp", "iat", "aud", "iss", "sub", "jti"],
    "strict_aud": True,
    "enforce_minimum_key_length": True,
}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. Times are epoch seconds."""

    user: str
    login: str
    role: str
    token: str  # its own id
    issued_at: int
    expires_at: int


class AccessTokens:
    """Issues and reads the tokens of one secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def issue(self, user: str, login_id: str, role: str) -> tuple[str, int]:
        """A token and how many seconds it lives."""
        issued = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "sid": login_id,
            "jti": secrets.token_urlsafe(12),
            "typ": TYPE,
            "role": role,
            "iat": issued,
            "exp": issued + limits.ACCESS_TOKEN_SECONDS,
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM), limits.ACCESS_TOKEN_SECONDS

    def read(self, token: str) -> Claims:
        """What a token of ours says. Raises `HubError` UNAUTHENTICATED for anything else, and nothing but that."""
        if not isinstance(token, str) or len(token) > limits.ACCESS_TOKEN_CHARS_MAX or not token.isascii():
            _refuse()
        try:
            if jwt.get_unverified_header(token) != _HEADER:
                _refuse()
            payload = self._decode(token)
        # beside its own errors the library lets some of json's and int's through
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            _refuse()
        return _claims(payload)

    def _decode(self, token: str) -> dict[str, Any]:
        return jwt.decode(
            token,
            self._secret,
            algorithms=[_ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=_LEEWAY_SECONDS,
            options=_OPTIONS,
        )


def _claims(payload: dict[str, Any]) -> Claims:
    texts = [payload.get(name) for name in ("sub", "sid", "role", "jti")]
    times = [payload.get(name) for name in ("iat", "exp")]
    well_formed = all(type(text) is str and text for text in texts) and all(type(moment) is int for moment in times)
    if payload.get("typ") != TYPE or not well_formed:
        _refuse()
    return Claims(
        user=payload["sub"],
        login=payload["sid"],
        role=payload["role"],
        token=payload["jti"],
        issued_at=payload["iat"],
        expires_at=payload["exp"],
    )


def _refuse() -> NoReturn:
    """One answer to every bad token: the reasons are of use only to who forges them. An API key that lost its end comes
    here too, so nothing is said of which credential it was.
    """
    raise HubError(Code.UNAUTHENTICATED, "Invalid or expired credentials") from None
