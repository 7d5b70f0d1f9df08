"""Access tokens, a good one and bad ones of every kind, for tests of each way in which a token comes. No test is in it."""

import base64
import hmac
import json
import math
import time
from typing import Any

import jwt

from config import limits

# A public key as an attacker would have it: readable by everyone, and tried as the HMAC key.
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
"""
_HUGE_NUMBER = b'{"alg":' + b"9" * 2_900 + b"}"


class Forger:
    """Knows the hub's secret, a user and a login of theirs: what is wrong with a token of his is only what its name says."""

    def __init__(self, secret: str, user: str = "user_1", login: str = "login_1") -> None:
        self._secret = secret
        self._user = user
        self._login = login

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Those of a good token; `...` leaves one out."""
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": "hub",
            "aud": "hub:api",
            "sub": self._user,
            "sid": self._login,
            "jti": "one",
            "typ": "access",
            "role": "user",
            "iat": now,
            "exp": now + 600,
        }
        return {name: value for name, value in (claims | changes).items() if value is not ...}

    def signed(self, headers: dict[str, Any] | None = None, **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), self._secret, algorithm="HS256", headers=headers)

    def bad(self) -> dict[str, str]:
        """Bad tokens by what is wrong with them."""
        return self._other_algorithms() | self._other_headers() | self._wrong_claims() | self._no_tokens()

    def _other_algorithms(self) -> dict[str, str]:
        secret = self._secret
        return {
            **{f"alg {alg}": self._unsigned(alg) for alg in ("none", "None", "NONE")},
            "alg none with a signature": self._claiming("none"),
            "public key as HMAC key": self._with_public_key(),
            "header says RS256": self._claiming("RS256"),
            "header says ES256": self._claiming("ES256"),
            "HS512": jwt.encode(self.claims(), secret * 2, algorithm="HS512"),
            "HS512 with our secret": jwt.encode(self.claims(), secret.ljust(64, "x"), algorithm="HS512"),
            "another's secret": jwt.encode(self.claims(), secret + "!", algorithm="HS256"),
            "a flipped bit": self._flipped(),
            "no signature": self.signed().rsplit(".", 1)[0] + ".",
        }

    def _other_headers(self) -> dict[str, str]:
        return {
            "kid path": self.signed({"kid": "../../../../dev/null"}),
            "kid SQL": self.signed({"kid": "' UNION SELECT 'x"}),
            "jku": self.signed({"jku": "https://evil.example/keys"}),
            "jwk": self.signed({"jwk": {"kty": "oct", "k": "eA"}}),
            "x5u": self.signed({"x5u": "https://evil.example/cert"}),
            "crit": self.signed({"crit": ["exp"]}),
            "typ of the header": self.signed({"typ": "secevent+jwt"}),
            "a deep header": f"{_part(b'[' * 3_000)}.{_part(self.claims())}.x",
            "a header that is a list": f"{_part([])}.{_part(self.claims())}.x",
            "a header with a huge number": f"{_part(_HUGE_NUMBER)}.{_part(self.claims())}.x",
        }

    def _wrong_claims(self) -> dict[str, str]:
        now = int(time.time())
        return {
            **{f"without {name}": self.signed(None, **{name: ...}) for name in self.claims()},
            "expired": self.signed(exp=now - 31),
            "expired long ago": self.signed(exp=now - 86_400, iat=now - 90_000),
            "exp true": self.signed(exp=True),
            "exp text": self.signed(exp=str(now + 86_400)),
            "exp float": self.signed(exp=now + 86_400.5),
            "exp NaN": self.signed(exp=math.nan),
            "exp infinite": self.signed(exp=math.inf),
            "exp list": self.signed(exp=[now]),
            "iat in the future": self.signed(iat=now + 86_400, exp=now + 90_000),
            "nbf in the future": self.signed(nbf=now + 86_400, exp=now + 90_000),
            "nbf infinite": self.signed(nbf=math.inf),
            "wrong aud": self.signed(aud="hub:ws"),
            "aud list": self.signed(aud=["hub:api"]),
            "wrong iss": self.signed(iss="https://hub.example"),
            "a ticket": self.signed(aud="hub:ws", typ="ticket"),
            "refresh as access": self.signed(typ="refresh"),
            "sid number": self.signed(sid=1),
            "sub number": self._with_payload(json.dumps(self.claims(sub=1)).encode()),
            "sub empty": self.signed(sub=""),
            "role list": self.signed(role=["admin"]),
            "payload is a list": self._with_payload(b"[]"),
            "payload is no JSON": self._with_payload(b"\xff\xfe"),
        }

    def _no_tokens(self) -> dict[str, str]:
        return {
            "an opaque refresh token": "login_019aa5c3b2e4f1c2a7b8d9e0f1a2.dGhpcyBpcyBub3QgYSB0b2tlbiBvZiBvdXJz",
            "one megabyte": "x" * 1_000_000,
            "one megabyte, signed": self.signed(pad="x" * 1_000_000),
            "just too long": self.signed(pad="x" * limits.ACCESS_TOKEN_CHARS_MAX),
            "surrogate": self.signed()[:-1] + "\ud800",
            "full-width": self.signed().replace(".", "．"),
            "not base64": "!!!.???.***",
            "empty": "",
            "dots": "..",
            "four parts": self.signed() + ".x",
        }

    def _with_payload(self, payload: bytes) -> str:
        return jwt.api_jws.encode(payload, self._secret, algorithm="HS256")

    def _unsigned(self, alg: str) -> str:
        return f"{_part({'alg': alg, 'typ': 'JWT'})}.{_part(self.claims())}."

    def _with_public_key(self) -> str:
        """What `jwt.encode` refuses to make: HS256 over the public key's text."""
        body = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(self.claims())}"
        digest = hmac.digest(PUBLIC_PEM.encode(), body.encode(), "sha256")
        return f"{body}.{_part(digest)}"

    def _claiming(self, alg: str) -> str:
        """A good signature under a header that names another algorithm."""
        return f"{_part({'alg': alg, 'typ': 'JWT'})}.{self.signed().split('.', 1)[1]}"

    def _flipped(self) -> str:
        head, body, signature = self.signed().split(".")
        return f"{head}.{body}.{('B' if signature[0] == 'A' else 'A') + signature[1:]}"


def _part(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()
