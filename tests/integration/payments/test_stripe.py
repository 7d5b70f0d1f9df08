"""Purchases by Stripe, against localstripe: whenever the line or the hub dies, each charge is credited once."""

import asyncio
import json
import os
import time
from datetime import timedelta
from typing import Any

import pytest
import stripe as library

from config import limits
from hub.services import Services
from models.clock import now
from models.payments import PAYMENTS
from tests.api_client import ApiClient
from tests.buyers import buyer, check_books, hit, keyed, statuses
from tests.running_hub import RunningHub
from tests.site import Site
from tests.stand_ins.stripe_server import WEBHOOK_SECRET, LocalStripe, StripeLine

PURCHASE, POINTS, WEBHOOK = "/api/credits/purchase", "/api/v1/points/purchase", "/api/webhooks/stripe"
ORDER = {"packageId": "pro", "paymentMethodId": "pm_card_visa", "amount": 1000}
LATER = timedelta(seconds=limits.PAYMENT_PENDING_SECONDS + 1)


def _points(intent: str) -> dict[str, Any]:
    return {"pointsAmount": 10_000, "paymentDetails": {"stripePaymentIntentId": intent, "amount": 10}}


def _event(intent: str, name: str = "payment_intent.succeeded", **fields: Any) -> bytes:
    shown = {"id": intent, "object": "payment_intent", "status": "succeeded", "amount": 5_000, "currency": "usd"}
    return json.dumps(
        {"id": "evt_1", "object": "event", "type": name, "data": {"object": {**shown, "metadata": {}, **fields}}}
    ).encode()


def _signed(body: bytes, age_seconds: int = 0, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    moment = int(time.time()) - age_seconds
    sign = library.WebhookSignature.generate_signature_header
    return {"Stripe-Signature": sign(body.decode(), secret, moment), "Content-Type": "application/json"}


@pytest.mark.gen_test(timeout=30)
async def test_a_purchase_is_charged_once(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    bought = await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    assert (bought.data["status"], bought.data["newBalance"]) == ("succeeded", 1_010)
    (charge,), (payment,) = await stripe.charges(), await user.payments()
    assert (charge["amount"], charge["currency"], charge["payment_intent"]) == (5_000, "usd", payment["payment"])
    assert hit(await user.client.post(PURCHASE, ORDER, headers=keyed("k")))
    assert len(await stripe.charges()) == 1


@pytest.mark.gen_test(timeout=30)
async def test_a_declined_card_and_an_unknown_method_are_refused(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    for method in ("pm_card_chargeCustomerFail", "pm_nobodys", "card"):
        refused = await user.client.post(PURCHASE, {**ORDER, "paymentMethodId": method}, status=422)
        assert [detail["field"] for detail in refused.body["error"]["details"]] == ["paymentMethodId"]
    assert {payment["status"] for payment in await user.payments()} == {"failed"}
    assert (await user.types())["payment.failed"] == 3 and await stripe.charges() == []
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test(timeout=30)
async def test_a_card_that_asks_its_owner_is_credited_when_they_have_agreed(
    paid_site: Site, stripe: LocalStripe
) -> None:
    user = await buyer(paid_site)
    card = {"type": "card", "card[number]": "4000002500003155", "card[exp_month]": "12", "card[exp_year]": "30"}
    method = await stripe.ask("POST", "/v1/payment_methods", {**card, "card[cvc]": "123"})
    waiting = (await user.client.post(PURCHASE, {**ORDER, "paymentMethodId": method["id"]})).data
    assert waiting["status"] == "requires_action" and "newBalance" not in waiting
    (payment,) = await user.payments()
    assert await paid_site.services.purchases.sweep(now() + LATER) == 1
    assert (await user.payments())[0]["status"] == "pending"
    agreed = {"client_secret": waiting["clientSecret"], "success": "true"}
    await stripe.ask("POST", f"/v1/payment_intents/{payment['payment']}/_authenticate", agreed)
    assert await paid_site.services.purchases.sweep(now() + 3 * LATER) == 1
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test(timeout=30)
async def test_what_its_owner_never_agrees_to_is_cancelled_after_a_day(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    card = {"type": "card", "card[number]": "4000002500003155", "card[exp_month]": "12", "card[exp_year]": "30"}
    method = await stripe.ask("POST", "/v1/payment_methods", {**card, "card[cvc]": "123"})
    await user.client.post(PURCHASE, {**ORDER, "paymentMethodId": method["id"]}, headers=keyed("k"))
    assert await paid_site.services.purchases.sweep(now() + timedelta(hours=25)) == 1
    (payment,) = await user.payments()
    intent = await stripe.ask("GET", f"/v1/payment_intents/{payment['payment']}")
    assert (payment["status"], intent["status"]) == ("failed", "canceled")


@pytest.mark.gen_test(timeout=30)
async def test_a_charge_whose_answer_was_lost_is_found_by_the_sweep(
    paid_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await buyer(paid_site)
    line.cut("/confirm")
    unknown = await user.client.post(PURCHASE, ORDER, headers=keyed("k"), status=503)
    assert unknown.headers["Retry-After"] and line.withheld == 1 and len(await stripe.charges()) == 1
    assert await user.balance() == (10_000_000, 0)
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"), status=409)
    line.mend()
    assert await paid_site.services.purchases.sweep(now() + LATER) == 1
    again = await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    assert hit(again) and again.data["newBalance"] == 1_010
    assert len(await stripe.charges()) == 1
    await check_books(paid_site)


@pytest.mark.gen_test(timeout=30)
async def test_an_intent_whose_answer_was_lost_is_never_charged(
    paid_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await buyer(paid_site)
    line.cut("POST /v1/payment_intents")
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"), status=503)
    line.mend()
    assert line.withheld == 1 and await stripe.charges() == []
    assert (await user.payments())[0]["status"] == "failed"
    assert not hit(await user.client.post(PURCHASE, ORDER, headers=keyed("k")))
    assert await user.balance() == (1_010_000_000, 0) and len(await stripe.charges()) == 1


@pytest.mark.gen_test(timeout=30)
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
    database = f"test_{os.getpid()}_{time.monotonic_ns()}"
    hub: RunningHub = start_hub(HUB_MONGODB_DATABASE=database, **stripe_environ)

    async def bought_until_killed() -> None:
        line.cut("/confirm")
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
    services = open_hub(HUB_MONGODB_DATABASE=database, **stripe_environ)
    io_loop.run_sync(lambda: swept(services), timeout=30)
    assert hub.command("audit").returncode == 0


# --- payments that were made elsewhere --------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=30)
async def test_points_are_credited_for_what_stripe_says_was_paid(paid_site: Site, stripe: LocalStripe) -> None:
    user, other = await buyer(paid_site), await buyer(paid_site)
    paid = await stripe.intent()
    codes = await statuses(*(user.client.raw("POST", POINTS, _points(paid["id"])) for _ in range(10)))
    assert codes == {200: 1, 409: 9}
    for wrong in (
        await stripe.intent(amount=999),
        await stripe.intent(currency="eur"),
        await stripe.intent(confirm="false"),
        await stripe.intent(**{"metadata[user_id]": other.id}),
        {"id": "pi_nobodys"},
    ):
        refused = await user.client.post(POINTS, _points(wrong["id"]), status=422)
        fields = [detail["field"] for detail in refused.body["error"]["details"]]
        assert fields == ["paymentDetails.stripePaymentIntentId"]
    assert await user.balance() == (10_000_000, 10_000)


@pytest.mark.gen_test(timeout=30)
async def test_a_payment_of_ours_cannot_be_brought_again(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    await user.client.post(PURCHASE, ORDER)
    (payment,) = await user.payments()
    for who in (user, await buyer(paid_site)):
        answer = await who.client.raw("POST", PURCHASE, {**ORDER, "paymentMethodId": payment["payment"]})
        assert answer.code in (409, 422)
        assert (await who.payments())[1:] == []
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test(timeout=30)
async def test_while_stripe_is_away_nothing_is_promised(away_site: Site) -> None:
    user = await buyer(away_site)
    for path, body in ((PURCHASE, ORDER), (POINTS, _points("pi_1"))):
        assert (await user.client.post(path, body, status=503)).code == "SERVICE_UNAVAILABLE"
    assert [payment["status"] for payment in await user.payments()] == ["failed"]


# --- the webhook ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=30)
async def test_stripes_own_webhook_credits_what_the_client_never_heard_of(
    paid_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    await stripe.send_webhooks(f"http://127.0.0.1:{paid_site.port}{WEBHOOK}")
    user = await buyer(paid_site)
    line.cut("/confirm")
    await user.client.post(PURCHASE, ORDER, status=503)
    async with asyncio.timeout(10):
        while await user.balance() != (1_010_000_000, 0):
            await asyncio.sleep(0.02)
    assert await paid_site.services.purchases.sweep(now() + LATER) == 0
    assert (await user.types())["payment.completed"] == 1 and len(await stripe.charges()) == 1


@pytest.mark.gen_test(timeout=30)
async def test_a_purchase_seen_by_client_webhook_and_retry_is_credited_once(
    paid_site: Site, stripe: LocalStripe
) -> None:
    user = await buyer(paid_site)
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    body = _event((await user.payments())[0]["payment"])
    posts = [paid_site.client().raw("POST", WEBHOOK, body, _signed(body)) for _ in range(10)]
    assert await statuses(*posts) == {200: 10}
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    late = _event((await user.payments())[0]["payment"], "payment_intent.payment_failed", status="canceled")
    await paid_site.client().post(WEBHOOK, late, headers=_signed(late))
    assert await user.balance() == (1_010_000_000, 0)
    assert (await user.payments())[0]["status"] == "succeeded"
    await check_books(paid_site)


@pytest.mark.gen_test(timeout=30)
async def test_what_failed_and_was_paid_after_all_is_credited(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    await user.client.post(PURCHASE, {**ORDER, "paymentMethodId": "pm_card_chargeCustomerFail"}, status=422)
    body = _event((await user.payments())[0]["payment"])
    for _ in range(2):
        assert (await paid_site.client().post(WEBHOOK, body, headers=_signed(body))).data["known"] is True
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_only_a_fresh_signature_of_stripe_is_believed(paid_site: Site, stripe: LocalStripe) -> None:
    user, client = await buyer(paid_site), paid_site.client()
    await user.client.post(PURCHASE, {**ORDER, "paymentMethodId": "pm_card_chargeCustomerFail"}, status=422)
    body = _event((await user.payments())[0]["payment"])
    refused: list[dict[str, str]] = [
        {},
        {"Stripe-Signature": "t=1,v1=00"},
        {"Stripe-Signature": "nonsense"},
        {"Stripe-Signature": "t=x,v1="},
        _signed(body, age_seconds=301),
        _signed(body, age_seconds=-310),
        _signed(body, secret="whsec_of_others"),
        _signed(body + b" "),
    ]
    for headers in refused:
        assert (await client.post(WEBHOOK, body, headers=headers, status=400)).code == "VALIDATION_ERROR"
    await client.post(WEBHOOK, b"\xff\xfe", headers=_signed(body), status=400)
    assert await user.balance() == (10_000_000, 0)
    await client.post(WEBHOOK, body, headers=_signed(body, age_seconds=290))
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_what_is_none_of_ours_is_taken_and_left(paid_site: Site, stripe: LocalStripe) -> None:
    for body in (_event("pi_of_somebody"), _event("cus_1", "customer.created")):
        assert (await paid_site.client().post(WEBHOOK, body, headers=_signed(body))).data["known"] is False
    large = b"x" * (limits.PAYMENT_EVENT_BYTES_MAX + 1)
    await paid_site.client().post(WEBHOOK, large, headers=_signed(b"x"), status=413)
