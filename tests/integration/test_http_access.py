"""Who may call from where and how often: cookies, origins, CORS and rate limits, against a real server."""

import pytest

from config import limits
from handlers.openapi_parts import HEADERS
from tests.site import OUR_ORIGIN, Site

# --- cookies and origins --------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": OUR_ORIGIN}, 200),
        ({"Origin": OUR_ORIGIN, "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3001.evil.example"}, 403),
        ({"Origin": "http://sub.localhost:3001"}, 403),
        ({"Origin": "http://localhost:3002"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "text/plain"}, 403),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 403),
    ],
)
async def test_the_cookie_works_from_our_own_pages_alone(site: Site, headers: dict[str, str], status: int) -> None:
    client = site.client(cookie=await site.cookie())
    await client.post("/api/auth/logout", b"{}", status=status, headers=headers)


@pytest.mark.gen_test
async def test_another_origin_may_bring_its_own_token(site: Site) -> None:
    headers = {"Origin": "https://app.example"}
    answer = await site.client(token=await site.token()).get("/api/users/me", headers=headers)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    assert "X-Should-Retry" in answer.headers["Access-Control-Expose-Headers"]
    exposed = answer.headers["Access-Control-Expose-Headers"].lower().split(",")
    assert {name.lower() for name in HEADERS} - {name.strip() for name in exposed} == set()
    ours = await site.client(token=await site.token()).get("/api/users/me", headers={"Origin": OUR_ORIGIN})
    assert ours.headers["Access-Control-Allow-Origin"] == OUR_ORIGIN
    assert ours.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.gen_test
async def test_preflights_are_200(site: Site) -> None:
    headers = {"Origin": "https://app.example", "Access-Control-Request-Headers": "authorization, x-stainless-os"}
    response = await site.client().raw("OPTIONS", "/v1/models", None, headers)
    assert response.code == 200
    assert response.headers["Access-Control-Allow-Headers"] == "authorization, x-stainless-os"
    assert "GET" in response.headers["Access-Control-Allow-Methods"]


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_plan_is_kept_per_user_and_told_in_headers(limited_site: Site) -> None:
    site = limited_site
    token = await site.token()
    hub = await site.client(token=token).get("/api/users/me")
    assert hub.headers["X-RateLimit-Limit"] == "100" and hub.headers["X-RateLimit-Remaining"] == "99"
    at_assistant = {"Host": "localhost:8000"}
    assistant = site.client("ai_assistant", token=token)
    for left in range(9, -1, -1):
        answer = await assistant.get("/api/auth/me", headers=at_assistant)
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
    refused = await assistant.get("/api/auth/me", headers=at_assistant, status=429)
    assert refused.body["error"]["retry_after"] == int(refused.headers["Retry-After"])
    await site.client(token=await site.token()).get("/api/users/me")


@pytest.mark.gen_test
async def test_strangers_count_by_address_whatever_they_claim(limited_site: Site) -> None:
    site = limited_site
    for number in range(100):
        headers = {"Authorization": f"Bearer wrong{number}", "X-Forwarded-For": f"203.0.113.{number}"}
        await site.client().get("/api/users/me", status=401, headers=headers)
    await site.client().get("/api/users/me", status=429)


@pytest.mark.gen_test
async def test_our_own_page_is_not_held_to_the_assistants_plan(limited_site: Site) -> None:
    site = limited_site
    client = site.client("ai_assistant", cookie=await site.cookie())
    page = await client.get("/api/auth/me", headers={"Sec-Fetch-Site": "same-origin"})
    assert page.headers["X-RateLimit-Limit"] == "100"
    assert (await client.get("/api/auth/me")).headers["X-RateLimit-Limit"] == "10"


@pytest.mark.gen_test
async def test_limits_that_are_off_are_told_all_the_same(site: Site) -> None:
    client = site.client(token=await site.token())
    for _ in range(3):
        assert (await client.get("/api/users/me")).headers["X-RateLimit-Remaining"] == "100"


@pytest.mark.gen_test
async def test_what_no_method_answers_is_counted_and_tells_the_limits_too(limited_site: Site) -> None:
    client = limited_site.client()
    wrong_method = await client.request("PATCH", "/api/users/me", status=405)
    assert wrong_method.headers["Allow"] and wrong_method.headers["X-RateLimit-Remaining"] == "99"
    large = await client.request("PUT", "/api/users/me", b"x" * (limits.BODY_BYTES_MAX + 1), status=413)
    assert large.headers["X-RateLimit-Remaining"] == "98"
    unknown = await client.get("/api/nothing", status=404)
    assert unknown.headers["X-RateLimit-Limit"] == "100"
