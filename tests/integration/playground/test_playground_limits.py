"""The AI Playground's limits: so many requests a minute by tier, whatever of it is asked, told on each answer."""

from itertools import cycle
from typing import Final

import pytest

from tests.api_client import ApiClient
from tests.contract.rows import HOSTS
from tests.site import PASSWORD, Site
from tests.ws_client import Client

QUESTION: Final = {"model": "minimax", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
HOST: Final = {"Host": HOSTS["ai_playground"]}
PLACES: Final = {
    "/api/v1/ai/models": "ai",
    "/api/v1/ai/usage": "ai",
    "/api/v1/usage": "usage",
    "/api/v1/api-keys": "api-keys",
    "/api/v1/webhooks": "webhooks",
    "/api/auth/me": "auth",
}


async def a_user_of(site: Site, tier: str) -> ApiClient:
    return site.client("ai_playground", token=await a_token_of(site, tier))


async def a_token_of(site: Site, tier: str) -> str:
    registered = await site.register()
    await site.services.identities.change_user(registered["data"]["user"]["id"], {"tier": tier})
    token: str = registered["access_token"]
    return token


@pytest.mark.gen_test
@pytest.mark.parametrize(("tier", "per_minute"), [("free", 10), ("basic", 30), ("pro", 100), ("enterprise", 500)])
async def test_all_that_is_asked_counts_together(limited_site: Site, tier: str, per_minute: int) -> None:
    client, places = await a_user_of(limited_site, tier), cycle(PLACES.items())
    for left in reversed(range(per_minute)):
        path, place = next(places)
        headers = (await client.get(path, headers=HOST)).headers
        assert headers["X-RateLimit-Limit"] == str(per_minute)
        assert (headers["X-RateLimit-Remaining"], headers["X-RateLimit-Endpoint"]) == (str(left), place)
        assert headers["X-RateLimit-Identifier"] == "user"
    for path, place in PLACES.items():
        refused = await client.get(path, headers=HOST, status=429)
        assert (refused.code, refused.headers["X-RateLimit-Endpoint"]) == ("RATE_LIMIT_EXCEEDED", place)
    await client.get("/api/mcp/models", dialect="smart_ai_hub")  # another API counts by itself


@pytest.mark.gen_test
async def test_a_question_by_websocket_counts_as_one_by_http(limited_site: Site) -> None:
    token = await a_token_of(limited_site, "free")
    client = limited_site.client("ai_playground", token=token)
    socket = await Client.open(limited_site.port, f"/v1/ai/stream?token={token}")
    for _ in range(9):
        await _answered(socket)
    assert (await client.get("/api/v1/ai/models", headers=HOST)).headers["X-RateLimit-Remaining"] == "0"
    refused = (await socket.request("chat.start", **QUESTION))["error"]
    assert (refused["code"], refused["temporary"]) == ("RATE_LIMIT_EXCEEDED", True)
    assert 0 < refused["retry_after_seconds"] <= 60
    await client.get("/api/v1/ai/models", headers=HOST, status=429)
    socket.abort()


@pytest.mark.gen_test
async def test_the_main_socket_counts_with_the_chat_of_its_api(limited_site: Site) -> None:
    token = await limited_site.token()
    socket = await Client.open(limited_site.port, f"/ws?token={token}")
    for _ in range(2):
        await _answered(socket)
    headers = (await limited_site.client(token=token).get("/api/mcp/models")).headers
    assert (headers["X-RateLimit-Limit"], headers["X-RateLimit-Remaining"]) == ("60", "57")
    socket.abort()


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/ws", "/v1/ai/stream"])
async def test_a_keys_own_requests_a_minute_hold_on_a_socket_too(limited_site: Site, path: str) -> None:
    owner = limited_site.client("ai_aggregator", token=await limited_site.token())
    made = await owner.post("/v1/auth/api-keys", {"name": "A key", "requestsPerMinute": 2}, status=201)
    socket = await Client.open(limited_site.port, f"{path}?api_key={made.data['key']}")
    for _ in range(2):
        await _answered(socket)
    assert (await socket.request("chat.start", **QUESTION))["error"]["code"] == "RATE_LIMIT_EXCEEDED"
    socket.abort()


@pytest.mark.gen_test
async def test_keys_share_the_minute_of_their_user(limited_site: Site) -> None:
    token = await a_token_of(limited_site, "free")
    owner, keys = limited_site.client("ai_playground", token=token), []
    for name in ("one", "two"):
        body = {"name": name, "permissions": ["ai:read"]}
        keys.append((await owner.post("/api/v1/api-keys", body, status=201)).data["api_key"]["key"])
    clients = [owner, *(limited_site.client("ai_playground", token=key) for key in keys)]
    told = [(await client.get("/api/v1/ai/models")).headers for client in (clients * 3)[:8]]
    assert [int(headers["X-RateLimit-Remaining"]) for headers in told] == list(reversed(range(8)))
    assert [headers["X-RateLimit-Identifier"] for headers in told[:3]] == ["user", "api-key", "api-key"]
    for client in clients:
        await client.get("/api/v1/ai/models", status=429)


@pytest.mark.gen_test
async def test_a_dead_token_keeps_nobody_from_signing_in(limited_site: Site) -> None:
    """Strangers of one address count for each class by themselves."""
    await limited_site.register(email="ada@example.com")
    dead, stranger = limited_site.client("ai_playground", token="dead"), limited_site.client("ai_playground")
    for status in [401] * 10 + [429] * 2:
        await dead.get("/api/v1/ai/usage", status=status)
    form = {"email": "ada@example.com", "password": PASSWORD}
    await stranger.post("/api/auth/login", form, headers=HOST)


@pytest.mark.gen_test
async def test_who_is_nobody_yet_counts_by_address(limited_site: Site) -> None:
    form = {"email": "nobody@example.com", "password": "wrong"}
    headers = (
        await limited_site.client("ai_playground").post("/api/auth/login", form, headers=HOST, status=401)
    ).headers
    assert headers["X-RateLimit-Identifier"] == "ip"


async def _answered(socket: Client) -> None:
    await socket.answer_of((await socket.request("chat.start", **QUESTION))["stream_id"])
