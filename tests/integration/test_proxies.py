"""Behind reverse proxies: whose word about the client is believed, and who may read the figures."""

import secrets
from collections.abc import Callable
from ipaddress import ip_network

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from config import settings
from handlers.credentials import address_of, is_https, is_on_this_machine
from tests.site import PASSWORD, Site

TRUSTED = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def request_from(peer: str, *forwarded: str, **headers: str) -> HTTPServerRequest:
    sent = HTTPHeaders({"Host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()})
    for value in forwarded:
        sent.add("X-Forwarded-For", value)
    request = HTTPServerRequest(start_line=RequestStartLine("GET", "/", "HTTP/1.1"), headers=sent)
    request.remote_ip = peer
    return request


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("198.51.100.1", ["203.0.113.7"], "198.51.100.1"),  # a stranger claims
        ("127.0.0.1", ["1.1.1.1, 203.0.113.7"], "203.0.113.7"),  # a client claims, our proxy appends
        ("127.0.0.1", ["1.1.1.1", "203.0.113.7"], "203.0.113.7"),
        ("127.0.0.1", ["1.1.1.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),  # two proxies
        ("127.0.0.1", ["10.1.2.3"], "10.1.2.3"),  # all of them ours
        ("127.0.0.1", ["203.0.113.7, unknown"], "127.0.0.1"),
        ("127.0.0.1", ["203.0.113.7, unknown, 10.1.2.3"], "10.1.2.3"),
        ("127.0.0.1", ["203.0.113.7:4711"], "203.0.113.7"),
        ("::ffff:127.0.0.1", ["::ffff:203.0.113.7"], "203.0.113.7"),
        ("fd00::1", ["[2001:db8::7]:4711"], "2001:db8::7"),
        ("fd00::1", ["2001:DB8:0:0::7"], "2001:db8::7"),
        ("", ["203.0.113.7"], ""),
    ],
)
def test_the_last_hop_that_is_no_proxy_of_ours_counts(peer: str, forwarded: list[str], address: str) -> None:
    assert address_of(request_from(peer, *forwarded), TRUSTED) == address


def test_without_proxies_nothing_is_believed() -> None:
    request = request_from("127.0.0.1", "203.0.113.7", X_Forwarded_Proto="https")
    assert address_of(request, ()) == "127.0.0.1" and not is_https(request, ())


@pytest.mark.parametrize(
    ("peer", "said", "secure"),
    [
        ("127.0.0.1", "https", True),
        ("127.0.0.1", "http", False),
        ("127.0.0.1", "https, http", False),
        ("127.0.0.1", "http, HTTPS", True),
        ("198.51.100.1", "https", False),
    ],
)
def test_a_proxy_tells_whether_it_was_tls(peer: str, said: str, secure: bool) -> None:
    assert is_https(request_from(peer, X_Forwarded_Proto=said), TRUSTED) == secure


def test_who_passes_on_what_others_ask_is_not_this_machine() -> None:
    assert is_on_this_machine(request_from("127.0.0.1")) and is_on_this_machine(request_from("::1"))
    assert not is_on_this_machine(request_from("198.51.100.1"))
    assert not is_on_this_machine(request_from("127.0.0.1", "127.0.0.1"))


@pytest.mark.parametrize("value", ["proxy.example.com", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.1:80"])
def test_a_proxy_is_an_address_or_a_network(value: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    environ = {"HUB_DATA_DIR": str(tmp_path_factory.mktemp("data")), "HUB_TRUSTED_PROXIES": value}
    with pytest.raises(settings.SettingsError, match="HUB_TRUSTED_PROXIES"):
        settings.load(environ)


@pytest.fixture
def proxied(serve: Callable[..., Site]) -> Site:
    return serve(HUB_TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.1")


@pytest.fixture
def in_production(serve: Callable[..., Site]) -> Site:
    return serve(HUB_ENV="production", HUB_SERVICE_TOKEN=secrets.token_urlsafe(48))


@pytest.mark.gen_test
async def test_strangers_behind_a_proxy_are_counted_one_by_one(proxied: Site) -> None:
    client = proxied.client()
    for number in range(100):
        headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": f"192.0.2.{number}, 203.0.113.7"}
        await client.get("/api/users/me", status=401, headers=headers)
    await client.get("/api/users/me", status=429, headers={"X-Forwarded-For": "203.0.113.7"})
    await client.get("/api/users/me", status=401, headers={"X-Forwarded-For": "203.0.113.8"})


@pytest.mark.gen_test
@pytest.mark.parametrize(("said", "secure"), [("https", True), ("http", False)])
async def test_the_cookie_is_secure_where_the_proxy_speaks_tls(proxied: Site, said: str, secure: bool) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": said}
    answer = await proxied.client().post("/api/auth/register", body, status=201, headers=headers)
    assert ("Secure" in answer.headers["Set-Cookie"]) == secure


@pytest.mark.gen_test
async def test_figures_are_everybodys_in_development(site: Site) -> None:
    answer = await site.client().raw("GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert answer.code == 200 and b"# HELP" in answer.body


@pytest.mark.gen_test
async def test_figures_are_for_this_machine_and_services_in_production(in_production: Site) -> None:
    site, token = in_production, in_production.services.settings.service_token
    outside = {"X-Forwarded-For": "203.0.113.7"}
    assert (await site.client().raw("GET", "/metrics")).code == 200
    await site.client().get("/metrics", status=401, headers=outside)
    await site.client().get("/metrics", status=401, headers={**outside, "X-Service-Token": token[:-1]})
    await site.client(token=await site.token()).get("/metrics", status=403, headers=outside)
    for headers in ({"X-Service-Token": token}, {"Authorization": f"Bearer {token}"}):
        answer = await site.client().raw("GET", "/metrics", headers={**outside, **headers})
        assert answer.code == 200 and b"# HELP" in answer.body
