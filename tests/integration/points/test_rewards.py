"""The daily reward, and the lists of what happened to points and credits."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from config import limits
from hub.errors import Code, HubError
from hub.points import Points
from hub.services import Services
from models.clock import now
from tests.buyers import buyer, check_books, hit, keyed, statuses
from tests.factories import grant_points
from tests.ledger_parts import fail_point
from tests.site import Site

CLAIM, STATUS = "/api/v1/points/claim-daily-reward", "/api/v1/points/daily-reward-status"


@pytest.fixture
def second(site: Site, open_hub: Callable[..., Services]) -> Services:
    """A second node on the same database."""
    return open_hub(HUB_RATE_LIMITS="off")


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


@pytest.mark.gen_test
async def test_sixty_four_at_once_get_one(site: Site) -> None:
    user = await buyer(site)
    assert await statuses(*(user.client.raw("POST", CLAIM) for _ in range(64))) == {200: 1, 409: 63}
    assert (await user.balance())[1] == 100
    await check_books(site)


@pytest.mark.gen_test
async def test_a_key_gets_the_reward_again_as_it_was(site: Site) -> None:
    user = await buyer(site)
    first = await user.client.post(CLAIM, headers=keyed("k"))
    again = await user.client.post(CLAIM, headers=keyed("k"))
    assert hit(again) and not hit(first) and again.data == first.data
    assert (await user.balance())[1] == 100
    other = await buyer(site)
    assert await statuses(*(other.client.raw("POST", CLAIM, headers=keyed("k")) for _ in range(20))) == {200: 20}
    assert (await other.balance())[1] == 100
    await other.client.post(CLAIM, headers=keyed("another"), status=409)


@pytest.mark.gen_test
async def test_the_day_is_the_users_own(site: Site) -> None:
    """Of two places a day apart one has another date than UTC."""
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")  # UTC+14 and UTC-11
    dates = [now().astimezone(ZoneInfo(zone)).date().isoformat() for zone in zones]
    assert dates[0] != dates[1]
    for zone, date in zip(zones, dates, strict=True):
        user = await buyer(site)
        await user.client.request("PUT", "/api/users/me", {"timezone": zone}, status=200)
        await user.client.post(CLAIM)
        (entry,) = await user.entries("point")
        assert entry["operation"].endswith(date) and entry["metadata"] == {"date": date, "timezone": zone}
        status = (await user.client.get(STATUS)).data
        tomorrow = datetime.fromisoformat(status["nextDayAt"]).astimezone(ZoneInfo(zone))
        assert (tomorrow.date() - timedelta(days=1)).isoformat() == date and tomorrow.time() == time()


@pytest.mark.gen_test
async def test_another_time_zone_gives_no_other_reward(site: Site) -> None:
    user = await buyer(site)
    for zone in ("Pacific/Pago_Pago", "UTC", "Pacific/Kiritimati", "Asia/Seoul"):
        await user.client.request("PUT", "/api/users/me", {"timezone": zone}, status=200)
        claimed = await user.client.raw("POST", CLAIM)
        assert claimed.code == (200 if zone == "Pacific/Pago_Pago" else 409), zone
        assert (await user.client.get(STATUS)).data["canClaim"] is False
    assert (await user.balance())[1] == 100
    await site.services.identities.change_user(user.id, {"timezone": "Not/AZone"})
    assert (await user.client.get(STATUS)).data["rewardAmount"] == 100


@pytest.mark.gen_test
async def test_the_next_reward_comes_when_the_day_of_the_last_has_ended(site: Site) -> None:
    """Claimed in Pago Pago on the 3rd at 23:30 and then taken to Kiritimati, where it is the 5th already."""
    user, services = await buyer(site), site.services
    moments = [datetime(2026, 3, 4, hour, 30, tzinfo=UTC) for hour in (10, 10, 11)]
    zones = ("Pacific/Pago_Pago", "Pacific/Kiritimati", "Pacific/Kiritimati")
    told = []
    for moment, zone in zip(moments, zones, strict=True):
        points = Points(services.database, services.ledger, 100, lambda moment=moment: moment)
        changed = await services.identities.change_user(user.id, {"timezone": zone})
        told.append(await points.reward_status(changed))
        if told[-1][0]:
            await points.claim_reward(user.id)
        else:
            with pytest.raises(HubError) as caught:
                await points.claim_reward(user.id)
            assert caught.value.code is Code.CONFLICT
    assert told == [(True, _utc(4, 11)), (False, _utc(4, 11)), (True, _utc(5, 10))]
    assert [entry["metadata"]["date"] for entry in await user.entries("point")] == ["2026-03-03", "2026-03-05"]


@pytest.mark.gen_test
async def test_a_collision_is_not_taken_for_an_earlier_claim(site: Site, mongod_uri: str) -> None:
    user = await buyer(site)
    collision = {"commands": ["update"], "errorCode": 112, "errorLabels": []}
    async with fail_point(mongod_uri, {"times": limits.BATCH_CONFLICT_TRIES}, **collision):
        refused = await user.client.post(CLAIM, status=503)
    assert refused.code == "SERVICE_UNAVAILABLE" and int(refused.headers["Retry-After"]) >= 1
    assert (await user.client.get(STATUS)).data["canClaim"] is True
    await user.client.post(CLAIM)


def _utc(day: int, hour: int) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.mark.gen_test
async def test_two_nodes_give_one_reward_between_them(site: Site, second: Services) -> None:
    """Also where the zone changes among the claims, so that they would have other dates."""
    user, nodes, zones = await buyer(site), (site.services, second), ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    calls: list[Any] = [nodes[number % 2].points.claim_reward(user.id) for number in range(64)]
    for number in range(0, 64, 8):
        change = {"timezone": zones[number // 8 % 2]}
        calls.insert(number * 9 // 8, nodes[number // 8 % 2].identities.change_user(user.id, change))
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 63 and {error.code for error in refused if isinstance(error, HubError)} == {Code.CONFLICT}
    assert (await user.balance())[1] == 100
    await check_books(site)


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
