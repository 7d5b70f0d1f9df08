"""Signing in by Google, as it should go, and everything that must not sign anybody in."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pyotp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.ioloop import IOLoop

from hub.letters import SUBJECTS
from models.clock import now
from tests.outbox import letter_to, token_in
from tests.site import PASSWORD, Site
from tests.stand_ins.oidc_server import LyingProvider, signed

BEGIN, CALLBACK, EXCHANGE = "/api/auth/google", "/api/auth/google/callback", "/api/auth/google/exchange"
ELSEWHERE = "https://smartaihub.com/auth/callback"
EMAIL = "ada@example.com"
GOOGLE = {"GOOGLE_CLIENT_ID": "hub-client", "GOOGLE_CLIENT_SECRET": "hub-secret", "HUB_RATE_LIMITS": "off"}
Serve = Callable[..., Site]


class Browser:
    """Follows redirects by hand and keeps the one cookie that matters on the way."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.cookie = ""

    async def get(self, path: str) -> HTTPResponse:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        answer = await self.site.client().raw("GET", path, headers=headers)
        self.cookie = answer.headers.get("Set-Cookie", self.cookie).partition(";")[0]
        return answer

    async def begin(self, redirect: str | None = None, **more: str) -> str:
        """The address at the provider."""
        fields = {**({"redirect_uri": redirect} if redirect else {}), **more}
        answer = await self.get(f"{BEGIN}?{urlencode(fields)}")
        assert answer.code == 302, answer.body
        return str(answer.headers["Location"])

    async def callback(self, **fields: str) -> str:
        """Where the callback sends one."""
        answer = await self.get(f"{CALLBACK}?{urlencode(fields)}")
        assert answer.code == 302, answer.body
        return str(answer.headers["Location"])

    async def sign_in(self, redirect: str | None = None, **more: str) -> str:
        """All the way through a provider that asks nothing; where it ends."""
        back = await at_provider(await self.begin(redirect, **more))
        return await self.callback(**back)

    async def exchange(self, code: str, status: int = 200, **second: str) -> Any:
        headers = {"Cookie": self.cookie} if self.cookie else {}
        return await self.site.client().post(EXCHANGE, {"code": code, **second}, status=status, headers=headers)


async def at_provider(address: str, **form: str) -> dict[str, str]:
    """What the provider sends back in the query; with a form its question is answered."""
    method = {"method": "POST", "body": urlencode(form)} if form else {}
    answer = await AsyncHTTPClient().fetch(address, follow_redirects=False, raise_error=False, **method)
    assert answer.code == 302, answer.body
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def query_of(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


@pytest.fixture
def provider(io_loop: IOLoop) -> Iterator[LyingProvider]:
    provider = LyingProvider()
    io_loop.run_sync(provider.start)
    yield provider
    io_loop.run_sync(provider.stop)


@pytest.fixture
def google_site(serve: Serve, provider: LyingProvider) -> Site:
    return serve(**GOOGLE, GOOGLE_ISSUER_URL=provider.url)


@pytest.fixture
def browser(google_site: Site) -> Browser:
    return Browser(google_site)


async def nobody_is_signed_in(site: Site, logins: int = 0) -> None:
    assert await site.services.database["logins"].count({}) == logins
    assert await site.services.database["one_time"].count({"kind": "code"}) == 0


# --- as it should go --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def honest_provider() -> Iterator[str]:
    """`oidc-provider-mock` as a process of its own: it warns about its own libraries."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(port, process)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline and process.poll() is None, "the provider did not start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue


@pytest.mark.gen_test
async def test_a_stranger_becomes_a_user_and_is_known_the_next_time(honest_site: Site) -> None:
    site = honest_site
    await _known_at_provider(site, "google-7", email="Grace@example.com", email_verified=True, given_name="Grace")
    browser = Browser(site)
    end = await browser.callback(**await at_provider(await browser.begin(), sub="google-7"))
    assert end.startswith(f"{site.services.settings.public_url}/auth/callback?code=")
    answer = await browser.exchange(query_of(end)["code"])
    assert "auth_token=" in str(answer.headers.get_list("Set-Cookie"))
    user = answer.data["user"]
    assert (user["email"], user["firstName"], user["emailVerified"]) == ("Grace@example.com", "Grace", True)
    me = await site.client(token=answer.data["tokens"]["accessToken"]).get("/api/users/me")
    assert me.data["id"] == user["id"]
    wallet = await site.services.database["wallets"].find_one({"_id": user["id"]})
    assert wallet is not None and wallet["credits"] == 10_000_000
    again = Browser(site)
    end = await again.callback(**await at_provider(await again.begin(), sub="google-7"))
    assert (await again.exchange(query_of(end)["code"])).data["user"]["id"] == user["id"]


@pytest.mark.gen_test
async def test_who_says_no_at_google_comes_back_with_that(honest_site: Site) -> None:
    browser = Browser(honest_site)
    back = await at_provider(await browser.begin(), action="deny")
    state = query_of(await browser.begin())["state"]
    assert back["error"] == "access_denied"
    end = await browser.callback(**{"state": state, **back})
    assert query_of(end) == {"error": "access_denied"}
    await nobody_is_signed_in(honest_site)


@pytest.fixture
def honest_site(serve: Serve, honest_provider: str) -> Site:
    return serve(**GOOGLE, GOOGLE_ISSUER_URL=honest_provider)


async def _known_at_provider(site: Site, subject: str, **claims: Any) -> None:
    address = f"{site.services.settings.google_issuer_url}/users/{subject}"
    headers = {"Content-Type": "application/json"}
    await AsyncHTTPClient().fetch(address, method="PUT", body=json.dumps(claims), headers=headers)


@pytest.mark.gen_test
async def test_the_way_out_carries_pkce_state_and_nonce(browser: Browser) -> None:
    first, second = query_of(await browser.begin()), query_of(await Browser(browser.site).begin())
    assert first["code_challenge_method"] == "S256" and len(first["code_challenge"]) == 43
    assert first["scope"].split() == ["openid", "email", "profile"]
    assert first["redirect_uri"] == f"{browser.site.services.settings.public_url}{CALLBACK}"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) >= 43 and first[name] != second[name]
    stored = await browser.site.services.database["one_time"].find({}, limit=5)
    assert first["state"] not in str(stored)


@pytest.mark.gen_test
async def test_the_end_may_lie_elsewhere_and_brings_back_what_was_passed(browser: Browser) -> None:
    end = await browser.sign_in(ELSEWHERE, state="theirs & mine")
    assert end.startswith(f"{ELSEWHERE}?") and query_of(end)["state"] == "theirs & mine"
    stranger = Browser(browser.site)  # their own page exchanges it without our cookie
    await stranger.exchange(query_of(end)["code"])


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "target",
    [
        "https://smartaihub.com/auth/callback",
        "https://staging.smartaihub.com/auth/callback",
        "http://localhost:3000/auth/callback",
    ],
)
async def test_each_documented_end_is_taken(browser: Browser, target: str) -> None:
    end = await browser.sign_in(target)
    assert end.startswith(f"{target}?code=")
    await browser.exchange(query_of(end)["code"])


@pytest.mark.gen_test
async def test_ends_of_ones_own_take_the_place_of_the_documented(redirects_site: Site) -> None:
    browser = Browser(redirects_site)
    own = f"{redirects_site.services.settings.public_url}/auth/callback"
    for target in ("https://one.example.com/back", "http://two.example.com:8080/", own):
        assert (await browser.sign_in(target)).startswith(f"{target}?code=")
    answer = await browser.get(f"{BEGIN}?{urlencode({'redirect_uri': ELSEWHERE})}")
    assert answer.code == 422 and "Location" not in answer.headers


@pytest.fixture
def redirects_site(serve: Serve, provider: LyingProvider) -> Site:
    given = "https://one.example.com/back, http://two.example.com:8080/"
    return serve(**GOOGLE, GOOGLE_ISSUER_URL=provider.url, HUB_OAUTH_REDIRECTS=given)


@pytest.mark.gen_test
async def test_the_cookie_is_bound_to_the_host_on_https(https_google_site: Site) -> None:
    answer = await https_google_site.client().raw("GET", BEGIN)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-oauth_state=")
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"secure", "httponly", "path=/", "samesite=lax"}
    assert "domain" not in cookie.lower()


@pytest.fixture
def https_google_site(serve: Serve, provider: LyingProvider) -> Site:
    return serve(**GOOGLE, GOOGLE_ISSUER_URL=provider.url, HUB_PUBLIC_URL="https://hub.example.com")


@pytest.mark.gen_test
async def test_two_confirmed_addresses_are_joined_once(browser: Browser, provider: LyingProvider) -> None:
    registered = await browser.site.register(email=EMAIL)
    user = registered["data"]["user"]["id"]
    await browser.site.services.identities.change_user(user, {"email_verified": True})
    ends = await asyncio.gather(*(Browser(browser.site).sign_in(ELSEWHERE) for _ in range(3)))
    assert any("code" in query_of(end) for end in ends)
    answer = await browser.exchange(query_of(await browser.sign_in(ELSEWHERE))["code"])
    assert answer.data["user"]["id"] == user
    assert await browser.site.services.database["notifications"].count({"title": "Sign-in by Google"}) == 1
    await browser.site.client().post("/api/auth/login", {"email": EMAIL, "password": PASSWORD})
    provider.claims["sub"] = "another"
    assert query_of(await browser.sign_in()) == {"error": "account_exists"}


@pytest.mark.gen_test
async def test_of_two_tabs_at_once_both_become_the_same_new_user(browser: Browser) -> None:
    ends = await asyncio.gather(*(Browser(browser.site).sign_in(ELSEWHERE) for _ in range(2)))
    answers = [await browser.exchange(query_of(end)["code"]) for end in ends]
    assert len({answer.data["user"]["id"] for answer in answers}) == 1
    assert await browser.site.services.database["users"].count({}) == 1


@pytest.mark.gen_test
async def test_of_two_tabs_of_one_browser_both_come_to_their_end(browser: Browser) -> None:
    first, second = [await at_provider(await browser.begin(ELSEWHERE, state=tab)) for tab in ("one", "two")]
    ends = [query_of(await browser.callback(**back)) for back in (first, second)]
    assert [end["state"] for end in ends] == ["one", "two"] and all("code" in end for end in ends)
    late = await at_provider(await browser.begin())
    await browser.exchange(query_of(await browser.sign_in())["code"])
    await browser.exchange(query_of(await browser.callback(**late))["code"])


@pytest.mark.gen_test
@pytest.mark.parametrize("planted", ["", "x", "x" * 44, "x" * 42 + "%"])
async def test_a_browser_keeps_no_secret_that_is_none_of_ours(browser: Browser, planted: str) -> None:
    browser.cookie = f"oauth_state={planted}"
    await browser.begin(ELSEWHERE)
    assert browser.cookie != f"oauth_state={planted}" and len(browser.cookie.partition("=")[2]) == 43


@pytest.mark.gen_test
async def test_an_issuer_may_end_in_a_slash(slash_site: Site, provider: LyingProvider) -> None:
    issuer = f"{provider.url}/"
    provider.issuer_told, provider.claims = issuer, {**provider.claims, "iss": issuer}
    browser = Browser(slash_site)
    assert (await browser.exchange(query_of(await browser.sign_in())["code"])).data["user"]["email"] == EMAIL
    provider.claims["iss"] = provider.url
    assert query_of(await browser.sign_in()) == {"error": "not_confirmed"}


@pytest.fixture
def slash_site(serve: Serve, provider: LyingProvider) -> Site:
    return serve(**GOOGLE, GOOGLE_ISSUER_URL=f"{provider.url}/")


@pytest.mark.gen_test
async def test_who_came_by_google_may_set_a_password_and_has_none_before(browser: Browser) -> None:
    await browser.exchange(query_of(await browser.sign_in())["code"])
    client, database = browser.site.client(), browser.site.services.database
    for guess in ("", "None", PASSWORD):
        response = await client.raw("POST", "/api/auth/login", {"email": EMAIL, "password": guess})
        assert response.code == 401
    before = await database["users"].find_one({"email_key": EMAIL})
    assert before is not None and before["password"] is None
    await client.post("/api/auth/forgot-password", {"email": EMAIL})
    letter = await letter_to(browser.site.services.settings.data_dir, EMAIL, SUBJECTS["reset"])
    await client.post("/api/auth/reset-password", {"token": token_in(letter), "newPassword": PASSWORD})
    signed_in = await client.post("/api/auth/login", {"email": EMAIL, "password": PASSWORD})
    assert signed_in.data["user"]["id"] == before["_id"]
    await client.post("/api/auth/login", {"email": EMAIL, "password": f"{PASSWORD}x"}, status=401)
    by_google = await browser.exchange(query_of(await browser.sign_in())["code"])
    assert by_google.data["user"]["id"] == before["_id"], "both ways lead to the same account"


@pytest.mark.gen_test
async def test_a_second_factor_is_asked_for_here_too(browser: Browser) -> None:
    """It is set up by a fresh login, for there is no password; the sign-in's code stays good until the factor is right."""
    site = browser.site
    tokens = (await browser.exchange(query_of(await browser.sign_in())["code"])).data["tokens"]
    client = site.client(token=tokens["accessToken"])
    totp = pyotp.TOTP((await client.post("/api/auth/2fa/setup", {})).data["secret"])
    await client.post("/api/auth/2fa/verify", {"code": totp.now()})
    code = query_of(await Browser(site).sign_in(ELSEWHERE))["code"]
    for given in ({}, {"two_factor_code": "000000"}, {"two_factor_code": totp.now()}):  # the last one is used up
        refused = await browser.exchange(code, 401, **given)
        assert refused.body["error"]["details"][0]["field"] == "two_factor_code"
    right = totp.at(now(), counter_offset=1)
    assert (await browser.exchange(code, two_factor_code=right)).data["user"]["email"] == EMAIL
    await browser.exchange(code, 401, two_factor_code=right)
    await site.services.database["logins"].update_many({}, {"$set": {"created_at": now() - timedelta(hours=1)}})
    await client.post("/api/auth/2fa/disable", {"code": "000000"}, status=401)
    await site.services.database["two_factor"].delete_many({})
    await site.services.database["users"].update_many({}, {"$unset": {"two_factor": ""}})
    stale = await client.post("/api/auth/2fa/setup", {}, status=403)
    assert "too old" in stale.body["error"]["message"]


@pytest.mark.gen_test
async def test_where_it_is_not_set_up_that_is_said(site: Site) -> None:
    answer = await site.client().get(BEGIN, status=503)
    assert answer.code == "SERVICE_UNAVAILABLE" and "GOOGLE_CLIENT_ID" in answer.body["error"]["message"]
    assert (await site.client().get("/api/auth/methods")).data == {"password": True, "google": False}


@pytest.mark.gen_test
async def test_the_page_hears_that_it_is_set_up(google_site: Site) -> None:
    assert (await google_site.client().get("/api/auth/methods")).data == {"password": True, "google": True}


# --- what must not sign anybody in ------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_no_old_or_foreign_state_comes_through(browser: Browser) -> None:
    site = browser.site
    own = f"{site.services.settings.public_url}/auth/callback?error=invalid_state"
    back = await at_provider(await browser.begin(ELSEWHERE))
    assert await Browser(site).callback(**back) == own, "another browser"
    assert await browser.callback(**back) == own, "used up by that"
    back = await at_provider(await browser.begin(ELSEWHERE))
    await site.services.database["one_time"].update_many(
        {"kind": "state"}, {"$set": {"expires_at": now() - timedelta(seconds=1)}}
    )
    assert await browser.callback(**back) == own, "too late"
    for state in ("", "x", "x" * 2_000, "é", "\0", back["code"]):
        assert await browser.callback(code=back["code"], state=state) == own
    assert await browser.callback(code=back["code"]) == own
    other = Browser(site)
    theirs = await at_provider(await other.begin(ELSEWHERE))
    await browser.begin(ELSEWHERE)
    assert await browser.callback(**theirs) == own, "another session's state, planted"
    await nobody_is_signed_in(site)


@pytest.mark.gen_test
async def test_a_code_of_the_provider_is_good_once(browser: Browser) -> None:
    back = await at_provider(await browser.begin(ELSEWHERE))
    assert "code" in query_of(await browser.callback(**back))
    assert query_of(await browser.callback(**back)) == {"error": "invalid_state"}
    state = query_of(await browser.begin(ELSEWHERE))["state"]
    assert query_of(await browser.callback(code=back["code"], state=state)) == {"error": "not_confirmed"}


@pytest.mark.gen_test
async def test_a_code_of_another_sign_in_fails_by_its_verifier(browser: Browser) -> None:
    """An attacker's code put into the victim's callback: PKCE and the nonce are the victim's own."""
    attacker = await at_provider(await Browser(browser.site).begin(ELSEWHERE))
    state = query_of(await browser.begin(ELSEWHERE))["state"]
    assert query_of(await browser.callback(code=attacker["code"], state=state)) == {"error": "not_confirmed"}
    await nobody_is_signed_in(browser.site)


def _by_other_key(claims: Any, key: Any) -> str:
    return signed(claims, rsa.generate_private_key(public_exponent=65537, key_size=2048))


def _by_public_key(claims: Any, key: Any) -> str:
    """The confusion of a published key with a shared secret; the library refuses to make one, so it is put together."""
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    parts = [{"alg": "HS256", "kid": "k1", "typ": "JWT"}, claims]
    text = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mark = base64.urlsafe_b64encode(hmac.digest(pem, text, hashlib.sha256)).rstrip(b"=")
    return (text + b"." + mark).decode()


LIES: dict[str, tuple[dict[str, Any], Callable[[Any, Any], str]]] = {
    "another nonce": ({"nonce": "another"}, signed),
    "no nonce": ({"nonce": ...}, signed),
    "a nonce that is no text": ({"nonce": 5}, signed),
    "another audience": ({"aud": "another-client"}, signed),
    "several audiences": ({"aud": ["hub-client", "another-client"]}, signed),
    "another issuer": ({"iss": "https://evil.example.com"}, signed),
    "no issuer": ({"iss": ...}, signed),
    "expired": ({"exp": 1_600_000_000}, signed),
    "no end": ({"exp": ...}, signed),
    "no subject": ({"sub": ...}, signed),
    "an empty subject": ({"sub": ""}, signed),
    "a subject that is no text": ({"sub": {"$gt": ""}}, signed),
    "issued in the future": ({"iat": 4_000_000_000}, signed),
    "unsigned": ({}, lambda claims, key: jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"})),
    "signed by another key": ({}, _by_other_key),
    "the public key as a secret": ({}, _by_public_key),
    "an unknown key": ({}, lambda claims, key: jwt.encode(claims, key, algorithm="RS256", headers={"kid": "k2"})),
    "no token at all": ({}, lambda claims, key: "nonsense"),
}


@pytest.mark.gen_test
@pytest.mark.parametrize("lie", LIES)
async def test_a_lying_id_token_signs_nobody_in(browser: Browser, provider: LyingProvider, lie: str) -> None:
    changed, provider.sign = LIES[lie]
    provider.claims = {**provider.claims, **changed}
    assert query_of(await browser.sign_in()) == {"error": "not_confirmed"}
    assert provider.exchanges == 1, "the lie was told"
    await nobody_is_signed_in(browser.site)
    assert await browser.site.services.database["users"].count({}) == 0


@pytest.mark.gen_test
@pytest.mark.parametrize("told", [False, None, "true", 1, ...])
async def test_an_unconfirmed_address_opens_nothing(browser: Browser, provider: LyingProvider, told: Any) -> None:
    """Neither somebody's account nor a new one."""
    provider.claims["email_verified"] = told
    assert query_of(await browser.sign_in()) == {"error": "not_allowed"}
    registered = await browser.site.register(email=EMAIL)
    await browser.site.services.identities.change_user(registered["data"]["user"]["id"], {"email_verified": True})
    assert query_of(await browser.sign_in()) == {"error": "not_allowed"}
    await nobody_is_signed_in(browser.site, logins=1)


@pytest.mark.gen_test
async def test_an_account_whose_address_was_never_confirmed_is_not_joined(browser: Browser) -> None:
    """Whoever signed up with somebody else's address would share their account from then on."""
    await browser.site.register(email=EMAIL)
    assert query_of(await browser.sign_in()) == {"error": "account_exists"}
    await nobody_is_signed_in(browser.site, logins=1)


@pytest.mark.gen_test
async def test_a_suspended_user_stays_out(browser: Browser) -> None:
    answer = await browser.exchange(query_of(await browser.sign_in())["code"])
    end = await browser.sign_in()
    await browser.site.services.identities.change_user(answer.data["user"]["id"], {"status": "suspended"})
    assert query_of(await browser.sign_in()) == {"error": "not_allowed"}
    await browser.exchange(query_of(end)["code"], status=401)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "target",
    [
        *("//evil.example.com", "/\\evil.example.com", "https:evil.example.com", "%2f%2fevil.example.com", "/"),
        *("https://smartaihub.com/auth/callback/..", "https://smartaihub.com.evil.example.com/auth/callback"),
        *("https://smartaihub.com/auth/callback?next=//evil", "https://smartaihub.com@evil.example.com/auth/callback"),
        *(
            "HTTPS://SMARTAIHUB.COM/auth/callback",
            "javascript:alert(1)",
            "https://smartaihub.com/auth/callback\r\nX: y",
        ),
    ],
)
async def test_no_other_target_is_taken(browser: Browser, target: str) -> None:
    answer = await browser.get(f"{BEGIN}?{urlencode({'redirect_uri': target})}")
    assert answer.code == 422 and "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers


@pytest.mark.gen_test
async def test_our_own_code_is_good_once_soon_and_for_this_browser(browser: Browser) -> None:
    secrets = browser.site.services.database["one_time"]
    code = query_of(await browser.sign_in())["code"]
    await Browser(browser.site).exchange(code, status=401)
    await browser.exchange(code, status=401)
    code = query_of(await browser.sign_in())["code"]
    (record,) = await secrets.find({"kind": "code", "used": None}, limit=5)
    assert timedelta(0) < record["expires_at"] - now() <= timedelta(seconds=60)
    await secrets.update_one({"_id": record["_id"]}, {"$set": {"expires_at": now() - timedelta(seconds=1)}})
    await browser.exchange(code, status=401)
    code = query_of(await browser.sign_in())["code"]
    statuses = [
        answer.code
        for answer in await asyncio.gather(
            *(
                browser.site.client().raw("POST", EXCHANGE, {"code": code}, {"Cookie": browser.cookie})
                for _ in range(20)
            )
        )
    ]
    assert statuses.count(200) == 1 and statuses.count(401) == 19
    for guess in ("x", "é" * 10, record["_id"]):
        await browser.exchange(guess, status=401)
    for shape in (None, 5, {"$gt": ""}, ""):
        await browser.site.client().post(EXCHANGE, {"code": shape}, status=422)


@pytest.mark.gen_test
@pytest.mark.parametrize("error", ["access_denied", "server_error", "<script>", "x" * 500])
async def test_what_the_provider_calls_an_error_is_one_of_a_few_words(browser: Browser, error: str) -> None:
    state = query_of(await browser.begin(ELSEWHERE))["state"]
    end = await browser.callback(state=state, error=error, code="x")
    told = {"access_denied", "server_error"}
    assert query_of(end) == {"error": error if error in told else "server_error"}


@pytest.mark.gen_test
async def test_a_provider_that_is_away_or_somebody_else_is_said(serve_away: Site, provider: LyingProvider) -> None:
    answer = await serve_away.client().get(BEGIN, status=503)
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.fixture
def serve_away(serve: Serve) -> Site:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return serve(**GOOGLE, GOOGLE_ISSUER_URL=f"http://127.0.0.1:{probe.getsockname()[1]}")


@pytest.mark.gen_test
async def test_a_description_of_another_issuer_is_not_believed(browser: Browser, provider: LyingProvider) -> None:
    provider.issuer_told = "https://evil.example.com"
    await browser.site.client().get(BEGIN, status=503)


@pytest.mark.gen_test
async def test_a_failing_exchange_is_told_as_temporary(browser: Browser, provider: LyingProvider) -> None:
    provider.token_status = 500
    assert query_of(await browser.sign_in()) == {"error": "temporarily_unavailable"}


@pytest.mark.gen_test
async def test_nothing_may_stand_twice_in_the_query(browser: Browser) -> None:
    back = await at_provider(await browser.begin())
    twice = urlencode([("state", back["state"]), ("state", "x"), ("code", back["code"])])
    assert (await browser.get(f"{CALLBACK}?{twice}")).code == 422
