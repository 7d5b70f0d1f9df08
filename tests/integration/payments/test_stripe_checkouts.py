"""Checkouts that are paid at Stripe: credited once, whether its webhook, the payer or the sweep tells of it first."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from config import assistant
from models.clock import now
from tests.buyers import buyer, check_books, statuses
from tests.integration.payments.parts import POINTS, PURCHASE, WEBHOOK, event, points, signed
from tests.integration.payments.test_checkouts import Page, customer, opened
from tests.site import Site
from tests.stand_ins.stripe_server import LocalStripe, StripeLine

BOUGHT = (1_010_000_000, 0)
LATER = timedelta(seconds=assistant.CHECKOUT_PENDING_SECONDS + 1)


def our_page(site: Site, line: StripeLine, session: str) -> Page:
    """Where Stripe leads the payer back to."""
    shown = line.checkout.sessions[session]
    assert shown["success_url"] == shown["cancel_url"]
    return Page(site.client(), "/checkout/" + shown["success_url"].rpartition("/")[2])


def told(session: str, name: str = "completed", **fields: Any) -> bytes:
    return event(session, f"checkout.session.{name}", object="checkout.session", **fields)


@pytest.mark.gen_test
async def test_whoever_tells_first_a_paid_session_is_credited_once(
    paid_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await customer(paid_site)
    answer = (await opened(user, key="k")).body
    session = answer["session_id"]
    shown = line.checkout.sessions[session]
    assert answer["checkout_url"] == shown["url"] and (shown["mode"], shown["amount_total"]) == ("payment", 5_000)
    (row,) = await user.payments()
    assert (shown["client_reference_id"], shown["metadata"]["payment_id"]) == (user.id, row["_id"])
    page = our_page(paid_site, line, session)
    waiting = (await page.get()).body.decode()
    assert "Not paid yet" in waiting and shown["url"] in waiting and "<form" not in waiting
    assert (await page.post("pay")).headers["Location"] == page.path
    intent = await line.checkout.pays(session)
    body = told(session)
    sweeps = asyncio.gather(*(paid_site.services.purchases.sweep(now() + LATER) for _ in range(4)))
    webhooks = statuses(*(paid_site.client().raw("POST", WEBHOOK, body, signed(body)) for _ in range(8)))
    returns = asyncio.gather(*(page.get() for _ in range(8)))
    assert (await asyncio.gather(sweeps, webhooks, returns))[1] == {200: 8}
    assert await user.balance() == BOUGHT and (await user.types())["payment.completed"] == 1
    assert "Paid" in (await page.get()).body.decode() and len(await stripe.charges()) == 1
    (row,) = await user.payments()
    assert (row["status"], row["payment"], row["intent"]) == ("succeeded", session, intent)
    await check_books(paid_site)


@pytest.mark.gen_test
async def test_each_teller_alone_is_enough(paid_site: Site, line: StripeLine) -> None:
    for teller in ("webhook", "return", "sweep"):
        user = await customer(paid_site)
        session = (await opened(user)).body["session_id"]
        await line.checkout.pays(session)
        if teller == "webhook":
            body = told(session)
            assert (await paid_site.client().post(WEBHOOK, body, headers=signed(body))).data["known"] is True
        elif teller == "return":
            assert "Paid" in (await our_page(paid_site, line, session).get()).body.decode()
        else:
            assert await paid_site.services.purchases.sweep(now() + LATER) == 1
        assert await user.balance() == BOUGHT, teller


@pytest.mark.gen_test
async def test_a_webhook_is_believed_only_as_far_as_stripe_says_the_same(paid_site: Site, line: StripeLine) -> None:
    user = await customer(paid_site)
    session = (await opened(user)).body["session_id"]
    for name in ("completed", "async_payment_succeeded"):
        body = told(session, name, payment_status="paid", status="complete")
        await paid_site.client().post(WEBHOOK, body, headers=signed(body))
    assert await user.balance() == (10_000_000, 0)
    await line.checkout.answer("POST", f"/v1/checkout/sessions/{session}/expire", "", "", None)
    body = told(session, "expired")
    await paid_site.client().post(WEBHOOK, body, headers=signed(body))
    assert [row["status"] for row in await user.payments()] == ["failed"]
    assert (await user.types())["payment.failed"] == 0
    stranger = told("cs_test_of_somebody")
    assert (await paid_site.client().post(WEBHOOK, stranger, headers=signed(stranger))).data["known"] is False


@pytest.mark.gen_test
async def test_a_payment_that_takes_days_is_credited_or_fails_at_its_end(
    paid_site: Site, line: StripeLine, stripe: LocalStripe
) -> None:
    for ending in ("async_payment_succeeded", "async_payment_failed"):
        user = await customer(paid_site)
        session = (await opened(user)).body["session_id"]
        intent = await line.checkout.pays_later(session)
        body = told(session)
        await paid_site.client().post(WEBHOOK, body, headers=signed(body))
        assert [row["status"] for row in await user.payments()] == ["pending"]
        assert await paid_site.services.purchases.sweep(now() + timedelta(days=2)) == 1
        assert [row["status"] for row in await user.payments()] == ["pending"]
        if ending.endswith("failed"):
            await stripe.ask("POST", f"/v1/payment_intents/{intent}/cancel")
        else:
            line.checkout.sessions[session]["payment_status"] = "paid"
        body = told(session, ending)
        await paid_site.client().post(WEBHOOK, body, headers=signed(body))
        failed = (await user.types())["payment.failed"]
        assert (await user.balance(), failed) == (((10_000_000, 0), 1) if ending.endswith("failed") else (BOUGHT, 0))


@pytest.mark.gen_test
async def test_an_open_session_is_ended_after_a_day(paid_site: Site, line: StripeLine) -> None:
    user = await customer(paid_site)
    session = (await opened(user)).body["session_id"]
    assert await paid_site.services.purchases.sweep(now() + timedelta(hours=25)) == 1
    assert line.checkout.sessions[session]["status"] == "expired"
    assert [row["status"] for row in await user.payments()] == ["failed"]
    page = await our_page(paid_site, line, session).get()
    assert "Not paid" in page.body.decode() and "checkout.stripe.com" not in page.body.decode()


@pytest.mark.gen_test
async def test_one_more_than_may_be_open_ends_the_oldest_whose_page_can_be_closed(
    paid_site: Site, line: StripeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "CHECKOUTS_OPEN_MAX", 2)
    user = await customer(paid_site)
    slow, left, new = [(await opened(user)).body["session_id"] for _ in range(2)] + [""]
    await line.checkout.pays_later(slow)
    new = (await opened(user)).body["session_id"]
    assert [line.checkout.sessions[name]["status"] for name in (slow, left, new)] == ["complete", "expired", "open"]
    assert [row["status"] for row in await user.payments()] == ["pending", "failed", "pending"]
    await line.checkout.pays_later(new)
    assert "none of them can be ended" in (await opened(user, 429)).body["error"]["message"]
    line.checkout.sessions[new]["payment_status"] = "paid"
    await opened(user)
    assert await user.balance() == BOUGHT and (await user.types())["payment.failed"] == 0


@pytest.mark.gen_test
async def test_a_page_that_is_loaded_again_and_again_asks_stripe_a_few_times(
    paid_site: Site, line: StripeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "CHECKOUT_LOOKS_MAX", 3)
    user = await customer(paid_site)
    session = (await opened(user)).body["session_id"]
    for _ in range(6):
        assert (await our_page(paid_site, line, session).get()).code == 200
    assert line.asked.count(("GET", f"/v1/checkout/sessions/{session}")) == 3


@pytest.mark.gen_test
async def test_the_payment_of_a_checkout_cannot_be_brought_again(paid_site: Site, line: StripeLine) -> None:
    user, hub = await customer(paid_site), await buyer(paid_site)
    session = (await opened(user)).body["session_id"]
    intent = await line.checkout.pays(session)
    for who in (user, hub):
        body = {"packageId": "pro", "paymentMethodId": intent, "amount": 1000}
        await who.client.post(PURCHASE, body, status=422, dialect="smart_ai_hub")
        await who.client.post(POINTS, points(intent), status=422, dialect="smart_ai_hub")
    assert await paid_site.services.purchases.sweep(now() + LATER) == 1
    assert (await user.balance(), await hub.balance()) == (BOUGHT, (10_000_000, 0))
    refund = event("", "charge.refunded", object="charge", id="ch_1", payment_intent=intent)
    line.told[intent] = {"latest_charge": {"object": "charge", "amount_refunded": 5_000}}
    assert (await paid_site.client().post(WEBHOOK, refund, headers=signed(refund))).data["known"] is True
    assert await user.balance() == BOUGHT


@pytest.mark.gen_test
async def test_a_session_whose_answer_was_lost_is_known_to_nobody(hasty_site: Site, line: StripeLine) -> None:
    user = await customer(hasty_site)
    line.cut("/v1/checkout/sessions")
    await opened(user, 503, key="k")
    line.mend()
    answer = (await opened(user, key="k")).body
    assert len(line.checkout.sessions) == 2
    await line.checkout.pays(answer["session_id"])
    assert await hasty_site.services.purchases.sweep(now() + LATER) == 1
    assert await user.balance() == BOUGHT
    page = our_page(hasty_site, line, answer["session_id"])
    assert (await page.get()).code == 200
