"""Our own services take points: exactly those that are there, once for each key, and topped up where the user allows it."""

import asyncio
import json
from typing import Any

import pytest

from tests.buyers import WRONG, Buyer, buyer, check_books, refuses_amounts, statuses
from tests.factories import grant_points
from tests.length import length
from tests.site import Site

DEDUCT = "/api/v1/mcp/points/deduct"
KEYS = length(10, 40)
# Each way to move money, with a request that a wallet of ten credits and a thousand points can pay.
TWINS: dict[str, Any] = {
    DEDUCT: {"amount": 5, "description": "Used for AI service"},
    "/api/v1/points/exchange-from-credits": {"creditAmount": 1},
    "/api/v1/points/claim-daily-reward": None,
    "/api/v1/points/purchase": {
        "pointsAmount": 10_000,
        "paymentDetails": {"stripePaymentIntentId": "pi_twins", "amount": 10},
    },
    "/api/credits/purchase": {"packageId": "pkg_starter", "paymentMethodId": "pm_1", "amount": 1000},
}


async def _with_points(site: Site, points: int) -> Buyer:
    user = await buyer(site)
    await grant_points(site.services.ledger, user.id, points)
    return user


async def _allow(user: Buyer, micro: int, enabled: bool = True) -> None:
    rule = {"auto_topup": {"enabled": enabled, "credits_micro": micro}}
    await user.site.services.identities.change_user(user.id, rule)


def _body(response: Any) -> Any:
    return json.loads(response.body)


@pytest.mark.gen_test
async def test_a_deduction_is_an_entry_with_what_it_was_for(site: Site) -> None:
    user = await _with_points(site, 5_000)
    metadata = {"service": "gpt-4", "model": "gpt-4"}
    answer = _body(await user.deduct(100, metadata=metadata))
    entry = (await user.entries("point"))[-1]
    assert answer["transaction_id"] == entry["_id"] and answer["new_balance"] == 4_900
    assert (answer["success"], answer["status"], answer["autoTopupTriggered"]) == (True, "ok", False)
    assert (entry["kind"], entry["amount"], entry["metadata"]) == ("usage", -100, metadata)
    listed = (await user.client.get("/api/v1/points/history")).data[0]
    assert (listed["id"], listed["amount"], listed["metadata"]) == (entry["_id"], -100, metadata)
    await check_books(site)


@pytest.mark.gen_test
async def test_sixty_four_at_once_take_what_there_is(site: Site) -> None:
    user = await _with_points(site, 100)
    assert await statuses(*(user.deduct(7) for _ in range(64))) == {200: 14, 402: 50}
    assert (await user.balance())[1] == 2
    await check_books(site)


@pytest.mark.faults
@pytest.mark.gen_test
async def test_each_key_of_fifty_requests_takes_once(site: Site) -> None:
    user = await _with_points(site, 10_000)
    for key in range(KEYS):
        calls = [user.deduct(5, f"key {key}") for _ in range(50)]
        codes = await statuses(*calls)
        assert set(codes) <= {200, 409}, codes
    assert (await user.balance())[1] == 10_000 - KEYS * 5
    assert len(await user.entries("point")) == KEYS + 1


@pytest.mark.gen_test
async def test_a_repeated_deduction_gets_the_first_ones_answer(site: Site) -> None:
    user, other = await _with_points(site, 1_000), await _with_points(site, 1_000)
    first, again = await user.deduct(10, "k"), await user.deduct(10, "k")
    assert again.headers["Idempotency-Hit"] == "true" and "Idempotency-Hit" not in first.headers
    assert {**_body(first), "meta": 0} == {**_body(again), "meta": 0}
    assert _body(await other.deduct(10, "k"))["new_balance"] == 990
    assert (await user.deduct(11, "k")).code == 422
    assert (await user.balance())[1] == 990


@pytest.mark.gen_test
@pytest.mark.parametrize("path", TWINS)
async def test_twins_at_once_get_the_winners_answer(site: Site, path: str) -> None:
    """Or are told to come again; and who does so gets it too."""
    user = await _with_points(site, 1_000)
    headers = {"X-Service-Token": str(site.services.settings.service_token), "X-User-ID": user.id}
    client = site.client() if path == DEDUCT else user.client

    async def one() -> Any:
        return await client.raw("POST", path, TWINS[path], {**headers, "Idempotency-Key": "k"})

    answers = await asyncio.gather(*(one() for _ in range(30)))
    good = [answer for answer in answers if answer.code == 200]
    (winner,) = [answer for answer in good if "Idempotency-Hit" not in answer.headers]
    told = {**_body(winner), "meta": 0}
    assert [{**_body(answer), "meta": 0} for answer in (*good, await one())] == [told] * (len(good) + 1)
    late = [answer for answer in answers if answer.code != 200]
    assert {(answer.code, _body(answer)["error"]["code"]) for answer in late} <= {(409, "RESOURCE_CONFLICT")}
    assert len({entry["operation"] for unit in ("credit", "point") for entry in await user.entries(unit)}) == 3
    await check_books(site)


@pytest.mark.gen_test
async def test_short_points_are_topped_up_where_the_user_allows_it(site: Site) -> None:
    user = await _with_points(site, 50)
    assert (await user.deduct(100)).code == 402
    await _allow(user, 2_000_000, enabled=False)
    assert (await user.deduct(100)).code == 402
    await _allow(user, 2_000_000)
    answer = _body(await user.deduct(100, "k"))
    assert (answer["autoTopupTriggered"], answer["new_balance"]) == (True, 1_950)
    assert await user.balance() == (8_000_000, 1_950)
    points = (await user.entries("point"))[-2:]
    assert [entry["amount"] for entry in points] == [2_000, -100]
    assert points[0]["metadata"]["auto_topup"] is True and points[1]["_id"] == answer["transaction_id"]
    assert len({entry["operation"] for entry in [*points, (await user.entries("credit"))[-1]]}) == 1
    assert _body(await user.deduct(100, "k"))["autoTopupTriggered"] is True
    assert _body(await user.deduct(100))["autoTopupTriggered"] is False
    assert (await user.types())["notification.created"] == 2  # the welcome and the top-up
    await check_books(site)


@pytest.mark.gen_test
async def test_who_allows_it_by_their_profile_is_topped_up(site: Site) -> None:
    user = await _with_points(site, 50)
    for allowed, codes in (({"enabled": False, "credits": 2}, {402}), ({"enabled": True}, {200})):
        await user.client.request("PUT", "/api/users/me", {"autoTopup": allowed}, status=200)
        assert {(await user.deduct(100)).code} == codes
    assert await user.balance() == (8_000_000, 1_950), "the amount that was chosen before"
    await user.client.request("PUT", "/api/users/me", {"autoTopup": {"enabled": True, "credits": 0.5}}, status=200)
    answer = _body(await user.deduct(2_000))
    assert (answer["autoTopupTriggered"], answer["new_balance"]) == (True, 450)
    await user.client.request("PUT", "/api/users/me", {"autoTopup": None}, status=200)
    assert (await user.deduct(451)).code == 402
    assert await user.balance() == (7_500_000, 450)
    await check_books(site)


@pytest.mark.gen_test
async def test_a_top_up_that_does_not_suffice_changes_nothing(site: Site) -> None:
    user = await _with_points(site, 50)
    await _allow(user, 1_000_000)
    assert (await user.deduct(1_051)).code == 402
    await _allow(user, 11_000_000)
    refused = await user.deduct(100)
    assert refused.code == 402 and _body(refused)["error"]["code"] == "INSUFFICIENT_CREDITS"
    assert await user.balance() == (10_000_000, 50)


@pytest.mark.gen_test
async def test_without_an_active_rate_nothing_is_topped_up(site: Site) -> None:
    user = await _with_points(site, 50)
    await _allow(user, 1_000_000)
    await site.services.database["exchange_rates"].update_one({"active": True}, {"$set": {"active": False}})
    assert (await user.deduct(100)).code == 402
    assert await user.balance() == (10_000_000, 50)


@pytest.mark.gen_test
async def test_top_ups_at_once_take_only_what_is_needed(site: Site) -> None:
    """3 credits' worth of points are used, so 3 of the 10 credits go, though 64 asked at once."""
    user = await _with_points(site, 1)
    await _allow(user, 1_000_000)
    assert await statuses(*(user.deduct(46) for _ in range(64))) == {200: 64}
    assert await user.balance() == (7_000_000, 3_001 - 64 * 46)
    await check_books(site)


@pytest.mark.gen_test
async def test_only_a_service_takes_points(site: Site) -> None:
    user = await _with_points(site, 100)
    body = {"amount": 1, "description": "mine"}
    named = {"X-User-ID": user.id}
    client = site.client()
    assert (await client.post(DEDUCT, body, headers=named, status=401)).code == "AUTHENTICATION_FAILED"
    wrong = {**named, "X-Service-Token": "wrong"}
    assert (await client.post(DEDUCT, body, headers=wrong, status=401)).code == "AUTHENTICATION_FAILED"
    assert (await user.client.post(DEDUCT, body, headers=named, status=403)).code == "AUTHORIZATION_FAILED"
    token = {"X-Service-Token": site.services.settings.service_token}
    refused = await client.post(DEDUCT, body, headers=token, status=422)
    assert refused.body["error"]["details"][0]["field"] == "X-User-ID"
    await client.post(DEDUCT, body, headers={**token, "X-User-ID": "user_nobody"}, status=404)
    assert (await user.balance())[1] == 100


@pytest.mark.gen_test
async def test_what_cannot_be_taken_is_refused_with_its_field(site: Site) -> None:
    user = await _with_points(site, 100)
    headers = {"X-Service-Token": str(site.services.settings.service_token), "X-User-ID": user.id}
    amounts = (*WRONG, "0.5", str(10**16))
    body = '{"description": "x", "amount": %s}'
    await refuses_amounts(site.client(), "POST", DEDUCT, body, "amount", amounts, **headers)
    free = '{"description": "x", "amount": 1, "metadata": {"a": [%s]}}'
    numbers = ("1e400", str(2**63), str(10**300), "-0")
    await refuses_amounts(site.client(), "POST", DEDUCT, free, "metadata.a.0", numbers, **headers)
    for metadata in ({"$set": 1}, {"a.b": 1}, {"long": "x" * 5_000}, [1], {"deep": {"$where": "1"}}):
        refused = await user.deduct(1, metadata=metadata)
        assert refused.code == 422 and "metadata" in _body(refused)["error"]["details"][0]["field"]
    both = _body(await user.deduct(-1, description=""))
    assert {detail["field"] for detail in both["error"]["details"]} == {"amount", "description"}
    assert (await user.balance())[1] == 100
