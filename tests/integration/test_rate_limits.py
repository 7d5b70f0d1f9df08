"""The documented limits of Smart AI Hub, used up: each class by itself, told on every answer, kept to the last request."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.api_client import Answer, ApiClient
from tests.site import Site
from tests.ws_client import Client, Refused

DEDUCT: Final = "/api/v1/mcp/points/deduct"


@dataclass(frozen=True)
class Class:
    """A class of requests: how many a minute, and one of them, with what it is answered."""

    per_minute: int
    method: str
    path: str
    body: Any = None
    status: int = 200


CLASSES: Final = {
    "auth": Class(10, "POST", "/api/auth/refresh", {"refreshToken": "none"}, 401),
    "mcp": Class(60, "GET", "/api/mcp/models"),
    "general": Class(100, "GET", "/api/users/me"),
    "admin": Class(200, "GET", "/api/admin/exchange-rates"),
}


async def call(client: ApiClient, one: Class, status: int) -> Answer:
    return await client.request(one.method, one.path, one.body, status=status)


@pytest.mark.gen_test
@pytest.mark.parametrize("name", CLASSES)
async def test_a_class_is_used_up_at_its_documented_limit(limited_site: Site, name: str) -> None:
    one = CLASSES[name]
    client = limited_site.client(token=await limited_site.admin_token())
    counted_already = 1 if name == "auth" else 0  # the sign-up itself, from the same address
    for left in reversed(range(one.per_minute - counted_already)):
        answer = await call(client, one, one.status)
        assert answer.headers["X-RateLimit-Limit"] == str(one.per_minute)
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
    refused = await call(client, one, 429)
    assert refused.code == "RATE_LIMIT_EXCEEDED" and refused.headers["X-RateLimit-Remaining"] == "0"
    wait_seconds, reset = int(refused.headers["Retry-After"]), int(refused.headers["X-RateLimit-Reset"])
    assert 1 <= wait_seconds <= 60 and abs(time.time() + wait_seconds - reset) <= 2
    for other in CLASSES.keys() - {name}:
        await call(client, CLASSES[other], CLASSES[other].status)


@pytest.mark.gen_test
async def test_users_count_by_themselves(limited_site: Site) -> None:
    one = CLASSES["mcp"]
    first, second = [limited_site.client(token=await limited_site.token()) for _ in range(2)]
    for _ in range(one.per_minute):
        await call(first, one, 200)
    await call(first, one, 429)
    assert (await call(second, one, 200)).headers["X-RateLimit-Remaining"] == str(one.per_minute - 1)


@pytest.fixture
def proxied_site(serve: Callable[..., Site]) -> Site:
    """It believes a proxy on this machine, which may so come from any address."""
    return serve(HUB_TRUSTED_PROXIES="127.0.0.1")


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("addresses", "left"),
    [
        (("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:3::1"), (99, 98, 99)),
        (("203.0.113.7", "203.0.113.8", "::ffff:203.0.113.7"), (99, 99, 98)),
    ],
)
async def test_strangers_count_by_place(proxied_site: Site, addresses: tuple[str, ...], left: tuple[int, ...]) -> None:
    """Who has an IPv6 network of /64 has more addresses than there are requests to refuse: it counts as one."""
    told = []
    for address in addresses:
        answer = await proxied_site.client().get("/api/auth/methods", headers={"X-Forwarded-For": address})
        told.append(int(answer.headers["X-RateLimit-Remaining"]))
    assert told == list(left)


@pytest.mark.gen_test
async def test_wrong_service_tokens_are_counted_and_the_right_one_is_not(limited_site: Site) -> None:
    user = (await limited_site.register())["data"]["user"]["id"]
    client, body = limited_site.client(), {"amount": 1, "description": "Used"}

    async def deduct(token: str, status: int) -> Answer:
        return await client.post(DEDUCT, body, status=status, headers={"X-Service-Token": token, "X-User-ID": user})

    for left in reversed(range(60)):
        assert (await deduct(f"guess{left}", 401)).headers["X-RateLimit-Remaining"] == str(left)
    assert int((await deduct("guess", 429)).headers["Retry-After"]) >= 1
    for _ in range(61):
        await deduct(str(limited_site.services.settings.service_token), 402)
    token = await limited_site.token()
    assert (await deduct(token, 403)).headers["X-RateLimit-Remaining"] == "59"


@pytest.mark.gen_test
async def test_what_is_not_counted_is_not_kept_out_by_others_of_its_address(limited_site: Site) -> None:
    client = limited_site.client()
    for _ in range(100):
        await client.get("/api/users/me", status=401)
    await client.get("/api/users/me", status=429)
    await client.get("/readyz")
    await client.get("/nowhere", status=404)
    socket = await Client.open(limited_site.port)
    socket.abort()
    with pytest.raises(Refused) as refused:
        await Client.open(limited_site.port, headers={"Authorization": "Bearer wrong"})
    assert refused.value.status == 429
