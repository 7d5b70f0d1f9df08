"""Credits for points: by the rate of the moment, both legs or none, and never more than there is."""

import asyncio

import pytest

from hub import exchange_rates
from hub.exchange_rates import RATE_UNIT
from hub.operations import Composed, Operation
from models.clock import now
from models.database import Transaction
from models.exchange_rates import EXCHANGE_RATES, active, list_all
from models.ids import new_id
from tests.buyers import WRONG, Buyer, buyer, check_books, hit, keyed, refuses_amounts, statuses
from tests.site import Site

EXCHANGE = "/api/v1/points/exchange-from-credits"


async def _new_rate(site: Site, points: int, is_active: bool = True) -> str:
    rate_id, moment = new_id("rate"), now()

    async def compose(transaction: Transaction) -> Operation:
        parts = await exchange_rates.creating(
            transaction, rate_id, "credits", "points", points * RATE_UNIT, is_active, moment
        )
        return Operation(rate_id, inserts=parts.inserts, updates=parts.updates)

    await site.services.ledger.commit(Composed(rate_id, compose))
    return rate_id


@pytest.mark.gen_test
async def test_both_legs_stand_under_one_operation(site: Site) -> None:
    user = await buyer(site)
    answer = await user.client.post(EXCHANGE, {"creditAmount": 2.5})
    assert answer.data == {
        "newCreditBalance": 7.5,
        "newPointBalance": 2500,
        "pointsReceived": 2500,
        "message": "Successfully exchanged 2.5 credits for 2500 points",
    }
    assert await user.balance() == (7_500_000, 2_500)
    paid, got = (await user.entries("credit"))[-1], (await user.entries("point"))[-1]
    assert (paid["operation"], paid["leg"], got["leg"]) == (got["operation"], 0, 1)
    assert (paid["kind"], paid["amount"], got["kind"], got["amount"]) == ("exchange", -2_500_000, "exchange", 2_500)
    rate = await active(site.services.database, "credits", "points")
    assert rate is not None and paid["metadata"] == got["metadata"]
    by = {"rate": rate["_id"], "rate_micro": 1_000 * RATE_UNIT}
    assert got["metadata"] == {**by, "spent_micro": 2_500_000, "points": 2_500}
    await check_books(site)


@pytest.mark.gen_test
async def test_nobody_exchanges_what_they_do_not_have(site: Site) -> None:
    user = await buyer(site)
    refused = await user.client.post(EXCHANGE, {"creditAmount": 10.000001}, status=402)
    assert refused.code == "INSUFFICIENT_CREDITS"
    refused = await user.client.post(EXCHANGE, {"creditAmount": 0.000999}, status=422)
    assert refused.body["error"]["details"][0]["field"] == "creditAmount"
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_sixty_four_at_once_exchange_what_there_is(site: Site) -> None:
    user = await buyer(site)
    codes = await statuses(*(user.client.raw("POST", EXCHANGE, {"creditAmount": 1}) for _ in range(64)))
    assert codes == {200: 10, 402: 54}
    assert await user.balance() == (0, 10_000)
    await check_books(site)


@pytest.mark.gen_test
async def test_a_key_exchanges_once_however_often_it_comes(site: Site) -> None:
    user = await buyer(site)
    calls = [
        user.client.raw("POST", EXCHANGE, {"creditAmount": 1}, keyed(f"key {number}"))
        for _ in range(25)
        for number in range(4)
    ]
    codes = await statuses(*calls)
    assert set(codes) <= {200, 409} and codes[200] >= 4
    assert await user.balance() == (6_000_000, 4_000)
    repeated = await user.client.post(EXCHANGE, {"creditAmount": 1}, headers=keyed("key 0"))
    assert hit(repeated) and repeated.data["pointsReceived"] == 1_000
    assert await user.balance() == (6_000_000, 4_000)


@pytest.mark.gen_test
async def test_a_key_means_one_request_of_one_user(site: Site) -> None:
    user, other = await buyer(site), await buyer(site)
    first = await user.client.post(EXCHANGE, {"creditAmount": 1}, headers=keyed("k"))
    assert not hit(first)
    refused = await user.client.post(EXCHANGE, {"creditAmount": 2}, headers=keyed("k"), status=422)
    assert refused.code == "VALIDATION_ERROR"
    assert not hit(await other.client.post(EXCHANGE, {"creditAmount": 2}, headers=keyed("k")))
    for key in ("x" * 256, "", "\U0001f511".encode().decode("latin1"), "a\tb"):
        answer = await user.client.post(EXCHANGE, {"creditAmount": 1}, headers=keyed(key), status=422)
        assert answer.body["error"]["details"][0]["field"] == "Idempotency-Key"
    assert await user.balance() == (9_000_000, 1_000)


@pytest.mark.gen_test
async def test_a_refused_request_leaves_its_key_free(site: Site) -> None:
    user = await buyer(site)
    await user.client.post(EXCHANGE, {"creditAmount": 11}, headers=keyed("k"), status=402)
    await user.client.post(EXCHANGE, {"creditAmount": 1}, headers=keyed("k"))


@pytest.mark.gen_test
async def test_a_new_active_rate_ends_the_old_one(site: Site) -> None:
    user = await buyer(site)
    rate = await _new_rate(site, 1_200)
    inactive = await _new_rate(site, 7, is_active=False)
    states = {row["_id"]: row["active"] for row in await list_all(site.services.database, 100)}
    assert (states[rate], states[inactive], sum(states.values()), len(states)) == (True, False, 1, 3)
    assert (await user.client.post(EXCHANGE, {"creditAmount": 1})).data["pointsReceived"] == 1_200


@pytest.mark.gen_test
async def test_each_exchange_goes_by_the_rate_that_was_active_when_it_was_written(site: Site) -> None:
    """Rates change while exchanges run: each is exact by one of them, and no exchange falls between two."""
    user = await buyer(site)
    exchanges = [user.client.raw("POST", EXCHANGE, {"creditAmount": 0.5}) for _ in range(20)]
    changes = [_new_rate(site, points) for points in (1_100, 1_200, 1_300, 1_400)]
    answered = (await asyncio.gather(*exchanges, *changes))[:20]
    assert {response.code for response in answered} == {200}
    rates = {row["_id"]: row["rate"] for row in await list_all(site.services.database, 100)}
    for entry in await user.entries("point"):
        assert entry["amount"] * RATE_UNIT * 2 == rates[entry["metadata"]["rate"]]
    assert sum(row["active"] for row in await list_all(site.services.database, 100)) == 1
    await check_books(site)


@pytest.mark.gen_test
async def test_without_an_active_rate_nothing_is_exchanged(site: Site) -> None:
    user, database = await buyer(site), site.services.database
    rate = await active(database, "credits", "points")
    assert rate is not None and rate["rate"] == 1_000 * RATE_UNIT
    await database[EXCHANGE_RATES].update_one({"_id": rate["_id"]}, {"$set": {"active": False}})
    assert (await user.client.post(EXCHANGE, {"creditAmount": 1}, status=409)).code == "RESOURCE_CONFLICT"
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_amounts_that_are_none_are_refused(site: Site) -> None:
    user = await buyer(site)
    await _refused(user, EXCHANGE, '{"creditAmount": %s}', "creditAmount")


@pytest.mark.gen_test
async def test_point_amounts_that_are_none_are_refused(site: Site) -> None:
    user = await buyer(site)
    details = '"paymentDetails": {"stripePaymentIntentId": "pi_1", "amount": 10}'
    await _refused(user, "/api/v1/points/purchase", '{"pointsAmount": %s, ' + details + "}", "pointsAmount", "0.5")
    money = '{"pointsAmount": 10000, "paymentDetails": {"stripePaymentIntentId": "pi_1", "amount": %s}}'
    await _refused(user, "/api/v1/points/purchase", money, "paymentDetails.amount", "0.001")
    package = '{"packageId": "pkg_starter", "paymentMethodId": "pm_1", "amount": %s}'
    await _refused(user, "/api/credits/purchase", package, "amount", "999")


async def _refused(user: Buyer, path: str, body: str, field: str, *more: str) -> None:
    before = await user.balance()
    await refuses_amounts(user.client, "POST", path, body, field, (*WRONG, *more))
    assert await user.balance() == before and await user.payments() == []
