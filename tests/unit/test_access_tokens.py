"""Access tokens: a good one is read, and of the bad ones every kind is refused, quickly and in one way."""

import time
from typing import Any

import jwt
import pytest

from config import limits
from hub.access_tokens import AccessTokens
from hub.errors import Code, HubError
from tests.bad_tokens import Forger

SECRET = "a secret of the tests that is long enough to be one"
TOKENS = AccessTokens(SECRET)

FORGER = Forger(SECRET)
NO_TEXTS: dict[str, Any] = {"None": None, "bytes": FORGER.signed().encode(), "a dict": {"$gt": ""}}
BAD: dict[str, Any] = {**FORGER.bad(), **NO_TEXTS}


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
    assert TOKENS.read(FORGER.signed(exp=now - 20)).user == "user_1"
    assert TOKENS.read(FORGER.signed(iat=now + 20)).user == "user_1"


def test_what_the_helpers_sign_is_good_when_nothing_is_wrong_with_it() -> None:
    """Else the refusals above would prove nothing."""
    assert TOKENS.read(FORGER.signed()).user == "user_1"
