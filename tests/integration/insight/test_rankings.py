"""Rankings: every answer and every failure is counted once, whatever ended it, and the score is made of nothing else."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from tornado.ioloop import IOLoop

from hub.insight import scores
from hub.insight.rankings import Ranked, Rankings
from models.clock import now
from models.database import Database, Document
from models.model_days import MODEL_DAYS
from models.usage import USAGE, USAGE_DAYS, day_of
from tests.api_client import ApiClient
from tests.site import Site
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn

pytestmark = pytest.mark.gen_test
CHAT: Final[dict[str, Any]] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}
BROKEN: Final = Scenario("error_chunk", chunks=8)
ERROR: Final = Scenario("error", status=500)
REFUSED: Final = Scenario("error", status=400)


@pytest.fixture
def provider(io_loop: IOLoop) -> Iterator[OpenAIStandIn]:
    stand_in = OpenAIStandIn()
    io_loop.run_sync(stand_in.start)
    yield stand_in
    io_loop.run_sync(stand_in.stop)


@pytest.fixture
def hub(serve: Callable[..., Site], provider: OpenAIStandIn) -> Site:
    openai = {"OPENAI_BASE_URL": provider.base_url, "OPENAI_API_KEY": "sk-test"}
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="100000", **openai)


async def _asks(client: ApiClient, model: str, streamed: bool = False, status: int = 200) -> None:
    path, body = "/v1/chat/completions", {**CHAT, "model": model}
    if streamed:
        await client.events(path, {**body, "stream": True})
    else:
        await client.post(path, body, status=status, plain=status == 200)


async def _totals(database: Database, model: str) -> Document:
    """What the days of all users come to."""
    names = ("requests", "broken", "fruitless", "timed")
    days = await database[USAGE_DAYS].find({"model": model}, limit=100)
    return {name: sum(day.get(name, 0) for day in days) for name in names}


async def _ranked(site: Site) -> dict[str, Ranked]:
    return {model.model: model for model in (await site.services.insight.rankings.made()).models}


async def test_what_is_asked_is_ranked_by_its_measured_figures(site: Site) -> None:
    client = site.client("ai_aggregator", token=await site.token())
    reader = site.client("ai_assistant", token=await site.token())
    assert (await reader.get("/api/rankings")).body["rankings"] == []
    for model in ("minimax", "gpt-4", "gpt-4"):
        await _asks(client, model, streamed=True)
    await client.post("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hello"}, plain=True)
    rows = await site.services.database[USAGE].find({"model": "gpt-4"}, limit=9)
    ranked = await _ranked(site)
    assert {model: of.uses for model, of in ranked.items()} == {"gpt-4": 2, "minimax": 1, "text-embedding-3-small": 1}
    assert ranked["gpt-4"].response_ms == round(sum(row["duration_ms"] for row in rows) / 2, 1)
    waited = sum(row["first_token_ms"] for row in rows)
    figures = scores.Figures(2, 0, 0, answered_ms=0, waited_ms=waited, timed=2, up=0, down=0)
    assert ranked["gpt-4"].score == round(scores.score(figures), 2)
    assert [model.score for model in ranked.values()] == sorted((of.score for of in ranked.values()), reverse=True)


async def test_a_ranking_is_made_once_a_minute_and_shown_in_its_documented_form(site: Site) -> None:
    client = site.client("ai_aggregator", token=await site.token())
    reader = site.client("ai_assistant", token=await site.token())
    await _asks(client, "gpt-4")
    first = (await reader.get("/api/rankings")).body
    (shown,) = first["rankings"]
    assert shown.pop("score") > 0 and shown.pop("avg_response_time_ms") >= 0
    assert shown == {"model": "gpt-4", "total_uses": 1, "user_satisfaction": 4}
    await _asks(client, "gpt-4")
    assert (await reader.get("/api/rankings")).body == (await reader.get("/api/rankings")).body
    assert (await reader.get("/api/rankings")).body["updated_at"] == first["updated_at"]
    assert (await _ranked(site))["gpt-4"].uses == 2


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_counts_where_it_is_the_providers(hub: Site, provider: OpenAIStandIn, streamed: bool) -> None:
    """Nothing came of it, so it is no use; what the provider calls wrong is its asker's fault."""
    client = hub.client("ai_aggregator", token=await hub.token())
    for scenario, counted, status in ((ERROR, 1, 502), (REFUSED, 0, 400)):
        provider.default = scenario
        before = await _totals(hub.services.database, "gpt-4")
        await client.post("/v1/chat/completions", {**CHAT, "model": "gpt-4", "stream": streamed}, status=status)
        after = await _totals(hub.services.database, "gpt-4")
        assert after == {**before, "fruitless": before["fruitless"] + counted}
    (ranked,) = (await _ranked(hub)).values()
    nothing = scores.Figures(0, 0, 1, 0, 0, 0, 0, 0)
    assert ranked == Ranked("gpt-4", round(scores.score(nothing), 2), 0, 0, 4)


async def test_an_answer_that_breaks_off_counts_as_both(hub: Site, provider: OpenAIStandIn) -> None:
    """It is a use and a failure, and its time says nothing."""
    client = hub.client("ai_aggregator", token=await hub.token())
    provider.script(BROKEN)
    await client.events("/v1/chat/completions", {**CHAT, "model": "gpt-4", "stream": True})
    await _asks(client, "gpt-4", streamed=True)
    assert await _totals(hub.services.database, "gpt-4") == {"requests": 2, "broken": 1, "fruitless": 0, "timed": 1}
    (whole,) = await hub.services.database[USAGE].find({"status": "complete"}, limit=3)
    assert (await _ranked(hub))["gpt-4"].response_ms == whole["duration_ms"]


async def test_embeddings_that_fail_count_too(hub: Site, provider: OpenAIStandIn) -> None:
    client = hub.client("ai_aggregator", token=await hub.token())
    body = {"model": "text-embedding-3-small", "input": "Hello"}
    for scenario, status in ((ERROR, 502), (REFUSED, 400)):
        provider.default = scenario
        await client.post("/v1/embeddings", body, status=status)
    figures = await _totals(hub.services.database, "text-embedding-3-small")
    assert figures == {"requests": 0, "broken": 0, "fruitless": 1, "timed": 0}


async def test_what_failed_for_nothing_is_no_request_in_its_users_figures(hub: Site, provider: OpenAIStandIn) -> None:
    token = await hub.token()
    provider.default = ERROR
    await hub.client("ai_aggregator", token=token).post("/v1/chat/completions", {**CHAT, "model": "gpt-4"}, status=502)
    usage = (await hub.client("ai_playground", token=token).get("/api/v1/ai/usage")).body["data"]["usage"]
    assert (usage["total_requests"], usage["by_model"], usage["by_date"]) == (0, {}, [])
    shown = (await hub.client("ai_assistant", token=token).get("/api/dashboard/stats")).body
    assert (shown["favorite_model"], shown["credits_used_total"]) == (None, 0)


async def test_thirty_days_count_each_when_it_is_asked_and_models_of_the_catalogue_alone(site: Site) -> None:
    database, moment, asked = site.services.database, now(), []
    rankings = Rankings(database, site.services.catalogue, lambda: moment)
    for age in (0, 1, 29, 30):
        asked.append(await _used(database, day_of(moment) - timedelta(days=age), "gpt-4"))
    await _used(database, day_of(moment), "a-model-of-old")
    assert [(model.model, model.uses) for model in (await rankings.made()).models] == [("gpt-4", 3)]
    await database[USAGE_DAYS].update_many({"_id": {"$in": asked}}, {"$inc": {"requests": 1}})
    later = Rankings(database, site.services.catalogue, lambda: moment + timedelta(days=1))
    (model,) = (await later.made()).models
    assert model.uses == 2 + 2, "of today and yesterday; what lay before is not added up again, and one is too old"
    days = await database[MODEL_DAYS].find({"model": "gpt-4"}, limit=9)
    assert len(days) == 3 and all(day["up"] == 0 for day in days if "up" in day)


async def _used(database: Database, day: Any, model: str) -> str:
    figures = {"requests": 1, "tokens": 5, "charged": 5, "duration_ms": 100, "waited_ms": 10, "timed": 1}
    name = f"user_1:{day.date().isoformat()}:{model}"
    await database[USAGE_DAYS].insert_one({"_id": name, "user": "user_1", "day": day, "model": model, **figures})
    return name
