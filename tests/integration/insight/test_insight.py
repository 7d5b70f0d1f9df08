"""What administrators see of the hub, and users of themselves: the figures are those of the ledger and the usage rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from hub.insight.last_day import LastDay, LastDayFigures
from hub.insight.overview import Overview
from hub.insight.uptime import Uptime
from models import wallets
from models.clock import now
from models.database import Database, DatabaseError, Document
from models.executions import EXECUTIONS
from models.ids import new_id
from models.usage import USAGE, USAGE_DAYS
from models.users import USERS
from tests.integration.insight.people import Person
from tests.integration.workflows.owner import Owner, manual
from tests.site import Site

pytestmark = pytest.mark.gen_test


async def _spent(database: Database, user: str) -> int:
    found, _ = await wallets.entries(database, user, "credit", skip=0, limit=100)
    return -sum(entry["amount"] for entry in found if entry["kind"] == "usage")


# --- of oneself -------------------------------------------------------------------------------------------------


async def test_a_dashboard_is_exactly_what_the_wallet_paid(site: Site) -> None:
    user, other = await Person.at(site), await Person.at(site)
    for model in ("minimax", "minimax", "gpt-4"):
        await user.answer(model)
    await other.answer("gpt-4")
    spent = await _spent(site.services.database, user.id)
    assert spent > 0
    assert (await user.client.get("/api/dashboard/stats")).body == {
        "projects_count": 0,
        "workflows_count": 0,
        "total_executions": 0,
        "executions_today": 0,
        "credits_used_total": spent / 10**6,
        "credits_used_today": spent / 10**6,
        "favorite_model": "minimax",
        "most_active_workflow": None,
    }
    yesterday = now() - timedelta(days=1)
    changed = {"$set": {"day": yesterday.replace(hour=0, minute=0, second=0, microsecond=0)}}
    await site.services.database[USAGE_DAYS].update_many({"user": user.id, "model": "minimax"}, changed)
    later = (await user.client.get("/api/dashboard/stats")).body
    assert later["credits_used_total"] == spent / 10**6 > later["credits_used_today"] > 0


async def test_workflows_are_counted_and_how_often_they_are_executed(site: Site) -> None:
    user, other = await Person.at(site), await Person.at(site)
    owner = Owner(user.client)
    often, seldom = await owner.make(manual("t>a"), name="Often"), await owner.make(manual("t>a"))
    begun = [(workflow, await owner.begin(workflow)) for workflow in (often, seldom, often)]
    for workflow, execution in begun:
        await owner.ended(workflow, execution)
    yesterday = {"$set": {"started_at": now() - timedelta(days=1, hours=1)}}
    await site.services.database[EXECUTIONS].update_one({"_id": begun[0][1]}, yesterday)
    theirs, others = [(await who.client.get("/api/dashboard/stats")).body for who in (user, other)]
    counted = ("workflows_count", "total_executions", "executions_today")
    assert [theirs[name] for name in counted] == [2, 3, 2] and [others[name] for name in counted] == [0, 0, 0]
    assert theirs["most_active_workflow"] == {"id": often["id"], "name": "Often"}
    assert others["most_active_workflow"] is None
    made = await site.services.insight.overview.made()
    assert (made.workflows, made.executions) == (2, 2)


async def test_projects_are_counted_without_the_deleted_ones(site: Site) -> None:
    user, other = await Person.at(site), await Person.at(site)
    numbers = [
        (await who.client.post("/api/projects", {"name": "A project"}, status=201)).body["id"]
        for who in (user, user, other)
    ]
    await user.client.request("DELETE", f"/api/projects/{numbers[0]}", status=200)
    assert (await user.client.get("/api/dashboard/stats")).body["projects_count"] == 1


async def test_who_asked_nothing_has_no_favourite(site: Site) -> None:
    figures = (await (await Person.at(site)).client.get("/api/dashboard/stats")).body
    assert figures["favorite_model"] is None
    assert {value for name, value in figures.items() if name not in ("favorite_model", "most_active_workflow")} == {0}


async def test_of_two_favourites_it_is_the_first_by_its_name(site: Site) -> None:
    user = await Person.at(site)
    for model in ("minimax", "gpt-4"):
        await user.answer(model)
    assert (await user.client.get("/api/dashboard/stats")).body["favorite_model"] == "gpt-4"


# --- of the whole hub -------------------------------------------------------------------------------------------


async def test_the_hub_in_figures(site: Site) -> None:
    """Who was here in the last day or asked, what was asked in it and what that cost; no more than that."""
    database = site.services.database
    admin = site.client("ai_assistant", token=await site.admin_token())
    asking, idle, former = await Person.at(site), await Person.at(site), await Person.at(site)
    for who in (asking, asking, former):
        await who.answer("gpt-4")
    long_ago = now() - timedelta(hours=24, seconds=1)
    for user in (asking.id, former.id):
        await database[USERS].update_one({"_id": user}, {"$set": {"last_active_at": long_ago}})
    await database[USAGE].update_many({"user": former.id}, {"$set": {"created_at": long_ago}})
    await database[USAGE_DAYS].update_many({"user": former.id}, {"$set": {"last_at": long_ago}})
    await site.services.insight.uptime.mark()
    assert (await admin.get("/api/monitoring/stats")).body == {
        "total_users": 4,
        "active_users_24h": 3,
        "total_workflows": 0,
        "workflows_executed_24h": 0,
        "total_ai_calls_24h": 2,
        "credits_consumed_24h": await _spent(database, asking.id) / 10**6,
        "uptime_percentage": 100,
    }
    await idle.client.get("/api/monitoring/stats", status=403)


async def test_the_figures_of_the_hub_are_made_once_in_ten_seconds(site: Site) -> None:
    admin = site.client("ai_assistant", token=await site.admin_token())
    first = (await admin.get("/api/monitoring/stats")).body
    await site.register()
    assert (await admin.get("/api/monitoring/stats")).body == first
    assert (await site.services.insight.overview.made()).users == first["total_users"] + 1


async def test_a_hub_of_some_hours_that_was_down_says_so(site: Site) -> None:
    """Its uptime is measured by its heartbeats; here nobody beat for a quarter of the time."""
    moment = datetime(2026, 11, 27, 12, tzinfo=UTC)
    for minute in range(15):
        for second in range(0, 60, 10):
            beat = moment + timedelta(minutes=minute, seconds=second)
            await Uptime(site.services.database, lambda beat=beat: beat).mark()
    later = moment + timedelta(minutes=20)
    overview = Overview(site.services.database, Uptime(site.services.database, lambda: later), lambda: later)
    assert (await overview.made()).uptime_percentage == 75


def _row(moment: datetime) -> Document:
    return {"_id": new_id("chat"), "user": "user_1", "model": "gpt-4", "charged": 7, "created_at": moment}


async def test_one_sum_that_fails_is_the_failure_of_all(database: Database, mongod_uri: str) -> None:
    fault = {"failCommands": ["aggregate"], "errorCode": 8_000, "namespace": f"{database.name}.{USAGE}"}
    last_day, moment = LastDay(database), now()
    with MongoClient[dict[str, Any]](mongod_uri) as client:
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"skip": 3}, "data": fault})
        try:
            with pytest.raises(DatabaseError):
                await last_day.figures(moment)
        finally:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    assert (await last_day.figures(moment)).answers == 0


async def test_the_last_day_is_exact_to_the_moment_whatever_hours_are_kept(database: Database) -> None:
    """A row may come as late as its answer may last: an hour that is young is added up again."""
    moment = datetime(2026, 11, 27, 12, 20, 30, tzinfo=UTC)
    instant, rows, last_day = timedelta(milliseconds=1), database[USAGE], LastDay(database)
    starts = [moment - timedelta(hours=24) - instant, moment - timedelta(hours=24), moment - instant, moment]
    full_hours = [moment.replace(minute=0, second=0) - timedelta(hours=hours) for hours in range(24)]
    for start in (*starts, *full_hours, *(hour - instant for hour in full_hours)):
        await rows.insert_one(_row(start))
    assert await last_day.figures(moment) == LastDayFigures(starts[1], 50, 350)
    for late in (timedelta(minutes=21), timedelta(hours=1, minutes=19)):
        await rows.insert_one(_row(moment - late))
    assert (await last_day.figures(moment)).answers == 52
    for later in range(1, 27):
        now_then = moment + timedelta(hours=later)
        assert await last_day.figures(now_then) == await LastDay(database).figures(now_then)
    assert (await last_day.figures(moment + timedelta(hours=26))).answers == 0
