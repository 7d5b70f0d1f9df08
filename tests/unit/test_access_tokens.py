"""Access tokens: a good one is read, and of the bad ones every kind is refused, quickly and in one way."""

import base64
import hmac
import json
import math
import time
from typing import Any

import jwt
import pytest

from config import limits
from hub.access_tokens import AccessTokens
from hub.errors import Code, HubError

SECRET = "a secret of the tests that is long enough to be one"
TOKENS = AccessTokens(SECRET)

# A public key as an attacker would have it: readable by everyone, and tried as the HMAC key.
PUBLIC_PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9
q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==
-----END PUBLIC KEY-----
"""


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "hub",
        "aud": "hub:api",
        "sub": "user_1",
        "sid": "login_1",
        "jti": "one",
        "typ": "access",
        "role": "user",
        "iat": now,
        "exp": now + 600,
    }
    return {name: value for name, value in (claims | changes).items() if value is not ...}


def _signed(headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(_claims(**changes), SECRET, algorithm="HS256", headers=headers)


def _part(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _unsigned(alg: str) -> str:
    return f"{_part({'alg': alg, 'typ': 'JWT'})}.{_part(_claims())}."


def _with_public_key() -> str:
    """What `jwt.encode` refuses to make: HS256 over the public key's text."""
    body = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(_claims())}"
    digest = hmac.digest(PUBLIC_PEM.encode(), body.encode(), "sha256")
    return f"{body}.{_part(digest)}"


def _claiming(alg: str) -> str:
    """A good signature under a header that names another algorithm."""
    return f"{_part({'alg': alg, 'typ': 'JWT'})}.{_signed().split('.', 1)[1]}"


def _flipped() -> str:
    head, body, signature = _signed().split(".")
    return f"{head}.{body}.{('B' if signature[0] == 'A' else 'A') + signature[1:]}"


NOW = int(time.time())
HUGE_NUMBER = b'{"alg":' + b"9" * 2_900 + b"}"
BAD: dict[str, Any] = {
    "alg none": _unsigned("none"),
    "alg None": _unsigned("None"),
    "alg NONE": _unsigned("NONE"),
    "alg none with a signature": _claiming("none"),
    "public key as HMAC key": _with_public_key(),
    "header says RS256": _claiming("RS256"),
    "header says ES256": _claiming("ES256"),
    "HS512": jwt.encode(_claims(), SECRET * 2, algorithm="HS512"),
    "HS512 with our secret": jwt.encode(_claims(), SECRET.ljust(64, "x"), algorithm="HS512"),
    "another's secret": jwt.encode(_claims(), SECRET + "!", algorithm="HS256"),
    "a flipped bit": _flipped(),
    "no signature": _signed().rsplit(".", 1)[0] + ".",
    "kid path": _signed({"kid": "../../../../dev/null"}),
    "kid SQL": _signed({"kid": "' UNION SELECT 'x"}),
    "jku": _signed({"jku": "https://evil.example/keys"}),
    "jwk": _signed({"jwk": {"kty": "oct", "k": "eA"}}),
    "x5u": _signed({"x5u": "https://evil.example/cert"}),
    "crit": _signed({"crit": ["exp"]}),
    "typ of the header": _signed({"typ": "secevent+jwt"}),
    "expired": _signed(exp=NOW - 31),
    "expired long ago": _signed(exp=NOW - 86_400, iat=NOW - 90_000),
    "exp true": _signed(exp=True),
    "exp text": _signed(exp=str(NOW + 86_400)),
    "exp float": _signed(exp=NOW + 86_400.5),
    "exp NaN": _signed(exp=math.nan),
    "exp infinite": _signed(exp=math.inf),
    "exp list": _signed(exp=[NOW]),
    "iat in the future": _signed(iat=NOW + 86_400, exp=NOW + 90_000),
    "nbf in the future": _signed(nbf=NOW + 86_400, exp=NOW + 90_000),
    "nbf infinite": _signed(nbf=math.inf),
    "wrong aud": _signed(aud="hub:ws"),
    "aud list": _signed(aud=["hub:api"]),
    "wrong iss": _signed(iss="https://hub.example"),
    "a ticket": _signed(aud="hub:ws", typ="ticket"),
    "refresh as access": _signed(typ="refresh"),
    "an opaque refresh token": "login_019aa5c3b2e4f1c2a7b8d9e0f1a2.dGhpcyBpcyBub3QgYSB0b2tlbiBvZiBvdXJz",
    "sid number": _signed(sid=1),
    "sub number": jwt.api_jws.encode(json.dumps(_claims(sub=1)).encode(), SECRET, algorithm="HS256"),
    "sub empty": _signed(sub=""),
    "role list": _signed(role=["admin"]),
    "one megabyte": "x" * 1_000_000,
    "one megabyte, signed": _signed(pad="x" * 1_000_000),
    "just too long": _signed(pad="x" * limits.ACCESS_TOKEN_CHARS_MAX),
    "surrogate": _signed()[:-1] + "\ud800",
    "full-width": _signed().replace(".", "．"),
    "not base64": "!!!.???.***",
    "empty": "",
    "dots": "..",
    "four parts": _signed() + ".x",
    "a deep header": f"{_part(b'[' * 3_000)}.{_part(_claims())}.x",
    "a header that is a list": f"{_part([])}.{_part(_claims())}.x",
    "a header with a huge number": f"{_part(HUGE_NUMBER)}.{_part(_claims())}.x",
    "payload is a list": jwt.api_jws.encode(b"[]", SECRET, algorithm="HS256"),
    "payload is no JSON": jwt.api_jws.encode(b"\xff\xfe", SECRET, algorithm="HS256"),
    "None": None,
    "bytes": _signed().encode(),
    "a dict": {"$gt": ""},
}
BAD |= {f"without {name}": _signed(None, **{name: ...}) for name in _claims()}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
def test_a_bad_token_is_refused(token: Any) -> None:
    started = time.thread_time()
    with pytest.raises(HubError) as caught:
        TOKENS.read(token)
    assert caught.value.code is Code.UNAUTHENTICATED
    assert time.thread_time() - started < 0.015  # three times the bound of 5 ms


def test_a_token_of_ours_is_read() -> None:
    token, seconds = TOKENS.issue("user_1", "login_1", "admin")
    claims = TOKENS.read(token)
    assert (claims.user, claims.login, claims.role) == ("user_1", "login_1", "admin")
    assert seconds == limits.ACCESS_TOKEN_SECONDS == claims.expires_at - claims.issued_at
    assert len(token) < 512


def test_a_token_carries_the_named_claims_and_no_other() -> None:
    token, _ = TOKENS.issue("user_1", "login_1", "user")
    payload = jwt.decode(token, options={"verify_signature": False})
    assert set(payload) == {"iss", "aud", "sub", "jti", "iat", "exp", "typ", "sid", "role"}


def test_every_token_has_its_own_id() -> None:
    ids = {TOKENS.read(TOKENS.issue("user_1", "login_1", "user")[0]).token for _ in range(50)}
    assert len(ids) == 50


def test_clocks_may_differ_by_half_a_minute() -> None:
    now = int(time.time())
    assert TOKENS.read(_signed(exp=now - 20)).user == "user_1"
    assert TOKENS.read(_signed(iat=now + 20)).user == "user_1"


def test_what_the_helpers_sign_is_good_when_nothing_is_wrong_with_it() -> None:
    """Else the refusals above would prove nothing."""
    assert TOKENS.read(_signed()).user == "user_1"
