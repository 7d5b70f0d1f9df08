"""Analytics of `/v1`: a dashboard that equals what completions really cost, and events that are found again."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from config import limits
from hub.operations import Leg, Operation
from hub.usage_records import used
from models import usage, wallets
from models.analytics_events import ANALYTICS_EVENTS
from models.clock import now
from models.database import Database, Document
from models.ids import new_id
from tests.api_client import Answer, ApiClient
from tests.factories import grant, make_wallet
from tests.ledger_parts import fail_point, running
from tests.site import Site

DASHBOARD, EVENTS = "/v1/analytics/dashboard", "/v1/analytics/events"
CHAT: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}
EVENT: Final[dict[str, Any]] = {
    "eventType": "ai_interaction",
    "eventName": "chat_completion",
    "properties": {"model": "gpt-4", "tokens": 30, "cost": 0.05},
}
FIGURES: Final = ("requests", "tokens", "charged", "duration_ms")


class Person:
    """A user, with a client that speaks the API of `/v1`."""

    def __init__(self, site: Site, registered: dict[str, Any]) -> None:
        self.id = str(registered["data"]["user"]["id"])
        self.client = site.client("ai_aggregator", token=registered["access_token"])


async def person(site: Site) -> Person:
    return Person(site, await site.register())


async def _complete(client: ApiClient, **fields: Any) -> None:
    await client.post("/v1/chat/completions", {**CHAT, **fields}, plain=True)


async def _dashboard(client: ApiClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(DASHBOARD)).body["dashboard"]
    return found


async def _rows(database: Database, user: str) -> list[Document]:
    return await database[usage.USAGE].find({"user": user}, limit=1_000)


def _added(rows: list[Document]) -> dict[str, int]:
    """What rows come to, by adding them up."""
    return {
        "requests": len(rows),
        "tokens": sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows),
        "charged": sum(row["charged"] for row in rows),
        "duration_ms": sum(row["duration_ms"] for row in rows),
    }


def _fields(answer: Answer) -> list[str]:
    return [failure["field"] for failure in answer.body["error"]["details"]["errors"]]


# --- the dashboard ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_dashboard_is_what_completions_really_cost(site: Site) -> None:
    """Of every transport and model at once, those that ended at zero credits too; and of this user alone."""
    user, other, database = await person(site), await person(site), site.services.database
    mcp = {"model": "minimax", "messages": CHAT["messages"], "maxTokens": 9}
    await asyncio.gather(
        *(_complete(user.client, max_tokens=tokens) for tokens in range(1, 13)),
        *(user.client.events("/v1/chat/completions", {**CHAT, "stream": True}) for _ in range(3)),
        user.client.post("/api/mcp/chat/completions", mcp, dialect="smart_ai_hub"),
        _complete(other.client),
    )
    left = (await site.services.ledger.wallet(user.id)).credits
    await grant(site.services.ledger, user.id, 1_500 - left)
    await user.client.events("/v1/chat/completions", {**CHAT, "stream": True, "max_tokens": 200})
    rows, entries = await _rows(database, user.id), await wallets.entries(database, user.id, "credit", skip=0, limit=99)
    spent = -sum(entry["amount"] for entry in entries[0] if entry["kind"] == "usage")
    sums = _added(rows)
    assert (sums["requests"], sums["charged"]) == (17, spent)
    shown = await _dashboard(user.client)
    assert shown == {
        "overview": {
            "totalRequests": 17,
            "totalTokens": sums["tokens"],
            "totalCost": spent / 10**6,
            "averageResponseTime": round(sums["duration_ms"] / 17),
        },
        "usage": dict.fromkeys(("requestsToday", "requestsThisWeek", "requestsThisMonth"), 17),
        "costs": dict.fromkeys(("spentToday", "spentThisWeek", "spentThisMonth"), spent / 10**6),
    }
    assert (await _dashboard(other.client))["overview"]["totalRequests"] == 1


@pytest.mark.gen_test
async def test_a_dashboard_without_usage_has_zeros(site: Site) -> None:
    user = await person(site)
    figures = [value for part in (await _dashboard(user.client)).values() for value in part.values()]
    assert figures == [0] * 10


@pytest.mark.gen_test
async def test_what_was_refused_or_came_to_nothing_is_not_counted(site: Site) -> None:
    user = await person(site)
    await user.client.post("/v1/chat/completions", {**CHAT, "model": "gpt-99"}, status=404)
    await grant(site.services.ledger, user.id, -10_000_000)
    await user.client.post("/v1/chat/completions", CHAT, status=402)
    assert (await _dashboard(user.client))["overview"]["totalRequests"] == 0
    assert await site.services.database[usage.USAGE_DAYS].count({}) == 0


def _used(user: str, moment: datetime, charged: int = 10, wallet: str | None = None, model: str = "gpt-4") -> Operation:
    """The end of a completion that was begun at a moment; with a `wallet`, and paid from it."""
    row: Document = {"_id": new_id("chat"), "user": user, "model": model, "prompt_tokens": 3, "completion_tokens": 4}
    row |= {"charged": charged, "duration_ms": 50, "first_token_ms": 20, "created_at": moment}
    insert, day = used(user, moment, model, lambda receipt: row)
    legs = [] if wallet is None else [Leg(wallet, "credit", "usage", -charged, "test")]
    return Operation(new_id("op"), legs=legs, inserts=[insert], updates=[day])


@pytest.mark.gen_test
async def test_days_weeks_and_months_begin_at_midnight_utc(site: Site) -> None:
    """On a Wednesday of which the Monday lies in the same month, and on one of which it does not."""
    services, user = site.services, await make_wallet(site.services.ledger)
    instant = timedelta(milliseconds=1)
    midnights = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 23, 25)]
    for number, moment in enumerate([each for midnight in midnights for each in (midnight - instant, midnight)]):
        await services.ledger.commit(_used(user, moment, charged=10**number))
    found = await services.analytics.dashboard(user, datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert [found[name] for name in FIGURES] == [6, 42, 111_111, 300]
    assert [found[f"requests_{period}"] for period in ("today", "week", "month")] == [1, 3, 5]
    assert [found[f"charged_{period}"] for period in ("today", "week", "month")] == [100_000, 111_000, 111_110]
    later = await services.analytics.dashboard(user, datetime(2026, 12, 2, tzinfo=UTC))
    assert [later[f"requests_{period}"] for period in ("today", "week", "month")] == [0, 0, 0]
    crossing = datetime(2026, 11, 30, tzinfo=UTC)  # the Monday of that week
    await services.ledger.commit(_used(user, crossing))
    again = await services.analytics.dashboard(user, datetime(2026, 12, 2, tzinfo=UTC))
    assert [again[f"requests_{period}"] for period in ("today", "week", "month")] == [0, 1, 0]
    assert again["requests"] == 7


@pytest.mark.gen_test
async def test_totals_stay_exact_while_two_nodes_write_the_same_day(database: Database, mongod_uri: str) -> None:
    """Their transactions meet, some end in a commit that fails, and are repeated: what was undone is counted once."""
    moment = now()
    aborted: Document = {"errorCode": 251, "errorLabels": ["TransientTransactionError"]}
    async with running(database) as first, running(database) as second:
        user = await make_wallet(first.ledger, 10**6)
        async with fail_point(mongod_uri, {"times": 3}, ["commitTransaction"], at_least=3, **aborted):
            for _ in range(5):
                ends = [_used(user, moment, wallet=user) for _ in range(16)]
                await asyncio.gather(
                    *(process.ledger.commit(end) for end, process in zip(ends, [first, second] * 8, strict=True))
                )
    (day,) = await database[usage.USAGE_DAYS].find({}, limit=10)
    assert {name: day[name] for name in FIGURES} == _added(await _rows(database, user))
    assert (day["requests"], day["charged"]) == (80, 800)


@pytest.mark.gen_test
async def test_all_of_a_day_by_one_model_is_one_document(site: Site) -> None:
    """Whose figures outgrow 32 bits."""
    user, moment = await make_wallet(site.services.ledger), now()
    for model in ("gpt-4", "gpt-4", "minimax"):
        await site.services.ledger.commit(_used(user, moment, charged=2**31 - 1, model=model))
    days = await site.services.database[usage.USAGE_DAYS].find({"user": user}, sort=[("_id", 1)], limit=10)
    assert [(day["requests"], day["charged"], day["_id"]) for day in days] == [
        (2, 2**32 - 2, f"{user}:{moment.date().isoformat()}:gpt-4"),
        (1, 2**31 - 1, f"{user}:{moment.date().isoformat()}:minimax"),
    ]
    assert (await site.services.analytics.dashboard(user, moment))["charged_today"] == 3 * (2**31 - 1)


# --- events -----------------------------------------------------------------------------------------------------


async def _track(client: ApiClient, **fields: Any) -> dict[str, Any]:
    data: dict[str, Any] = (await client.post(EVENTS, {**EVENT, **fields})).data
    return data


async def _found(client: ApiClient, query: str = "") -> list[str]:
    events = (await client.get(f"{EVENTS}?limit=100&{query}")).body["events"]
    return [event["id"] for event in events]


@pytest.mark.gen_test
async def test_an_event_is_kept_as_it_was_sent(site: Site) -> None:
    user = await person(site)
    answer = (await user.client.post(EVENTS, EVENT)).body
    assert answer["message"] == "Event tracked successfully"
    assert {name: answer["data"][name] for name in EVENT} == EVENT
    assert answer["data"]["id"].startswith("evt_")
    listed = (await user.client.get(EVENTS)).body
    assert listed["events"] == [answer["data"]]
    assert listed["pagination"] == {"total": 1, "limit": 10, "offset": 0, "hasMore": False}
    sent = {name: EVENT[name] for name in ("eventType", "eventName")}
    assert (await user.client.post(EVENTS, sent)).data["properties"] == {}


@pytest.mark.gen_test
async def test_events_are_found_by_name_type_and_time_and_by_their_owner_alone(site: Site) -> None:
    user, other, database = await person(site), await person(site), site.services.database
    first = (await _track(user.client))["id"]
    second = (await _track(user.client, eventName="Page viewed"))["id"]
    third = (await _track(user.client, eventType="page", eventName="Page viewed"))["id"]
    await _track(other.client)
    for event_id, day in ((first, 1), (second, 2), (third, 3)):
        moment = datetime(2026, 11, day, 12, tzinfo=UTC)
        await database[ANALYTICS_EVENTS].update_one({"_id": event_id}, {"$set": {"created_at": moment}})
    for query, expected in (
        ("", [third, second, first]),
        ("name=Page%20viewed", [third, second]),
        ("type=ai_interaction", [second, first]),
        ("name=Page%20viewed&type=ai_interaction", [second]),
        ("from=2026-11-02", [third, second]),
        ("to=2026-11-02", [second, first]),
        ("from=2026-11-01T12:00:00Z&to=2026-11-02T12:00:00Z", [first]),
        ("name=page%20viewed", []),
        ("name=%24ne", []),
    ):
        assert await _found(user.client, query) == expected, query
    page = (await user.client.get(f"{EVENTS}?limit=1&offset=1")).body
    assert [event["id"] for event in page["events"]] == [second]
    assert page["pagination"] == {"total": 3, "limit": 1, "offset": 1, "hasMore": True}
    assert len(await _found(other.client)) == 1
    refused = await user.client.get(f"{EVENTS}?limit=x&from=x&to=2026-13-01&name=a&name=b", status=400)
    assert sorted(_fields(refused)) == ["from", "limit", "name", "to"]


def _nested(depth: int) -> dict[str, Any]:
    """An object in which so many objects and lists lie within each other."""
    return {"a": []} if depth == 2 else {"a": _nested(depth - 1)}


@pytest.mark.gen_test
async def test_properties_are_bounded(site: Site) -> None:
    user = await person(site)
    keys, size = limits.ANALYTICS_PROPERTIES_KEYS_MAX, limits.ANALYTICS_PROPERTIES_BYTES_MAX
    depth = limits.ANALYTICS_PROPERTIES_DEPTH_MAX
    frame = len('{"a":""}')
    for properties in (
        {str(number): 1 for number in range(keys)},
        {"a": "x" * (size - frame)},
        _nested(depth),
        {"a": [None, True, 0.5, -(2**63), 2**63 - 1, "\u00e9"]},
    ):
        assert (await _track(user.client, properties=properties))["properties"] == properties
    for properties in (
        {str(number): 1 for number in range(keys + 1)},
        {"inner": {str(number): 1 for number in range(keys)}},
        {"a": "x" * (size - frame + 1)},
        {"a": "\u00e9" * (size // 2)},
        _nested(depth + 1),
        {"$set": 1},
        {"a": {"b.c": 1}},
        {"a": [{"$where": "1"}]},
        [],
        "text",
        None,
    ):
        refused = await user.client.post(EVENTS, {**EVENT, "properties": properties}, status=400)
        assert _fields(refused) == ["properties"], str(properties)[:100]
    assert await site.services.database[ANALYTICS_EVENTS].count({}) == 4


@pytest.mark.gen_test
async def test_names_are_bounded_and_nothing_else_is_taken(site: Site) -> None:
    user = await person(site)
    for name in ("eventType", "eventName"):
        for value in ("", "x" * 101, " x", "a\nb", "$gt", "\u00e9", 5, None, {"$gt": ""}):
            refused = await user.client.post(EVENTS, {**EVENT, name: value}, status=400)
            assert _fields(refused) == [name], value
    for name in ("userId", "timestamp", "_id"):
        refused = await user.client.post(EVENTS, {**EVENT, name: "x"}, status=400)
        assert _fields(refused) == [name]
    assert await site.services.database[ANALYTICS_EVENTS].count({}) == 0


@pytest.mark.gen_test
async def test_a_day_takes_so_many_events_of_one_user(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ANALYTICS_EVENTS_PER_DAY_MAX", 3)
    user, other, database = await person(site), await person(site), site.services.database
    made = [(await _track(user.client))["id"] for _ in range(3)]
    refused = await user.client.post(EVENTS, EVENT, status=429)
    assert refused.code == "RATE_LIMITED" and 0 < int(refused.headers["Retry-After"]) <= 86_400
    await _track(other.client)
    yesterday = {"$set": {"created_at": now() - timedelta(days=1)}}
    await database[ANALYTICS_EVENTS].update_one({"_id": made[0]}, yesterday)
    await _track(user.client)
    await user.client.post(EVENTS, EVENT, status=429)
