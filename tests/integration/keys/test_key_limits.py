"""What an API key is limited to beside its budget: AI models, requests and tokens a minute; and the documented limits."""

import asyncio
import time
from typing import Any

import pytest

from hub.identity import Credential
from models import wallets
from tests.api_client import Answer, ApiClient
from tests.integration.keys.parts import COMPLETIONS, MESSAGES, complete, owner_of, read
from tests.patience import until
from tests.site import Site

MODELS = "/v1/models"
PROMPT_TOKENS = 10  # of MESSAGES, by gpt-4's vocabulary
ANSWER_TOKENS = 400  # of the sandbox, where nobody wants fewer


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4", "messages": MESSAGES, **fields}


# --- AI models --------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("stream", [False, True])
async def test_another_model_is_refused_by_name_before_anything_is_held(site: Site, stream: bool) -> None:
    owner = await owner_of(site)
    key = await owner.key(allowedModels=["gpt-4o", "gpt-4o-mini"])
    before = await wallets.wallet(site.services.database, owner.user)
    refused = await owner.by(key).post(COMPLETIONS, body(stream=stream), status=403)
    assert refused.code == "FORBIDDEN" and "'gpt-4'" in refused.body["error"]["message"]
    hub = owner.by(key, "smart_ai_hub")
    assert (await hub.post("/api/mcp/chat/completions", body(), status=403)).code == "AUTHORIZATION_FAILED"
    assert await wallets.wallet(site.services.database, owner.user) == before
    await owner.by(key).post(COMPLETIONS, body(model="gpt-4o", max_tokens=5), plain=True)
    await owner.client.post(COMPLETIONS, body(max_tokens=5), plain=True)


# --- requests a minute ------------------------------------------------------------------------------------------


async def used_up(client: ApiClient, limit: int) -> Answer:
    """Make as many requests as a limit allows, each told what is left; the one that is refused."""
    for left in reversed(range(limit)):
        answer = await client.get(MODELS)
        assert answer.headers["X-RateLimit-Limit"] == str(limit)
        assert answer.headers["X-RateLimit-Remaining"] == str(left)
    refused = await client.get(MODELS, status=429)
    assert refused.code == "RATE_LIMITED" and 1 <= int(refused.headers["Retry-After"]) <= 60
    return refused


@pytest.mark.gen_test
async def test_the_documented_limit_of_users_is_kept(limited_site: Site) -> None:
    """And theirs is not their keys'."""
    owner = await owner_of(limited_site)
    await used_up(owner.client, 100)
    client = limited_site.client("ai_aggregator", token=await limited_site.token())
    assert (await client.get(MODELS)).headers["X-RateLimit-Limit"] == "100"


@pytest.mark.gen_test
async def test_the_documented_limit_of_keys_is_kept(limited_site: Site) -> None:
    owner = await owner_of(limited_site)
    first, second = await owner.key(), await owner.key()
    await used_up(owner.by(first), 1_000)
    assert (await owner.by(second).get(MODELS)).headers["X-RateLimit-Remaining"] == "999"
    assert (await owner.client.get(MODELS)).headers["X-RateLimit-Limit"] == "100"


@pytest.mark.gen_test
@pytest.mark.parametrize(("tier", "limit"), [("basic", "1000"), ("pro", "5000"), ("enterprise", "5000")])
async def test_the_documented_limit_of_premium_tiers_is_told(limited_site: Site, tier: str, limit: str) -> None:
    owner = await owner_of(limited_site)
    await limited_site.services.identities.change_user(owner.user, {"tier": tier})
    key = await owner.key()
    answer = await owner.by(key).get(MODELS)
    assert answer.headers["X-RateLimit-Limit"] == limit
    assert (await owner.client.get(MODELS)).headers["X-RateLimit-Limit"] == ("100" if tier == "basic" else limit)


@pytest.mark.gen_test
@pytest.mark.parametrize("by_key", [False, True])
async def test_the_documented_limit_of_premium_tiers_is_kept(limited_site: Site, by_key: bool) -> None:
    services, owner = limited_site.services, await owner_of(limited_site)
    await services.identities.change_user(owner.user, {"tier": "pro"})
    key = await owner.key()
    client, other = (owner.by(key), owner.client) if by_key else (owner.client, owner.by(key))
    identity = await services.identities.resolve(Credential("bearer", key.secret if by_key else owner.token))
    left = (await client.get(MODELS)).headers["X-RateLimit-Remaining"]
    for _ in range(int(left) - 1):  # as requests do, without their answers
        await services.rate_limits.hit("ai_aggregator", "general", identity, "")
    last = await client.get(MODELS)
    refused = await client.get(MODELS, status=429)
    for answer in (last, refused):
        for name in ("X-RateLimit-Limit", "X-RateLimit-Limit-Requests"):
            assert answer.headers[name] == "5000"
        for name in ("X-RateLimit-Remaining", "X-RateLimit-Remaining-Requests"):
            assert answer.headers[name] == "0"
    assert refused.code == "RATE_LIMITED"
    wait_seconds, reset = int(refused.headers["Retry-After"]), int(refused.headers["X-RateLimit-Reset"])
    assert 1 <= wait_seconds <= 60 and abs(time.time() + wait_seconds - reset) <= 2
    assert int((await other.get(MODELS)).headers["X-RateLimit-Remaining"]) > 4_990, "each counts by itself"


@pytest.mark.gen_test
async def test_a_keys_own_limit_counts_on_every_api(limited_site: Site) -> None:
    owner = await owner_of(limited_site)
    key = await owner.key(requestsPerMinute=5)
    await used_up(owner.by(key), 5)
    refused = await owner.by(key, "smart_ai_hub").get("/api/mcp/models", status=429)
    assert refused.headers["X-RateLimit-Limit"] == "5"
    await owner.client.get(MODELS)
    await owner.by(await owner.key()).get(MODELS)


@pytest.mark.gen_test
async def test_a_keys_own_limit_is_never_above_the_plans(limited_site: Site) -> None:
    owner = await owner_of(limited_site)
    key = await owner.key(requestsPerMinute=100_000)
    assert (await owner.by(key).get(MODELS)).headers["X-RateLimit-Limit"] == "1000"
    hub = owner.by(key, "smart_ai_hub")
    for _ in range(60):
        await hub.get("/api/mcp/models")
    await hub.get("/api/mcp/models", status=429)


# --- tokens a minute --------------------------------------------------------------------------------------------


async def tokens_of(asked: Any) -> int:
    usage: dict[str, int] = (await read(asked))["usage"]
    return usage["total_tokens"]


@pytest.mark.gen_test
async def test_what_an_answer_did_not_use_is_given_back(fast_limited_site: Site) -> None:
    """A first answer may use all that is left, and takes 400; had it kept all, the second would be refused."""
    owner = await owner_of(fast_limited_site)
    key = await owner.key(tokensPerMinute=1_000)
    taken = [await tokens_of(await complete(fast_limited_site, key)) for _ in range(2)]
    assert all(PROMPT_TOKENS < tokens <= PROMPT_TOKENS + ANSWER_TOKENS for tokens in taken)
    refused = await complete(fast_limited_site, key)
    assert refused.status == 429 and 1 <= int(refused.headers["retry-after"]) <= 60
    error = (await read(refused))["error"]
    assert error["code"] == "RATE_LIMITED" and "1000 tokens a minute" in error["message"]
    assert (await complete(fast_limited_site, key, max_tokens=20)).status == 200, "a short answer still fits"
    assert (await fast_limited_site.services.ledger.wallet(owner.user)).credits_held == 0


@pytest.mark.gen_test
async def test_an_answer_is_as_long_as_what_is_left(fast_limited_site: Site) -> None:
    owner = await owner_of(fast_limited_site)
    key = await owner.key(tokensPerMinute=PROMPT_TOKENS + 300)
    answer = await read(await complete(fast_limited_site, key))
    assert answer["usage"]["completion_tokens"] <= 300
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.gen_test
async def test_answers_at_once_have_no_more_than_the_limit(fast_limited_site: Site) -> None:
    owner = await owner_of(fast_limited_site)
    key = await owner.key(tokensPerMinute=2_000)
    answers = await asyncio.gather(*(complete(fast_limited_site, key, max_tokens=400) for _ in range(20)))
    used = [await tokens_of(answer) for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} == {200, 429}
    assert 0 < sum(used) <= 2_000


@pytest.mark.gen_test
async def test_what_never_began_counts_for_nothing(fast_limited_site: Site) -> None:
    owner = await owner_of(fast_limited_site)
    key = await owner.key(tokensPerMinute=1_000, creditLimit=0.000001)
    for _ in range(5):
        assert (await complete(fast_limited_site, key)).status == 402
    await owner.change(key, creditLimit=None)
    assert (await complete(fast_limited_site, key)).status == 200


@pytest.mark.gen_test
async def test_an_answer_that_is_cut_short_gives_back_the_rest(slow_limited_site: Site) -> None:
    site = slow_limited_site
    owner = await owner_of(site)
    key = await owner.key(tokensPerMinute=1_000)
    answer = await complete(site, key, stream=True)
    while not (event := await answer.event()) or not event.content:
        assert event is not None, "it ended before it began"
    assert (await complete(site, key)).status == 429, "it may take all that there is"
    stopped = await owner.client.raw("DELETE", f"/api/streams/{answer.headers['x-hub-stream-id']}")
    assert stopped.code == 200
    await until(lambda: not len(site.services.streams))
    answer.reset()
    again = await complete(site, key, max_tokens=5)
    assert again.status == 200
    await read(again)
