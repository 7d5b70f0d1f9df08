"""The AI Playground's limits: so many requests a minute by tier, whatever of it is asked, told on each answer."""

from itertools import cycle
from typing import Final

import pytest

from tests.api_client import ApiClient
from tests.contract.rows import HOSTS
from tests.site import Site

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
    registered = await site.register()
    await site.services.identities.change_user(registered["data"]["user"]["id"], {"tier": tier})
    return site.client("ai_playground", token=registered["access_token"])


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
