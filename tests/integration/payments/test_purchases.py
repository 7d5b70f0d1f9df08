"""Purchases by the sandbox: charged and credited once, told, refused with reasons, and never credited on a client's word."""

from datetime import timedelta
from typing import Any

import pytest

from hub.payments.records import Purchase
from models.clock import now
from models.payments import PAYMENTS
from tests.buyers import Buyer, buyer, check_books, hit, keyed, statuses
from tests.site import Site

PURCHASE, POINTS = "/api/credits/purchase", "/api/v1/points/purchase"
ORDER = {"packageId": "pkg_starter", "paymentMethodId": "pm_123", "amount": 1000}


def _points(intent: str, points: int = 10_000, dollars: float = 10) -> dict[str, Any]:
    details = {"stripeSessionId": "sess_123", "stripePaymentIntentId": intent, "amount": dollars}
    return {"pointsAmount": points, "paymentDetails": details}


def _fields(answer: Any) -> list[str]:
    return [detail["field"] for detail in answer.body["error"]["details"]]


@pytest.mark.gen_test
async def test_a_purchase_is_entry_payment_events_and_notification(site: Site) -> None:
    user = await buyer(site)
    bought = (await user.client.post(PURCHASE, ORDER)).data
    (payment,), entry = await user.payments(), (await user.entries("credit"))[-1]
    assert bought["paymentId"] == payment["_id"] and bought["transactionId"] == entry["_id"]
    assert (bought["status"], bought["amount"], bought["newBalance"]) == ("succeeded", 1_000, 1_010)
    assert (payment["status"], payment["cents"], payment["amount"]) == ("succeeded", 5_500, 1_000_000_000)
    assert (entry["kind"], entry["description"]) == ("purchase", "Starter package purchase")
    assert (entry["metadata"]["payment"], entry["metadata"]["cents"]) == (payment["_id"], 5_500)
    types = await user.types()
    assert types["credit.purchased"] == types["payment.completed"] == 1 and types["notification.created"] == 2
    assert (await user.client.get("/api/notifications")).data[0]["title"] == "Payment received"
    listed = (await user.client.get("/api/credits/history?type=purchase")).data
    assert [row["id"] for row in listed] == [entry["_id"]]
    await check_books(site)


@pytest.mark.gen_test
async def test_a_declined_payment_is_told_and_credits_nothing(site: Site) -> None:
    user = await buyer(site)
    order = {**ORDER, "paymentMethodId": "pm_fail_1"}
    assert _fields(await user.client.post(PURCHASE, order, headers=keyed("k"), status=422)) == ["paymentMethodId"]
    (payment,) = await user.payments()
    assert (payment["status"], payment["reason"]) == ("failed", "The card was declined")
    types = await user.types()
    assert (types["payment.failed"], types["payment.completed"]) == (1, 0)
    assert await user.balance() == (10_000_000, 0)
    await user.client.post(PURCHASE, ORDER, headers=keyed("other"))
    await user.client.post(PURCHASE, order, headers=keyed("k"), status=422)  # its key was free for another try


@pytest.mark.gen_test
async def test_what_does_not_agree_is_refused_before_anything_is_charged(site: Site) -> None:
    user = await buyer(site)
    for change, fields in (
        ({"amount": 999}, ["amount"]),
        ({"packageId": "pkg_nothing"}, ["packageId"]),
        ({"paymentMethodId": "pm_{}"}, ["paymentMethodId"]),
        ({"paymentMethodId": "iban"}, ["paymentMethodId"]),
        ({"packageId": 7, "paymentMethodId": None, "amount": "1000"}, ["packageId", "paymentMethodId", "amount"]),
        ({"discount": 100}, ["discount"]),
    ):
        refused = await user.client.post(PURCHASE, {**ORDER, **change}, status=422)
        assert sorted(_fields(refused)) == sorted(fields)
    assert {payment["status"] for payment in await user.payments()} == {"failed"}  # the unknown method's
    await site.client().post(PURCHASE, ORDER, status=401)
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_one_key_buys_once_however_often_it_comes(site: Site) -> None:
    user = await buyer(site)
    codes = await statuses(*(user.client.raw("POST", PURCHASE, ORDER, keyed("k")) for _ in range(50)))
    assert set(codes) <= {200, 409} and codes[200] >= 1
    again = await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    assert hit(again) and again.data["newBalance"] == 1_010
    assert await user.balance() == (1_010_000_000, 0) and len(await user.payments()) == 1
    refused = await user.client.post(PURCHASE, {**ORDER, "packageId": "pro"}, headers=keyed("k"), status=422)
    assert refused.code == "VALIDATION_ERROR"


@pytest.mark.gen_test
async def test_sixty_four_purchases_at_once_are_sixty_four(site: Site) -> None:
    user = await buyer(site)
    assert await statuses(*(user.client.raw("POST", PURCHASE, ORDER) for _ in range(64))) == {200: 64}
    assert await user.balance() == (64_010_000_000, 0)
    await check_books(site)


@pytest.mark.gen_test
async def test_a_running_twin_is_told_to_wait(site: Site) -> None:
    user = await buyer(site)
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    records, mine = site.services.database["idempotency"], {"_id": f"{user.id}:k"}
    assert await records.update_one(mine, {"$set": {"status": "running"}})
    unprepared = {"$set": {"status": "pending"}, "$unset": {"payment": ""}}
    assert await site.services.database["payments"].update_one({"user": user.id}, unprepared)
    waiting = await user.client.post(PURCHASE, ORDER, headers=keyed("k"), status=409)
    assert int(waiting.headers["Retry-After"]) >= 1
    await records.update_one(mine, {"$set": {"status": "done", "reply": None}})
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"), status=409)


@pytest.mark.gen_test
async def test_points_are_bought_with_a_payment_that_counts_once_ever(site: Site) -> None:
    user, other = await buyer(site), await buyer(site)
    bought = await user.client.post(POINTS, _points("pi_123"), headers=keyed("k"))
    assert bought.data["newBalance"] == 10_000
    assert bought.data["transactionId"] == (await user.entries("point"))[-1]["_id"]
    assert hit(await user.client.post(POINTS, _points("pi_123"), headers=keyed("k")))
    for who in (user, other):
        assert (await who.client.post(POINTS, _points("pi_123"), status=409)).code == "RESOURCE_CONFLICT"
    order = {**ORDER, "paymentMethodId": "pi_123"}
    await user.client.post(PURCHASE, order, status=409)
    assert (await user.balance(), await other.balance()) == ((10_000_000, 10_000), (10_000_000, 0))
    types = await user.types()
    assert (types["payment.completed"], types["credit.purchased"]) == (1, 0)


@pytest.mark.gen_test
async def test_one_payment_brought_by_many_at_once_counts_once(site: Site) -> None:
    users: list[Buyer] = [await buyer(site) for _ in range(4)]
    calls = [users[number % 4].client.raw("POST", POINTS, _points("pi_race")) for number in range(64)]
    assert await statuses(*calls) == {200: 1, 409: 63}
    assert sum([(await user.balance())[1] for user in users]) == 10_000
    await check_books(site)


@pytest.mark.gen_test
async def test_points_have_a_price(site: Site) -> None:
    user = await buyer(site)
    for points, dollars in ((10_000, 9.99), (10_001, 10), (10_000, 1_000), (15, 0.01)):
        refused = await user.client.post(POINTS, _points("pi_1", points, dollars), status=422)
        assert _fields(refused) == ["paymentDetails.amount"]
    assert (await user.client.post(POINTS, _points("pi_1", 15, 0.02))).data["newBalance"] == 15
    for intent in ("pm_1", "", "pi_", "pi_$", 7):
        refused = await user.client.post(POINTS, _points(intent), status=422)  # type: ignore[arg-type]
        assert _fields(refused) == ["paymentDetails.stripePaymentIntentId"]
    assert _fields(await user.client.post(POINTS, {"pointsAmount": 5}, status=422)) == ["paymentDetails"]


@pytest.mark.gen_test
async def test_in_production_without_a_key_nobody_takes_payments(unpaid_site: Site) -> None:
    site, user = unpaid_site, await buyer(unpaid_site)
    for path, body in ((PURCHASE, ORDER), (POINTS, _points("pi_1"))):
        assert (await user.client.post(path, body, status=503)).code == "SERVICE_UNAVAILABLE"
    await site.client().post("/api/webhooks/stripe", {"type": "payment_intent.succeeded"}, status=503)
    assert await user.payments() == [] and await site.services.purchases.sweep(now()) == 0


@pytest.mark.gen_test
async def test_what_was_interrupted_before_a_charge_fails_and_frees_its_key(site: Site) -> None:
    user = await buyer(site)
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    (payment,) = await user.payments()
    stale: Any = {**payment, "_id": "pay_stale", "status": "pending", "reply": None}
    del stale["payment"]
    await site.services.database[PAYMENTS].insert_one(stale)
    purchases, later = site.services.purchases, now() + timedelta(seconds=11)
    assert [await purchases.sweep(now() - timedelta(minutes=1)), await purchases.sweep(later)] == [0, 1]
    assert [row["status"] for row in await user.payments()] == ["succeeded", "failed"]
    assert await purchases.sweep(later + timedelta(days=2)) == 0
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_many_sweeps_at_once_credit_once(site: Site) -> None:
    """Both as nodes that meet at one row, and as one that comes late with what it had read before."""
    user = await buyer(site)
    bought = Purchase(user.id, "credit", 5_000_000, 500, "pm_1", "Test")
    reply = await site.services.purchases.buy(bought)
    rows = site.services.database[PAYMENTS]
    payment = await rows.find_one({"_id": reply["payment"]})
    assert payment is not None
    await rows.insert_one({**payment, "_id": "pay_twin", "payment": "sandbox_twin", "status": "pending", "reply": None})
    later = now() + timedelta(seconds=20)
    taken = [site.services.purchases.sweep(later) for _ in range(8)]
    assert sum([await sweep for sweep in taken]) == 1
    assert await user.balance() == (20_000_000, 0)
    await check_books(site)
