"""What the AI Playground tells of usage: figures by AI model and day that equal what was charged, and request by request."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from config import limits
from hub.operations import Operation
from hub.usage_records import used
from models import usage, wallets
from models.clock import now
from models.database import Document
from models.ids import new_id
from tests.api_client import Answer, ApiClient
from tests.site import Site
from tests.ws_client import Client

pytestmark = pytest.mark.gen_test

FIGURES, REQUESTS = "/api/v1/ai/usage", "/api/v1/usage"
CHAT: Final = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 9}
V1: Final = {**CHAT, "model": "gpt-4"}
NOTHING: Final = {"total_requests": 0, "total_tokens": 0, "total_cost": 0, "by_model": {}, "by_date": []}


class Person:
    """A user, with a client that speaks the AI Playground's API."""

    def __init__(self, site: Site, registered: dict[str, Any]) -> None:
        self.id = str(registered["data"]["user"]["id"])
        self.token = str(registered["access_token"])
        self.client = site.client("ai_playground", token=self.token)


async def person(site: Site) -> Person:
    return Person(site, await site.register())


async def figures(client: ApiClient, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"{FIGURES}?{query}")).data["usage"]
    return found


async def listed(client: ApiClient, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"{REQUESTS}?{query}")).data
    return found


async def spent(site: Site, user: str) -> float:
    """What the wallet's entries say, in credits."""
    entries, _ = await wallets.entries(site.services.database, user, "credit", skip=0, limit=100)
    return -sum(entry["amount"] for entry in entries if entry["kind"] == "usage") / 10**6


def fields_of(answer: Answer) -> list[str]:
    return sorted(failure["field"] for failure in answer.body["error"]["details"]["errors"])


async def ask_everywhere(site: Site, user: Person) -> list[str]:
    """A request by each way to an AI model; the paths in their order."""
    client = user.client
    await client.post("/api/v1/ai/chat", CHAT)
    await client.events("/api/v1/ai/chat", {**CHAT, "model": "gpt-4", "stream": True})
    await client.post("/api/v1/ai/generate", {"prompt": "Hello", "n": 2, "max_tokens": 9})
    await client.post("/v1/chat/completions", V1, plain=True, dialect="ai_aggregator")
    await client.post("/v1/messages", V1, plain=True, dialect="ai_aggregator")
    embedding = {"model": "text-embedding-3-small", "input": "Hello"}
    await client.post("/v1/embeddings", embedding, plain=True, dialect="ai_aggregator")
    mcp = {"model": "gpt-4", "messages": CHAT["messages"], "maxTokens": 9}
    await client.post("/api/mcp/chat/completions", mcp, dialect="smart_ai_hub")
    for path in ("/ws", "/v1/ai/stream"):
        socket = await Client.open(site.port, f"{path}?token={user.token}")
        await socket.answer_of((await socket.request("chat.start", **V1))["stream_id"])
        socket.abort()
    once, twice = ["/api/v1/ai/generate"], ["/api/v1/ai/chat"] * 2
    others = ["/v1/chat/completions", "/v1/messages", "/v1/embeddings", "/api/mcp/chat/completions"]
    return [*twice, *once, *others, "/ws", "/v1/ai/stream"]


async def test_figures_are_what_was_charged_by_whatever_way_it_came(site: Site) -> None:
    user, other = await person(site), await person(site)
    paths = await ask_everywhere(site, user)
    await other.client.post("/api/v1/ai/chat", CHAT)
    told = await figures(user.client)
    items = (await listed(user.client, "sort=asc"))["items"]
    assert [item["endpoint"] for item in items] == paths
    assert told["total_cost"] == pytest.approx(await spent(site, user.id), abs=1e-9) and told["total_cost"] > 0
    assert told["total_cost"] == pytest.approx(sum(item["cost"] for item in items), abs=1e-9)
    assert (told["total_requests"], told["total_tokens"]) == (9, sum(item["tokens"] for item in items))
    assert list(told["by_model"]) == ["gpt-4", "minimax", "text-embedding-3-small"]
    for model, taken in told["by_model"].items():
        its = [item for item in items if item["model"] == model]
        assert taken == {
            "requests": len(its),
            "tokens": sum(item["tokens"] for item in its),
            "cost": pytest.approx(sum(item["cost"] for item in its), abs=1e-9),
        }
    total = {name: told[f"total_{name}"] for name in ("requests", "tokens", "cost")}
    assert told["by_date"] == [{"date": now().date().isoformat(), **total}]
    assert (await figures(other.client))["total_requests"] == 1


async def test_each_request_tells_what_it_took(site: Site) -> None:
    user = await person(site)
    answer = (await user.client.post("/api/v1/ai/chat", CHAT)).data
    (item,) = (await listed(user.client))["items"]
    (row,) = await site.services.database[usage.USAGE].find({"user": user.id}, limit=2)
    assert item["id"].partition("_")[2] == answer["id"].removeprefix("chat-")
    expected = {"endpoint": "/api/v1/ai/chat", "model": "minimax", "status": "complete", "cost": answer["cost"]}
    expected |= {"duration_ms": row["duration_ms"], "tokens": answer["usage"]["total_tokens"]}
    expected |= {name: answer["usage"][name] for name in ("prompt_tokens", "completion_tokens")}
    assert {name: item[name] for name in expected} == expected
    assert abs(datetime.fromisoformat(item["timestamp"]) - now()) < timedelta(minutes=1)


async def test_what_an_earlier_version_left_is_told_as_far_as_it_goes(site: Site) -> None:
    """It wrote no endpoint, and added up all models of a day in one document."""
    user = await person(site)
    moment = datetime(2026, 11, 2, tzinfo=UTC)
    commit = _begun(user.id, moment)
    await site.services.ledger.commit(commit)
    database = site.services.database
    await database[usage.USAGE].update_one({"user": user.id}, {"$unset": {"endpoint": 1}})
    await database[usage.USAGE_DAYS].update_one({"user": user.id}, {"$unset": {"model": 1}})
    assert (await listed(user.client))["items"][0]["endpoint"] is None
    told = await figures(user.client)
    assert (told["total_requests"], list(told["by_model"])) == (1, ["unknown"])


async def test_who_used_nothing_sees_zeros(site: Site) -> None:
    user = await person(site)
    assert await figures(user.client) == NOTHING
    empty = {"page": 1, "limit": 20, "total": 0, "pages": 0, "has_next": False, "has_prev": False}
    assert await listed(user.client) == {"items": [], "pagination": empty}


async def test_quotas_stand_beside_the_figures(site: Site) -> None:
    user = await person(site)
    await user.client.post("/api/v1/ai/chat", CHAT)
    quota = (await user.client.get(FIGURES)).data["quota"]
    assert {period: (each["used"], each["limit"]) for period, each in quota.items()} == {
        "daily": (1, 50),
        "weekly": (1, 350),
        "monthly": (1, 1_500),
    }


# --- periods, models, pages ---------------------------------------------------------------------------------------


def _begun(user: str, moment: datetime, model: str = "gpt-4", charged: int = 1) -> Operation:
    """The end of a completion that was begun at a moment."""
    row: Document = {"_id": new_id("chat"), "user": user, "model": model, "prompt_tokens": 3, "completion_tokens": 4}
    row |= {
        "charged": charged,
        "duration_ms": 50,
        "first_token_ms": 20,
        "status": "complete",
        "endpoint": "/ws",
        "created_at": moment,
    }
    insert, day = used(user, moment, model, lambda receipt: row)
    return Operation(new_id("op"), inserts=[insert], updates=[day])


async def _three_days(site: Site, user: str) -> None:
    """From the second to the fourth of a month, at their first and last moments, by two models."""
    for day in (2, 3, 4):
        first = datetime(2026, 11, day, tzinfo=UTC)
        last = first + timedelta(days=1, milliseconds=-1)
        for number, (moment, model) in enumerate([(first, "gpt-4"), (last, "gpt-4"), (last, "minimax")]):
            await site.services.ledger.commit(_begun(user, moment, model, charged=10 ** (day - 2) * (1 + number)))


async def test_a_period_includes_both_its_days(site: Site) -> None:
    user = await person(site)
    await _three_days(site, user.id)
    for query, days, requests, micro in (
        ("", [2, 3, 4], 9, 666),
        ("start_date=2026-11-03", [3, 4], 6, 660),
        ("end_date=2026-11-03", [2, 3], 6, 66),
        ("start_date=2026-11-03&end_date=2026-11-03", [3], 3, 60),
        ("start_date=2026-11-03T23:59:59.999Z&end_date=2026-11-04T00:00:00", [3, 4], 6, 660),
        ("start_date=2026-11-04T01:00:00%2B02:00", [3, 4], 6, 660),
        ("start_date=2026-11-05", [], 0, 0),
        ("start_date=0001-01-01&end_date=9999-12-31", [2, 3, 4], 9, 666),
    ):
        told = await figures(user.client, query)
        assert [day["date"] for day in told["by_date"]] == [f"2026-11-0{day}" for day in days], query
        assert (told["total_requests"], round(told["total_cost"] * 10**6)) == (requests, micro), query
        assert sum(day["requests"] for day in told["by_date"]) == requests, query


async def test_one_model_alone(site: Site) -> None:
    user = await person(site)
    await _three_days(site, user.id)
    told = await figures(user.client, "model=minimax&start_date=2026-11-03")
    taken = {"requests": 2, "tokens": 14, "cost": 0.00033}
    assert told["by_model"] == {"minimax": taken}
    assert [(day["date"], day["cost"]) for day in told["by_date"]] == [("2026-11-03", 0.00003), ("2026-11-04", 0.0003)]
    assert await figures(user.client, "model=gpt-99") == NOTHING
    assert await figures(user.client, "model=%24gpt-4") == NOTHING


async def test_the_latest_days_are_shown_and_all_are_added_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "USAGE_DAYS_SHOWN_MAX", 2)
    user = await person(site)
    await _three_days(site, user.id)
    told = await figures(user.client)
    assert [day["date"] for day in told["by_date"]] == ["2026-11-03", "2026-11-04"]
    assert told["total_requests"] == 9


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("start_date=yesterday", ["start_date"]),
        ("start_date=2026-13-01&end_date=2026-11-31", ["end_date", "start_date"]),
        ("end_date=", ["end_date"]),
        ("start_date=2026-11-03&start_date=2026-11-04", ["start_date"]),
        ("start_date=9999-12-31T23:59:59-01:00", ["start_date"]),
        ("start_date=2026-11-04&end_date=2026-11-03", ["end_date"]),
        (f"end_date=x&model={'x' * 101}", ["end_date", "model"]),
    ],
)
async def test_dates_that_are_none_are_refused(site: Site, query: str, fields: list[str]) -> None:
    refused = await (await person(site)).client.get(f"{FIGURES}?{query}", status=400)
    assert (refused.code, fields_of(refused)) == ("VALIDATION_ERROR", fields)


async def test_requests_are_paged_in_either_order(site: Site) -> None:
    """Those of one millisecond keep their order too, so that no page repeats or leaves out one."""
    user, same = await person(site), datetime(2026, 11, 2, tzinfo=UTC)
    moments = [same] * 5 + [same + timedelta(seconds=second) for second in range(1, 3)]
    await asyncio.gather(*(site.services.ledger.commit(_begun(user.id, moment)) for moment in moments))
    for sort, word in (("desc", "sort=desc"), ("desc", ""), ("asc", "sort=asc")):
        pages = [await listed(user.client, f"limit=3&page={number}&{word}") for number in (1, 2, 3)]
        items = [item for page in pages for item in page["items"]]
        assert [len(page["items"]) for page in pages] == [3, 3, 1]
        order = [(item["timestamp"], item["id"]) for item in items]
        assert order == sorted(order, reverse=sort == "desc") and len(set(order)) == 7
        assert pages[1]["pagination"] == {
            "page": 2,
            "limit": 3,
            "total": 7,
            "pages": 3,
            "has_next": True,
            "has_prev": True,
        }
        assert pages[2]["pagination"]["has_next"] is False
    assert (await listed(user.client, "page=9"))["items"] == []
    assert (await listed(user.client, "limit=1000"))["pagination"]["limit"] == limits.PAGE_SIZE_MAX


async def test_a_page_that_is_none_is_refused(site: Site) -> None:
    client = (await person(site)).client
    beyond = await client.get(f"{REQUESTS}?page={limits.PAGE_NUMBER_MAX + 1}", status=400)
    assert fields_of(beyond) == ["page"]
    refused = await client.get(f"{REQUESTS}?limit=0&page=x&sort=up", status=400)
    assert (refused.code, fields_of(refused)) == ("VALIDATION_ERROR", ["limit", "page", "sort"])


# --- the AI models ------------------------------------------------------------------------------------------------


async def test_models_are_those_that_can_be_asked_here(site: Site) -> None:
    client = (await person(site)).client
    shown = {model["id"]: model for model in (await client.get("/api/v1/ai/models")).data["models"]}
    catalogue = site.services.catalogue
    assert set(shown) == {model.id for model in catalogue.values() if "embeddings" not in model.capabilities}
    minimax = shown["minimax"]
    assert (minimax["name"], minimax["max_tokens"]) == ("Minimax AI", 4_096)
    assert minimax["supported_endpoints"] == ["chat", "generate"]
    assert minimax["pricing"]["per_1k_tokens"] == 0.002
    assert shown["gpt-4o"]["pricing"] == {"per_1k_tokens": 0.0025, "output_per_1k_tokens": 0.01}
    assert (minimax["status"], minimax["sandbox"]) == ("available", True)
