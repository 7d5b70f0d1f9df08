"""The hub in figures: what was counted is what happened, on every node and after a restart."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hub.errors import Code, HubError
from hub.metrics import Metrics
from hub.operations import Leg, Operation
from hub.request_stats import RequestStats
from hub.statistics import Statistics
from models import entry_totals, request_stats
from models.clock import now
from models.database import Database
from models.ids import new_id
from models.users import USERS
from tests.factories import make_wallet
from tests.integration.admin.people import adjust, administrator, change, person
from tests.site import Site


async def _entry(site: Site, user: str, unit: Any, kind: Any, amount: int, **metadata: Any) -> None:
    leg = Leg(user, unit, kind, amount, "test", metadata)
    await site.services.ledger.commit(Operation(new_id("op"), legs=[leg]))


@pytest.mark.gen_test
async def test_the_audit_log_is_read_by_administrators_alone(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    await user.client.get("/api/admin/audit-log", status=403)
    await adjust(admin, user.id, amount=2.5)
    await change(admin, user.id, status="suspended", credits=1)
    rows = (await admin.client.get("/api/admin/audit-log")).data
    assert [row["action"] for row in rows] == ["user.change", "credits.adjust"]
    assert rows[0]["before"] == {"status": "active", "credits": 12.5}
    assert rows[0]["after"] == {"status": "suspended", "credits": 1}
    assert (rows[1]["reason"], rows[1]["actor"], rows[1]["target"]) == ("A test", admin.id, user.id)
    assert len((await admin.client.get("/api/admin/audit-log?action=user.change")).data) == 1
    assert (await admin.client.get("/api/admin/audit-log?actor=user_nobody")).data == []
    page = (await admin.client.get("/api/admin/audit-log?limit=1&page=2")).body
    assert page["data"] == [rows[1]] and page["pagination"]["total"] == 2


@pytest.mark.gen_test
async def test_the_metrics_count_what_happened(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    await person(site)
    await change(admin, user.id, status="suspended")
    await _entry(site, user.id, "credit", "purchase", 100_500_000, cents=1_005)
    await _entry(site, user.id, "credit", "usage", -40_000_000)
    data = (await admin.client.get("/api/admin/metrics")).data
    assert data["users"] == {"total": 3, "active": 2, "newThisMonth": 3}
    assert data["credits"] == {"totalPurchased": 100.5, "totalUsed": 40, "revenue": 10.05}
    before = data["api"]["requestsToday"]
    assert before >= 4 and data["api"]["averageResponseTime"] > 0 and data["api"]["errorRate"] == 0
    await admin.client.get("/api/health", dialect="ai_assistant")
    assert (await admin.client.get("/api/admin/metrics")).data["api"]["requestsToday"] == before + 2


@pytest.mark.gen_test
async def test_who_came_last_month_is_not_new(site: Site) -> None:
    admin, first, last = await administrator(site), await person(site), await person(site)
    month = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for user, moment in ((last, month - timedelta(milliseconds=1)), (first, month)):
        await site.services.database[USERS].update_one({"_id": user.id}, {"$set": {"created_at": moment}})
    data = (await admin.client.get("/api/admin/metrics")).data
    assert data["users"] == {"total": 3, "active": 3, "newThisMonth": 2}


@pytest.mark.gen_test
async def test_the_metrics_are_of_all_nodes_and_of_today(site: Site) -> None:
    """So many that this hub's own few requests do not show in the averages."""
    admin, database = await administrator(site), site.services.database
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    before = (await admin.client.get("/api/admin/metrics")).data["api"]["requestsToday"]
    for minute, failures, milliseconds in ((0, 250_000, 30e6), (0, 50_000, 12e6), (-1, 900_000, 990e6)):
        figures = {"requests": 1_000_000, "failures": failures, "timed": 500_000, "milliseconds": milliseconds}
        await request_stats.put(database, new_id("node"), midnight + timedelta(minutes=minute), figures)
    data = (await admin.client.get("/api/admin/metrics")).data["api"]
    assert data["requestsToday"] == before + 1 + 2_000_000
    assert data["averageResponseTime"] == pytest.approx(42, rel=0.001)
    assert data["errorRate"] == pytest.approx(0.15, rel=0.001)


@pytest.mark.gen_test
async def test_the_metrics_count_what_apis_answered_and_time_what_is_no_stream(site: Site) -> None:
    admin, stats = await administrator(site), site.services.request_stats
    before = await stats.today()
    for path in (
        "/",
        "/static/js/admin-feed.js",
        "/static/nothing",
        "/readyz",
        "/metrics",
        "/wp-login.php",
        "/auth/reset",
    ):
        await admin.client.raw("GET", path)
    assert await stats.today() == before
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
    streamed = await admin.client.raw("POST", "/v1/chat/completions", body)
    assert streamed.code == 200 and b"[DONE]" in streamed.body
    after = await stats.today()
    assert after["requests"] == before["requests"] + 1
    assert after["average_milliseconds"] == before["average_milliseconds"]
    await admin.client.raw("GET", "/api/no/such/path")
    assert (await stats.today())["requests"] == before["requests"] + 2


@pytest.mark.gen_test
async def test_point_statistics_count_what_happened(site: Site) -> None:
    admin, one, other = await administrator(site), await person(site), await person(site)
    await _entry(site, one.id, "point", "purchase", 2_000)
    await _entry(site, one.id, "point", "exchange", 1_500, auto_topup=True)
    await _entry(site, one.id, "point", "usage", -500)
    await _entry(site, other.id, "point", "reward", 100)
    data = (await admin.client.get("/api/admin/stats/points")).data
    assert data == {
        "totalPointsIssued": 3_600,
        "totalPointsUsed": 500,
        "totalPointsPurchased": 2_000,
        "totalPointsFromCredits": 1_500,
        "totalPointsFromDailyRewards": 100,
        "activeUsersWithPoints": 2,
        "averagePointsPerUser": 1_800,
        "topUpTriggeredCount": 1,
        "exchangeRateCreditsToPoints": 1000,
    }


@pytest.mark.gen_test
async def test_running_totals_count_every_entry_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals that are carried along in small portions, by several nodes at once, come to the same."""
    services = site.services
    wallet = await make_wallet(services.ledger)
    for number in range(1, 26):
        await _entry(site, wallet, "point", "reward", number)
    monkeypatch.setattr("config.limits.ENTRY_SETTLED_SECONDS", -1)
    monkeypatch.setattr("config.limits.ENTRY_TOTALS_AT_ONCE", 4)
    nodes = [Statistics(services.database) for _ in range(3)]
    await asyncio.gather(*(node.advance() for node in nodes))
    stored = await entry_totals.read(services.database)
    assert stored["sums"]["point reward"]["plus"] == sum(range(1, 26))
    assert stored["sums"]["point reward"]["count"] == 25
    assert (await nodes[0].sums())["point reward"]["count"] == 25


@pytest.mark.gen_test
async def test_young_entries_are_all_counted_or_none(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many came since the totals were written; a figure that would be too small is not given at all."""
    wallet = await make_wallet(site.services.ledger)
    for number in range(1, 26):
        await _entry(site, wallet, "point", "reward", number)
    monkeypatch.setattr("config.limits.ENTRY_TOTALS_AT_ONCE", 4)
    monkeypatch.setattr("config.limits.ENTRY_TOTALS_PORTIONS", 2)
    statistics = Statistics(site.services.database)
    assert (await statistics.sums())["point reward"]["count"] == 25
    monkeypatch.setattr("config.limits.ENTRY_YOUNG_PORTIONS", 3)
    with pytest.raises(HubError) as caught:
        await statistics.sums()
    assert caught.value.code is Code.UNAVAILABLE and caught.value.retry_after_seconds


@pytest.mark.gen_test
async def test_a_restart_does_not_forget_the_day(database: Database) -> None:
    first, second = RequestStats(database, "node_1"), RequestStats(database, "node_2")
    for status, seconds in ((200, 0.1), (404, 0.2), (500, 0.3), (503, 0.4), (200, None)):
        first.count(status, seconds)
    await first.flush()
    await first.flush()
    second.count(200, 1.0)
    today = await second.today()
    assert today == {"requests": 6, "average_milliseconds": 400, "error_rate": 0.333333}
    assert (await RequestStats(database, "node_3").today())["requests"] == 6


@pytest.mark.gen_test
async def test_client_versions_are_counted_within_bounds(site: Site) -> None:
    client = site.client()
    for number in range(55):
        await client.raw("GET", "/readyz", headers={"X-Client-Version": f"web/1.{number}"})
    await client.raw("GET", "/readyz", headers={"X-Client-Version": 'x"} 1\tfake'})
    text = site.services.metrics.exposition().decode()
    lines = [line for line in text.splitlines() if line.startswith("hub_client_requests_total{")]
    assert len(lines) == 51
    assert 'hub_client_requests_total{version="other"} 6.0' in lines
    assert "fake" not in text


def test_one_version_too_many_is_another() -> None:
    metrics = Metrics()
    for number in range(60):
        metrics.client(str(number))
    metrics.client("0")
    text = metrics.exposition().decode()
    assert 'hub_client_requests_total{version="0"} 2.0' in text
    assert 'hub_client_requests_total{version="other"} 10.0' in text


@pytest.mark.gen_test
async def test_point_statistics_show_the_rate_that_is_active(site: Site) -> None:
    admin = await administrator(site)
    for points in (1_200, 0.5):
        body = {"fromType": "credits", "toType": "points", "rate": points, "isActive": True}
        await admin.client.post("/api/admin/exchange-rates", body, status=201)
        await admin.client.post("/api/admin/exchange-rates", {**body, "rate": 7, "isActive": False}, status=201)
        data = (await admin.client.get("/api/admin/stats/points")).data
        assert data["exchangeRateCreditsToPoints"] == points
