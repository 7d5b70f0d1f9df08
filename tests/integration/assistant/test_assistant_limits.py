"""The AI Assistant's limits by minute and hour: the tighter window told on every answer, and how the refusal says when."""

import time
from typing import Final

import pytest

from config.plans import Limit
from tests.api_client import Answer, ApiClient
from tests.contract.rows import HOSTS
from tests.site import PASSWORD, Site

pytestmark = pytest.mark.gen_test

HOST: Final = {"Host": HOSTS["ai_assistant"]}
HOUR: Final = Limit(60, 3_600)


async def a_user_of(site: Site, tier: str) -> tuple[str, ApiClient]:
    registered = await site.register()
    user = str(registered["data"]["user"]["id"])
    await site.services.identities.change_user(user, {"tier": tier})
    return user, site.client("ai_assistant", token=registered["access_token"])


def hour_of(user: str) -> str:
    return f"3600:ai_assistant:general:user:{user}"


async def already_asked(site: Site, user: str, times: int) -> None:
    """As if so many requests had been made earlier in this hour, none of them in this minute."""
    counters = site.services.rate_limits._counters
    await counters.hit(hour_of(user), HOUR, times)


def told(answer: Answer) -> tuple[int, int]:
    headers = answer.headers
    return int(headers["X-RateLimit-Limit"]), int(headers["X-RateLimit-Remaining"])


def check_refusal(refused: Answer, limit: int, seconds_max: int) -> None:
    seconds = int(refused.headers["Retry-After"])
    assert 1 <= seconds <= seconds_max and told(refused) == (limit, 0)
    assert abs(time.time() + seconds - int(refused.headers["X-RateLimit-Reset"])) <= 2
    assert refused.body["error"] == {
        "code": "RATE_LIMIT_EXCEEDED",
        "message": f"Rate limit exceeded. Try again in {seconds} seconds.",
        "retry_after": seconds,
    }


@pytest.mark.parametrize(
    ("tier", "per_minute"), [("free", 10), ("basic", 10), ("pro", 60), ("business", 600), ("enterprise", 6_000)]
)
async def test_each_plan_has_its_minute(limited_site: Site, tier: str, per_minute: int) -> None:
    _, client = await a_user_of(limited_site, tier)
    assert told(await client.get("/api/models")) == (per_minute, per_minute - 1)
    assert told(await client.get("/api/auth/me", headers=HOST)) == (per_minute, per_minute - 2)


async def test_the_minute_is_used_up_by_all_paths_together_however_they_end(limited_site: Site) -> None:
    _, client = await a_user_of(limited_site, "free")
    statuses = {"/api/models": 200, "/api/history": 200, "/api/history/x/export": 404, "/api/history?limit=0": 400}
    left = 10
    for path, status in [*statuses.items(), *statuses.items(), *list(statuses.items())[:2]]:
        left -= 1
        assert told(await client.get(path, status=status)) == (10, left), path
    check_refusal(await client.post("/api/ai/chat", {"message": "Hello"}, status=429), 10, 60)
    check_refusal(await client.get("/api/auth/me", headers=HOST, status=429), 10, 60)
    await client.get("/api/users/me", dialect="smart_ai_hub")  # another API counts by itself


async def test_the_hour_is_told_where_it_is_the_tighter_window(limited_site: Site) -> None:
    user, client = await a_user_of(limited_site, "free")
    await already_asked(limited_site, user, 48)
    assert told(await client.get("/api/models")) == (10, 9), "11 are left of the hour"
    user, client = await a_user_of(limited_site, "free")
    await already_asked(limited_site, user, 55)
    for left in reversed(range(5)):
        assert told(await client.get("/api/models")) == (60, left)
    check_refusal(await client.get("/api/models", status=429), 60, 3_600)


async def test_what_the_minute_refuses_costs_nothing_of_the_hour(limited_site: Site) -> None:
    user, client = await a_user_of(limited_site, "free")
    await already_asked(limited_site, user, 20)
    for _ in range(10):
        await client.get("/api/models")
    for _ in range(5):
        check_refusal(await client.get("/api/models", status=429), 10, 60)
    used, _ = await limited_site.services.rate_limits._counters.hit(hour_of(user), HOUR, 0)
    assert used == 30


async def test_where_both_windows_refuse_the_one_that_ends_last_is_told(limited_site: Site) -> None:
    user, client = await a_user_of(limited_site, "free")
    for _ in range(10):
        await client.get("/api/models")
    await already_asked(limited_site, user, 50)
    refused = await client.get("/api/models", status=429)
    check_refusal(refused, 60, 3_600)
    assert int(refused.headers["Retry-After"]) > 60


async def test_a_failed_sign_in_is_counted_and_tells_the_limit_too(limited_site: Site) -> None:
    await limited_site.register()
    client = limited_site.client("ai_assistant")
    wrong = {"email": "user1@example.com", "password": "wrong"}
    for left in reversed(range(10)):
        assert told(await client.post("/api/auth/login", wrong, status=401, headers=HOST)) == (10, left)
    right = {**wrong, "password": PASSWORD}
    check_refusal(await client.post("/api/auth/login", right, status=429, headers=HOST), 10, 60)


async def test_the_cookie_signs_out_at_the_assistants_address(site: Site) -> None:
    """The path is none of its document's, and answers in the hub's own form; the cookie is ended all the same."""
    cookie = await site.cookie()
    mine = site.client("ai_assistant", cookie=cookie)
    assert (await mine.get("/api/auth/me", headers=HOST)).body["has_2fa"] is False
    answer = await mine.post("/api/auth/logout", {}, headers=HOST, dialect="smart_ai_hub")
    assert answer.headers["Set-Cookie"].startswith('auth_token="";')
    refused = await mine.get("/api/auth/me", headers=HOST, status=401)
    assert refused.body["error"]["code"] == "AUTHENTICATION_REQUIRED"
