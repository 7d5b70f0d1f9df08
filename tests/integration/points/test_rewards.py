"""The daily reward, and the lists of what happened to points and credits."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from models.clock import now
from tests.buyers import buyer, check_books, hit, keyed, statuses
from tests.factories import grant_points
from tests.site import Site

CLAIM, STATUS = "/api/v1/points/claim-daily-reward", "/api/v1/points/daily-reward-status"


@pytest.mark.gen_test
async def test_a_day_gives_one_reward(site: Site) -> None:
    user = await buyer(site)
    assert (await user.client.get(STATUS)).data["canClaim"] is True
    assert (await user.client.post(CLAIM)).data == {
        "points": 100,
        "newBalance": 100,
        "message": "Successfully claimed 100 points as your daily reward!",
    }
    status = (await user.client.get(STATUS)).data
    assert (status["canClaim"], status["rewardAmount"]) == (False, 100)
    assert (await user.client.post(CLAIM, status=409)).code == "RESOURCE_CONFLICT"
    (entry,) = await user.entries("point")
    assert (entry["kind"], entry["operation"]) == ("reward", f"reward:{user.id}:{now().date().isoformat()}")


@pytest.mark.gen_test(timeout=30)
async def test_fifty_at_once_get_one(site: Site) -> None:
    user = await buyer(site)
    assert await statuses(*(user.client.raw("POST", CLAIM) for _ in range(50))) == {200: 1, 409: 49}
    assert (await user.balance())[1] == 100
    await check_books(site)


@pytest.mark.gen_test
async def test_a_key_gets_the_reward_again_as_it_was(site: Site) -> None:
    user = await buyer(site)
    first = await user.client.post(CLAIM, headers=keyed("k"))
    again = await user.client.post(CLAIM, headers=keyed("k"))
    assert hit(again) and not hit(first) and again.data == first.data
    assert (await user.balance())[1] == 100


@pytest.mark.gen_test
async def test_the_day_is_the_users_own(site: Site) -> None:
    """Of two places a day apart one has another date than UTC; whoever has claimed there has that date's reward."""
    user = await buyer(site)
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")  # UTC+14 and UTC-11
    dates = [now().astimezone(ZoneInfo(zone)).date().isoformat() for zone in zones]
    assert dates[0] != dates[1]
    for zone, date in zip(zones, dates, strict=True):
        await site.services.identities.change_user(user.id, {"timezone": zone})
        await user.client.post(CLAIM)
        assert (await user.entries("point"))[-1]["operation"].endswith(date)
        await user.client.post(CLAIM, status=409)
    await site.services.identities.change_user(user.id, {"timezone": "Not/AZone"})
    assert (await user.client.get(STATUS)).data["rewardAmount"] == 100


@pytest.mark.gen_test
async def test_both_balances(site: Site) -> None:
    user = await buyer(site)
    await grant_points(site.services.ledger, user.id, 5_000)
    assert (await user.client.get("/api/v1/points/balance")).data == {"balance": 5_000}
    both = (await user.client.get("/api/v1/wallet/balance")).data
    assert (both["credits"], both["points"], both["creditsHeld"]) == (10, 5_000, 0)
    await site.client().get("/api/v1/wallet/balance", status=401)


@pytest.mark.gen_test
async def test_histories_are_paged_and_narrowed_down(site: Site) -> None:
    user = await buyer(site)
    for _ in range(4):
        await grant_points(site.services.ledger, user.id, 10)
    await user.client.post(CLAIM)
    await user.client.post("/api/v1/points/exchange-from-credits", {"creditAmount": 1})
    points, credits = "/api/v1/points/history", "/api/credits/history"
    page = await user.client.get(f"{points}?page=2&limit=4")
    assert page.body["pagination"] == {"page": 2, "per_page": 4, "total": 6, "total_pages": 2}
    assert [entry["amount"] for entry in page.data] == [10, 10]
    today, moment = now().date().isoformat(), (now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for path, query, count in (
        (points, "type=reward", 1),
        (points, "type=exchange", 1),
        (credits, "type=bonus", 1),
        (credits, f"from={today}&to={today}", 2),
        (credits, f"from={today}&type=exchange", 1),
        (credits, f"from={moment}", 0),
        (credits, "to=2020-01-01", 0),
        (points, f"to={moment}", 6),
    ):
        answer = await user.client.get(f"{path}?{query}")
        assert len(answer.data) == answer.body["pagination"]["total"] == count, (path, query)
    for path in (points, credits):
        for name, value in (("type", "theft"), ("from", "yesterday"), ("to", "2020-13-01"), ("page", "0")):
            refused = await user.client.get(f"{path}?{name}={value}", status=422)
            assert refused.body["error"]["details"][0]["field"] == name
