"""Purchases by Stripe, against localstripe: whenever the line or the hub dies, each charge is credited once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hub.services import Services
from models.clock import now
from models.payments import PAYMENTS
from tests.api_client import ApiClient
from tests.buyers import Buyer, buyer, check_books, hit, keyed, statuses
from tests.integration.payments.parts import LATER, ORDER, POINTS, PURCHASE, bought_unheard, owner_says, points
from tests.running_hub import RunningHub
from tests.site import Site
from tests.stand_ins.stripe_server import LocalStripe, StripeLine


@pytest.mark.gen_test
async def test_a_purchase_is_charged_once(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    bought = await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    assert (bought.data["status"], bought.data["newBalance"]) == ("succeeded", 1_010)
    (charge,), (payment,) = await stripe.charges(), await user.payments()
    assert (charge["amount"], charge["currency"], charge["payment_intent"]) == (5_000, "usd", payment["payment"])
    assert hit(await user.client.post(PURCHASE, ORDER, headers=keyed("k")))
    assert len(await stripe.charges()) == 1


@pytest.mark.gen_test
async def test_a_declined_card_and_an_unknown_method_are_refused(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    for method in ("pm_card_chargeCustomerFail", "pm_nobodys", "card"):
        refused = await user.client.post(PURCHASE, {**ORDER, "paymentMethodId": method}, status=422)
        assert [detail["field"] for detail in refused.body["error"]["details"]] == ["paymentMethodId"]
    assert {payment["status"] for payment in await user.payments()} == {"failed"}
    assert (await user.types())["payment.failed"] == 3 and await stripe.charges() == []
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_a_card_that_asks_its_owner_is_credited_when_they_have_agreed(
    paid_site: Site, stripe: LocalStripe
) -> None:
    user = await buyer(paid_site)
    order = {**ORDER, "paymentMethodId": await stripe.card_that_asks()}
    waiting = (await user.client.post(PURCHASE, order)).data
    assert waiting["status"] == "requires_action" and "newBalance" not in waiting
    (payment,) = await user.payments()
    assert await paid_site.services.purchases.sweep(now() + LATER) == 1
    assert (await user.payments())[0]["status"] == "pending"
    await owner_says(stripe, payment["payment"], waiting["clientSecret"], "true")
    assert await paid_site.services.purchases.sweep(now() + 3 * LATER) == 1
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_a_repeat_hears_how_a_purchase_stands_that_waits_for_its_payer(
    paid_site: Site, stripe: LocalStripe
) -> None:
    user, key = await buyer(paid_site), keyed("k")
    order = {**ORDER, "paymentMethodId": await stripe.card_that_asks()}
    first = await user.client.post(PURCHASE, order, headers=key)
    again = await user.client.post(PURCHASE, order, headers=key)
    assert hit(again) and again.data == first.data and first.data["status"] == "requires_action"
    await user.client.post(PURCHASE, {**order, "packageId": "pkg_starter"}, headers=key, status=422)
    (payment,) = await user.payments()
    await owner_says(stripe, payment["payment"], first.data["clientSecret"], "true")
    repeats = [user.client.raw("POST", PURCHASE, order, key) for _ in range(8)]
    assert await statuses(*repeats) == {200: 8}
    done = await user.client.post(PURCHASE, order, headers=key)
    assert (done.data["status"], done.data["newBalance"], len(await stripe.charges())) == ("succeeded", 1_010, 1)
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_what_was_settled_since_its_record_was_read_is_told_too(paid_site: Site, stripe: LocalStripe) -> None:
    user, key = await buyer(paid_site), keyed("k")
    bought = await user.client.post(PURCHASE, ORDER, headers=key)
    (payment,) = await user.payments()
    reply = await paid_site.services.purchases.so_far({"payment": payment["_id"], "status": "begun"})
    assert reply is not None and (reply["status"], reply["payment"]) == ("succeeded", bought.data["paymentId"])


@pytest.mark.gen_test
async def test_a_repeat_hears_that_the_payer_refused(paid_site: Site, stripe: LocalStripe) -> None:
    user, key = await buyer(paid_site), keyed("k")
    order = {**ORDER, "paymentMethodId": await stripe.card_that_asks()}
    waiting = (await user.client.post(PURCHASE, order, headers=key)).data
    await owner_says(stripe, (await user.payments())[0]["payment"], waiting["clientSecret"], "false")
    await user.client.post(PURCHASE, order, headers=key, status=422)
    assert [payment["status"] for payment in await user.payments()] == ["failed"]
    fresh = await user.client.post(PURCHASE, order, headers=key)  # its key is free
    assert not hit(fresh) and fresh.data["status"] == "requires_action"
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_what_its_owner_never_agrees_to_is_cancelled_after_a_day(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    order = {**ORDER, "paymentMethodId": await stripe.card_that_asks()}
    await user.client.post(PURCHASE, order, headers=keyed("k"))
    assert await paid_site.services.purchases.sweep(now() + timedelta(hours=25)) == 1
    (payment,) = await user.payments()
    intent = await stripe.ask("GET", f"/v1/payment_intents/{payment['payment']}")
    assert (payment["status"], intent["status"]) == ("failed", "canceled")


@pytest.mark.gen_test
async def test_a_charge_whose_answer_was_lost_is_found_by_the_sweep(
    hasty_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await bought_unheard(hasty_site, line, silent=True)
    assert len(await stripe.charges()) == 1
    assert await user.balance() == (10_000_000, 0)
    line.mend()
    assert await hasty_site.services.purchases.sweep(now() + LATER) == 1
    again = await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    assert hit(again) and again.data["newBalance"] == 1_010
    assert len(await stripe.charges()) == 1
    await check_books(hasty_site)


@pytest.mark.gen_test
async def test_a_charge_whose_answer_was_lost_is_found_by_a_repeat(
    hasty_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await bought_unheard(hasty_site, line)
    line.cut("GET /v1/payment_intents", silent=True)
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"), status=503)
    assert line.withheld == 2 and len(await stripe.charges()) == 1
    line.mend()
    again = await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    assert hit(again) and again.data["newBalance"] == 1_010 and len(await stripe.charges()) == 1
    assert await hasty_site.services.purchases.sweep(now() + LATER) == 0
    await check_books(hasty_site)


@pytest.mark.gen_test
async def test_an_intent_whose_answer_was_lost_is_never_charged(
    paid_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await bought_unheard(paid_site, line, "POST /v1/payment_intents")
    line.mend()
    assert await stripe.charges() == []
    assert (await user.payments())[0]["status"] == "failed"
    assert not hit(await user.client.post(PURCHASE, ORDER, headers=keyed("k")))
    assert await user.balance() == (1_010_000_000, 0) and len(await stripe.charges()) == 1


@pytest.mark.gen_test
async def test_an_intent_that_nobody_confirmed_is_cancelled(paid_site: Site, stripe: LocalStripe) -> None:
    """The hub died after it had noted the id: nothing was charged, and nothing may be any more."""
    user = await buyer(paid_site)
    await user.client.post(PURCHASE, ORDER)
    (payment,) = await user.payments()
    intent = await stripe.intent(amount=5_000, confirm="false")
    twin = {**payment, "_id": "pay_twin", "payment": intent["id"], "status": "pending", "reply": None}
    await paid_site.services.database[PAYMENTS].insert_one(twin)
    assert await paid_site.services.purchases.sweep(now() + LATER) == 1
    assert (await stripe.ask("GET", f"/v1/payment_intents/{intent['id']}"))["status"] == "canceled"
    assert [row["status"] for row in await user.payments()] == ["succeeded", "failed"]
    assert await user.balance() == (1_010_000_000, 0)


def test_a_hub_killed_between_the_charge_and_its_credit_credits_it_once(
    io_loop: Any, stripe: LocalStripe, line: StripeLine, stripe_environ: dict[str, str], start_hub: Any, open_hub: Any
) -> None:
    hub: RunningHub = start_hub(**stripe_environ)

    async def bought_until_killed() -> None:
        line.cut("/confirm", silent=True)
        client = ApiClient(hub.port, token=await asyncio.to_thread(hub.register))
        request = asyncio.ensure_future(client.raw("POST", PURCHASE, ORDER, keyed("k")))
        await asyncio.wait_for(line.was_cut.wait(), 20)
        hub.kill()
        await asyncio.gather(request, return_exceptions=True)
        line.mend()

    async def swept(services: Services) -> None:
        await services.purchases.sweep(now() + LATER)
        (payment,) = await services.database[PAYMENTS].find({}, limit=10)
        charges = await stripe.charges()
        assert (payment["status"], [charge["payment_intent"] for charge in charges]) == (
            "succeeded",
            [payment["payment"]],
        )
        wallet = await services.ledger.wallet(payment["user"])
        assert wallet.credits == 1_010_000_000
        record = await services.database["idempotency"].find_one({"_id": f"{payment['user']}:k"})
        assert record is not None and record["reply"]["balance"] == wallet.credits

    io_loop.run_sync(bought_until_killed, timeout=30)
    services = open_hub(HUB_MONGODB_DATABASE=hub.database, **stripe_environ)
    io_loop.run_sync(lambda: swept(services), timeout=30)
    assert hub.command("audit").returncode == 0


# --- payments that were made elsewhere --------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_points_are_credited_for_what_stripe_says_was_paid(paid_site: Site, stripe: LocalStripe) -> None:
    user, other = await buyer(paid_site), await buyer(paid_site)
    mine = {"metadata[user_id]": user.id}
    paid = await stripe.intent(**mine)
    codes = await statuses(*(user.client.raw("POST", POINTS, points(paid["id"])) for _ in range(10)))
    assert codes == {200: 1, 409: 9}
    for wrong in (
        await stripe.intent(**mine, amount=999),
        await stripe.intent(**mine, currency="eur"),
        await stripe.intent(**mine, confirm="false"),
        await stripe.intent(**mine, capture_method="manual"),
        await stripe.intent(**{"metadata[user_id]": other.id}),
        await stripe.intent(),
        {"id": "pi_nobodys"},
    ):
        await _not_believed(user, wrong["id"])
    assert await user.balance() == (10_000_000, 10_000)


async def _not_believed(user: Buyer, intent: str) -> None:
    refused = await user.client.post(POINTS, points(intent), status=422)
    fields = [detail["field"] for detail in refused.body["error"]["details"]]
    assert fields == ["paymentDetails.stripePaymentIntentId"]


@pytest.mark.gen_test
async def test_what_went_back_to_its_payer_buys_nothing(paid_site: Site, stripe: LocalStripe, line: StripeLine) -> None:
    """Stripe calls each of these `succeeded`."""
    user = await buyer(paid_site)
    mine = {"metadata[user_id]": user.id}
    for refund in ({}, {"amount": "1"}):
        refunded = await stripe.intent(**mine)
        await stripe.ask("POST", "/v1/refunds", {"payment_intent": refunded["id"], **refund})
        await _not_believed(user, refunded["id"])
    captured = await stripe.intent(**mine, capture_method="manual")
    await stripe.ask("POST", f"/v1/payment_intents/{captured['id']}/capture", {"amount_to_capture": "999"})
    await _not_believed(user, captured["id"])
    for told in ({"amount_received": 999}, {"latest_charge": {"object": "charge", "disputed": True}}):
        intent = await stripe.intent(**mine)
        line.told[intent["id"]] = told
        await _not_believed(user, intent["id"])
        assert (await stripe.ask("GET", f"/v1/payment_intents/{intent['id']}"))["status"] == "succeeded"
    assert await user.balance() == (10_000_000, 0) and await user.payments() == []


@pytest.mark.gen_test
async def test_a_payment_of_ours_cannot_be_brought_again(paid_site: Site) -> None:
    user = await buyer(paid_site)
    await user.client.post(PURCHASE, ORDER)
    (payment,) = await user.payments()
    for who in (user, await buyer(paid_site)):
        answer = await who.client.raw("POST", PURCHASE, {**ORDER, "paymentMethodId": payment["payment"]})
        assert answer.code in (409, 422)
        assert (await who.payments())[1:] == []
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_while_stripe_is_away_nothing_is_promised(away_site: Site) -> None:
    user = await buyer(away_site)
    for path, body in ((PURCHASE, ORDER), (POINTS, points("pi_1"))):
        assert (await user.client.post(path, body, status=503)).code == "SERVICE_UNAVAILABLE"
    assert [payment["status"] for payment in await user.payments()] == ["failed"]
