"""Auto-recharge: one charge however many spend at once and wherever, pauses after declines, and an end to each day."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from config import assistant, limits
from hub.committer import Committed
from hub.credits.recharges import Recharges
from hub.errors import Code, HubError
from hub.operations import Leg, Operation
from hub.payments.records import Purchase
from hub.services import Services
from hub.tasks import Tasks
from models import wallets
from models.auto_recharges import AUTO_RECHARGES
from models.clock import now
from models.ids import new_id
from tests.buyers import Buyer, check_books, statuses
from tests.integration.payments.test_checkouts import HOST, customer
from tests.patience import until
from tests.site import Site

RULE = "/api/credits/auto-recharge"
WANTED = {"enabled": True, "threshold": 9.5, "package": "pro", "payment_method": "pm_123"}
WAITS = timedelta(hours=1)
CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "maxTokens": 5}


@pytest.fixture
def site(serve: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> Site:
    """A hub that looks for due recharges all the time."""
    monkeypatch.setattr(assistant, "RECHARGE_POLL_SECONDS", 0.05)
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="100000")


async def put(user: Buyer, status: int = 200, **changes: Any) -> Any:
    return (await user.client.request("PUT", RULE, {**WANTED, **changes}, status=status, headers=HOST)).body


async def shown(user: Buyer) -> Any:
    return (await user.client.get(RULE, headers=HOST)).body


async def rule(user: Buyer) -> Any:
    return await user.site.services.database[AUTO_RECHARGES].find_one({"_id": user.id})


async def spend(services: Services, user: str, micro: int) -> None:
    leg = Leg(user, "credit", "usage", -micro, "Spent")
    await services.ledger.commit(Operation(new_id("op"), legs=[leg]))


async def is_left(user: Buyer, waits: timedelta = timedelta(), **attempt: Any) -> str:
    """A process that died, or was not answered, leaves an attempt behind; its id."""
    found = await rule(user)
    begun = {name: found[name] for name in ("package", "method", "customer", "revision")}
    left = {"attempt": {"id": new_id("recharge"), **begun, **attempt}, "due_at": now() + waits}
    await user.site.services.database[AUTO_RECHARGES].update_one({"_id": user.id}, {"$set": left})
    return str(left["attempt"]["id"])


async def is_idle(user: Buyer) -> bool:
    return "due_at" not in await rule(user)


async def fails(user: Buyer, times: int) -> None:
    async def failed() -> bool:
        found = await rule(user)
        return bool(found["failures"] == times and "attempt" not in found)

    await until(failed)


async def becomes_due(user: Buyer) -> None:
    """The pause is over."""
    await user.site.services.database[AUTO_RECHARGES].update_one({"_id": user.id}, {"$set": {"due_at": now()}})


async def titles(user: Buyer) -> list[str]:
    found, _ = await user.site.services.notifications.page(user.id, 50, None)
    return [note["title"] for note in found]


@pytest.mark.gen_test
async def test_a_balance_that_falls_below_the_threshold_is_recharged_once(site: Site) -> None:
    user = await customer(site)
    nothing = await shown(user)
    assert (nothing["enabled"], nothing["threshold"], nothing["recharges_today"]) == (False, None, 0)
    assert (await put(user))["payment_method"] == "pm_123"
    balance = (await user.client.get("/api/credits/balance", headers=HOST)).body
    assert (balance["auto_recharge_enabled"], balance["auto_recharge_threshold"]) == (True, 9.5)
    await spend(site.services, user.id, 500_000)  # to the threshold, and not below it
    assert await is_idle(user)
    await spend(site.services, user.id, 1)
    await until(lambda: _has(user, 1_009_499_999))
    await until(lambda: is_idle(user))
    (payment,) = await user.payments()
    assert (payment["status"], payment["cents"], payment["method"]) == ("succeeded", 5_000, "pm_123")
    entry = (await user.entries("credit"))[-1]
    assert (entry["kind"], entry["description"]) == ("purchase", "Auto-recharge: Pro package purchase")
    assert (await titles(user))[0] == "Payment received"
    assert (await shown(user))["recharges_today"] == 1
    assert await put(user, enabled=False) == {**(await shown(user)), "enabled": False}
    balance = (await user.client.get("/api/credits/balance", headers=HOST)).body
    assert (balance["auto_recharge_enabled"], balance["auto_recharge_threshold"]) == (False, 0)
    await spend(site.services, user.id, 1_005_000_000)
    assert await is_idle(user) and len(await user.payments()) == 1
    await check_books(site)


async def _has(user: Buyer, micro: int) -> bool:
    return (await user.balance())[0] == micro


@pytest.mark.gen_test
async def test_fifty_streams_that_cross_the_threshold_at_once_cause_one_charge(site: Site) -> None:
    user = await customer(site)
    await put(user, threshold=9.9999)
    calls = (user.client.raw("POST", "/api/mcp/chat/completions", CHAT) for _ in range(50))
    assert await statuses(*calls) == {200: 50}
    await until(lambda: _is_recharged(user))
    assert [payment["status"] for payment in await user.payments()] == ["succeeded"]
    await check_books(site)


async def _is_recharged(user: Buyer) -> bool:
    return (await rule(user))["count"] == 1 and await is_idle(user)


@pytest.fixture
def other(site: Site, open_hub: Callable[..., Services]) -> Services:
    """A second node on the same database."""
    return open_hub(HUB_RATE_LIMITS="off")


@pytest.mark.gen_test
async def test_two_nodes_and_their_sweeps_charge_once(site: Site, other: Services) -> None:
    user = await customer(site)
    await put(user)
    await asyncio.gather(*(spend(services, user.id, 100_000) for services in (site.services, other) for _ in range(10)))
    await asyncio.gather(*(services.credits.recharges.sweep() for services in (site.services, other) * 3))
    await until(lambda: _is_recharged(user))
    assert len(await user.payments()) == 1
    await check_books(site)


@pytest.mark.gen_test
async def test_declines_are_tried_again_after_pauses_and_end_in_being_switched_off(site: Site) -> None:
    user = await customer(site)
    await put(user, threshold=20, payment_method="pm_fail")
    for failures, hours in enumerate((1, 4, 24), start=1):
        await fails(user, failures)
        pause = (await rule(user))["due_at"] - now()
        assert timedelta(hours=hours) - timedelta(minutes=1) < pause <= timedelta(hours=hours)
        seen = await shown(user)
        assert seen["last_failure"] == "The card was declined" and seen["next_attempt_at"] and seen["enabled"]
        await spend(site.services, user.id, 1)  # further falls do not hurry it
        await site.services.credits.recharges.sweep()
        assert (await rule(user))["failures"] == failures
        await becomes_due(user)
    await fails(user, 4)
    assert (await shown(user))["enabled"] is False and await is_idle(user)
    assert (await user.client.get("/api/credits/balance", headers=HOST)).body["auto_recharge_enabled"] is False
    assert (await titles(user))[:4] == ["Auto-recharge failed"] * 4
    assert {payment["status"] for payment in await user.payments()} == {"failed"}
    assert (await user.types())["payment.failed"] == 4
    await put(user, threshold=20)
    await until(lambda: _has(user, 1_009_999_997))
    assert (await shown(user))["last_failure"] is None and (await rule(user))["failures"] == 0


@pytest.mark.gen_test
async def test_a_change_ends_a_pause(site: Site) -> None:
    user = await customer(site)
    await put(user, threshold=20, payment_method="pm_fail")
    await fails(user, 1)
    await put(user, threshold=20)
    await until(lambda: _has(user, 1_010_000_000))


@pytest.mark.gen_test
async def test_what_was_begun_and_not_tried_is_bought_only_as_the_rule_is_by_then(site: Site) -> None:
    user = await customer(site)
    for change in ({"enabled": False, "threshold": 20}, {"threshold": 5}):  # switched off; topped up
        await put(user, **change)
        await is_left(user, method="pm_old")
        await until(lambda: is_idle(user))
        assert await user.payments() == []
    await put(user, threshold=5, payment_method="pm_old")
    await is_left(user, WAITS)
    await put(user, threshold=20)
    await until(lambda: _is_recharged(user))
    assert [payment["method"] for payment in await user.payments()] == ["pm_123"]


@pytest.mark.parametrize(("method", "outcome"), [("pm_fail", Code.INVALID), ("pm_123", "succeeded")])
@pytest.mark.gen_test
async def test_what_became_of_an_attempt_is_known_for_ever(site: Site, method: str, outcome: object) -> None:
    user = await customer(site)
    await put(user, threshold=5)
    bought = Purchase(user.id, "credit", 5_000_000, 500, method, "Test", away=True, attempt=await is_left(user, WAITS))
    tried = await asyncio.gather(*(_came_of(site, bought) for _ in range(3)))
    assert Counter(tried) == {outcome: 1, Code.IN_FLIGHT: 2}
    if outcome is Code.INVALID:  # were it forgotten, it would be bought now
        await spend(site.services, user.id, 9_000_000)
    await becomes_due(user)
    await until(lambda: _ended(user))
    found = await rule(user)
    assert (found["failures"], found["count"]) == ((1, 0) if outcome is Code.INVALID else (0, 1))
    assert len(await user.payments()) == 1


async def _came_of(site: Site, purchase: Purchase) -> object:
    try:
        return (await site.services.purchases.buy(purchase))["status"]
    except HubError as error:
        return error.code


async def _ended(user: Buyer) -> bool:
    return "attempt" not in await rule(user)


@pytest.mark.gen_test
async def test_what_running_answers_hold_is_not_spent_yet(site: Site) -> None:
    user = await customer(site)
    held = {"$set": {"credits_held": 5_000_000}, "$inc": {"version": 1}}
    await site.services.database["holds"].insert_one({"_id": "hold_1", "wallet": user.id, "amount": 5_000_000})
    await site.services.database["wallets"].update_one({"_id": user.id}, held)
    await put(user)
    await site.services.credits.recharges.sweep()
    assert await is_idle(user)
    await spend(site.services, user.id, 1_000_000)
    await until(lambda: _is_recharged(user))
    assert [entry["kind"] for entry in await user.entries("credit")] == ["bonus", "usage", "purchase"]


@pytest.mark.gen_test
async def test_while_a_rule_rests_commits_ask_nothing(site: Site) -> None:
    user, tasks, services = await customer(site), Tasks(), site.services
    await put(user, threshold=20, payment_method="pm_fail")
    await fails(user, 1)
    recharges = Recharges(services.database, services.ledger, services.purchases, services.packages.by_id, tasks)
    wallet = await wallets.wallet(services.database, user.id)
    fell = Committed([wallet or {}], [], 1, 0)
    recharges.committed(fell)
    assert len(tasks) == 1 and await tasks.wait(5)
    recharges.committed(fell)
    assert len(tasks) == 0
    await recharges.changed(user.id)
    assert len(tasks) == 1 and await tasks.wait(5)


def test_a_claim_outlasts_its_attempt() -> None:
    longest = 5 * limits.PAYMENT_CALL_SECONDS_MAX + 10 * limits.MONEY_SECONDS_MAX
    assert longest < assistant.RECHARGE_LEASE_SECONDS


@pytest.mark.gen_test
async def test_changes_at_once_are_all_made(site: Site) -> None:
    user = await customer(site)
    await put(user, threshold=5)
    changes = ({"threshold": 4}, {"package": "pkg_starter"}, {"payment_method": "pm_new"})
    await statuses(*(user.client.raw("PUT", RULE, {"enabled": True, **change}, HOST) for change in changes))
    found = await rule(user)
    assert (found["threshold"], found["package"], found["method"]) == (4_000_000, "pkg_starter", "pm_new")


@pytest.mark.gen_test
async def test_a_rule_whose_package_has_gone_can_be_switched_off(site: Site) -> None:
    user = await customer(site)
    await put(user, threshold=5)
    await site.services.database[AUTO_RECHARGES].update_one({"_id": user.id}, {"$set": {"package": "gone"}})
    for enabled, status in ((True, 400), (False, 200)):
        await user.client.request("PUT", RULE, {"enabled": enabled}, status=status, headers=HOST)
    assert (await shown(user))["enabled"] is False


@pytest.mark.gen_test
async def test_a_rule_that_is_never_satisfied_ends_with_the_days_largest_number(site: Site) -> None:
    user = await customer(site)
    await put(user, threshold=100_000)
    most = assistant.RECHARGES_PER_DAY_MAX
    await until(lambda: _has(user, 10_000_000 + most * 1_000_000_000))

    async def rests() -> bool:
        return (await shown(user))["next_attempt_at"] is not None

    await until(rests)
    seen = await shown(user)
    assert (seen["recharges_today"], seen["next_attempt_at"][11:]) == (most, "00:00:00.000Z")
    await put(user, threshold=90_000)  # not even a change makes it a new day
    await until(rests)
    assert len(await user.payments()) == most
    assert (await titles(user)).count("Auto-recharge rests until tomorrow") == 2
    yesterday = {"$set": {"day": "2026-01-01", "due_at": now()}}
    await site.services.database[AUTO_RECHARGES].update_one({"_id": user.id}, yesterday)
    await until(lambda: _has(user, 10_000_000 + 2 * most * 1_000_000_000))


@pytest.mark.gen_test
async def test_who_is_suspended_is_not_charged(site: Site) -> None:
    user = await customer(site)
    await put(user)
    await site.services.identities.change_user(user.id, {"status": "suspended"})
    await spend(site.services, user.id, 1_000_000)
    await becomes_due(user)
    await until(lambda: is_idle(user))
    assert await user.payments() == []
    await site.services.identities.change_user(user.id, {"status": "active"})
    await becomes_due(user)
    await until(lambda: _has(user, 1_009_000_000))


@pytest.mark.gen_test
async def test_a_fall_that_nobody_noted_is_found_by_the_sweep(site: Site) -> None:
    user = await customer(site)
    await put(user)
    recharges, ledger = site.services.credits.recharges, site.services.ledger
    ledger.on_commit.remove(recharges.committed)
    await spend(site.services, user.id, 1_000_000)
    assert await is_idle(user)
    await recharges.sweep()
    await until(lambda: _has(user, 1_009_000_000))


@pytest.mark.gen_test
async def test_what_does_not_make_a_rule_is_refused_by_name(site: Site) -> None:
    user = await customer(site)
    for change, field in (
        ({"threshold": 0}, "threshold"),
        ({"threshold": "5"}, "threshold"),
        ({"threshold": 1e-7}, "threshold"),
        ({"package": "gold"}, "package"),
        ({"payment_method": "card"}, "payment_method"),
        ({"payment_method": "pm_{}"}, "payment_method"),
        ({"enabled": "yes"}, "enabled"),
        ({"limit": 5}, "limit"),
    ):
        refused = await put(user, 400, **change)
        assert (refused["error"]["code"], refused["error"]["details"]["field"]) == ("INVALID_INPUT", field), change
    alone = {"enabled": True, "package": "pro"}
    refused = (await user.client.request("PUT", RULE, alone, status=400, headers=HOST)).body
    assert [each["field"] for each in refused["error"]["details"]["errors"]] == ["threshold", "payment_method"]
    off = await user.client.request("PUT", RULE, {"enabled": False}, status=200, headers=HOST)
    assert off.body == await shown(user) and await rule(user) is None
    await put(user)
    changed = await user.client.request("PUT", RULE, {"enabled": True, "threshold": 5}, status=200, headers=HOST)
    assert (changed.body["threshold"], changed.body["package"], changed.body["payment_method"]) == (5, "pro", "pm_123")
