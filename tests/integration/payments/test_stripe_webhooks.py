"""Stripe's webhook: whatever it says, and however often, the wallet is what Stripe itself says when it is asked."""

import pytest
from structlog.testing import capture_logs

from config import limits
from models.clock import now
from tests.buyers import buyer, check_books, keyed, statuses
from tests.integration.payments.parts import (
    LATER,
    ORDER,
    PURCHASE,
    WEBHOOK,
    bought_unheard,
    event,
    paid_after_all,
    signed,
)
from tests.patience import until
from tests.site import Site
from tests.stand_ins.stripe_server import LocalStripe, StripeLine


@pytest.mark.gen_test
async def test_stripes_own_webhook_credits_what_the_client_never_heard_of(
    paid_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    await stripe.send_webhooks(f"http://127.0.0.1:{paid_site.port}{WEBHOOK}")
    user = await bought_unheard(paid_site, line)

    async def credited() -> bool:
        return await user.balance() == (1_010_000_000, 0)

    await until(credited)
    assert await paid_site.services.purchases.sweep(now() + LATER) == 0
    assert (await user.types())["payment.completed"] == 1 and len(await stripe.charges()) == 1


@pytest.mark.gen_test
async def test_a_purchase_seen_by_client_webhook_and_retry_is_credited_once(paid_site: Site) -> None:
    user = await buyer(paid_site)
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    body = event((await user.payments())[0]["payment"])
    posts = [paid_site.client().raw("POST", WEBHOOK, body, signed(body)) for _ in range(10)]
    assert await statuses(*posts) == {200: 10}
    await user.client.post(PURCHASE, ORDER, headers=keyed("k"))
    late = event((await user.payments())[0]["payment"], "payment_intent.payment_failed", status="canceled")
    await paid_site.client().post(WEBHOOK, late, headers=signed(late))
    assert await user.balance() == (1_010_000_000, 0)
    assert (await user.payments())[0]["status"] == "succeeded"
    await check_books(paid_site)


@pytest.mark.gen_test
async def test_what_failed_and_was_paid_after_all_is_credited(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    body = event(await paid_after_all(user, stripe))
    for _ in range(2):
        assert (await paid_site.client().post(WEBHOOK, body, headers=signed(body))).data["known"] is True
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_an_old_webhook_credits_nothing_that_was_refunded_since(paid_site: Site, stripe: LocalStripe) -> None:
    user = await buyer(paid_site)
    paid = await paid_after_all(user, stripe)
    await stripe.ask("POST", "/v1/refunds", {"payment_intent": paid})
    body = event(paid)
    await paid_site.client().post(WEBHOOK, body, headers=signed(body))
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_a_refund_of_what_was_credited_is_told_to_the_operator(paid_site: Site, line: StripeLine) -> None:
    user = await buyer(paid_site)
    await user.client.post(PURCHASE, ORDER)
    (payment,) = await user.payments()
    charge = {"object": "charge", "id": "ch_1", "payment_intent": payment["payment"]}
    for name, told in (("charge.refunded", {"amount_refunded": 5_000}), ("charge.dispute.created", {"disputed": True})):
        line.told[payment["payment"]] = {"latest_charge": {"object": "charge", **told}}
        body = event("", name, **charge)
        with capture_logs() as logs:
            assert (await paid_site.client().post(WEBHOOK, body, headers=signed(body))).data["known"] is True
        (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
        assert warning["event"] == "a credited payment was refunded or is disputed"
        assert (warning["payment"], warning["user"]) == (payment["_id"], user.id)
    assert await user.balance() == (1_010_000_000, 0) and (await user.payments())[0]["status"] == "succeeded"
    other = event("", "charge.refunded", object="charge", id="ch_2", payment_intent=None)
    assert (await paid_site.client().post(WEBHOOK, other, headers=signed(other))).data["known"] is False


@pytest.mark.gen_test
async def test_a_webhook_is_to_come_again_while_stripe_does_not_answer(
    hasty_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    body = event(await paid_after_all(user := await buyer(hasty_site), stripe))
    line.cut("GET /v1/payment_intents", silent=True)
    await hasty_site.client().post(WEBHOOK, body, headers=signed(body), status=503)
    assert line.withheld == 1
    line.mend()
    await hasty_site.client().post(WEBHOOK, body, headers=signed(body))
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_only_a_fresh_signature_of_stripe_is_believed(paid_site: Site, stripe: LocalStripe) -> None:
    user, client = await buyer(paid_site), paid_site.client()
    body = event(await paid_after_all(user, stripe))
    refused: list[dict[str, str]] = [
        {},
        {"Stripe-Signature": "t=1,v1=00"},
        {"Stripe-Signature": "nonsense"},
        {"Stripe-Signature": "t=x,v1="},
        signed(body, age_seconds=301),
        signed(body, age_seconds=-310),
        signed(body, secret="whsec_of_others"),
        signed(body + b" "),
    ]
    for headers in refused:
        assert (await client.post(WEBHOOK, body, headers=headers, status=400)).code == "VALIDATION_ERROR"
    await client.post(WEBHOOK, b"\xff\xfe", headers=signed(body), status=400)
    assert await user.balance() == (10_000_000, 0)
    await client.post(WEBHOOK, body, headers=signed(body, age_seconds=290))
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_what_is_none_of_ours_is_taken_and_left(paid_site: Site) -> None:
    for body in (event("pi_of_somebody"), event("cus_1", "customer.created")):
        assert (await paid_site.client().post(WEBHOOK, body, headers=signed(body))).data["known"] is False
    large = b"x" * (limits.PAYMENT_EVENT_BYTES_MAX + 1)
    await paid_site.client().post(WEBHOOK, large, headers=signed(b"x"), status=413)
