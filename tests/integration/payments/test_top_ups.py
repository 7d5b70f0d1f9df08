"""Top-ups of `/v1` paid by Stripe: a card whose owner has to agree, one that is declined, and a company that is away."""

from typing import Any

import pytest

from tests.api_client import Answer
from tests.buyers import Buyer, hit, keyed
from tests.integration.payments.parts import owner_says
from tests.site import Site
from tests.stand_ins.stripe_server import LocalStripe

CREDIT = "/v1/billing/balance/credit"


async def _customer(site: Site) -> Buyer:
    registered = await site.register()
    client = site.client("ai_aggregator", token=registered["access_token"])
    return Buyer(site, registered["data"]["user"]["id"], client)


def _order(method: str) -> dict[str, Any]:
    return {"amount": 50, "currency": "USD", "paymentMethod": method}


def _fields(answer: Answer) -> list[str]:
    return [failure["field"] for failure in answer.body["error"]["details"]["errors"]]


@pytest.mark.gen_test
async def test_a_top_up_waits_for_its_payers_word_and_then_counts_once(paid_site: Site, stripe: LocalStripe) -> None:
    user, key = await _customer(paid_site), keyed("k")
    order = _order(await stripe.card_that_asks())
    waiting = (await user.client.post(CREDIT, order, headers=key)).body
    assert waiting["message"] == "The payment needs its payer's confirmation"
    assert waiting["balance"]["balance"] == "10.00"
    (payment,) = await user.payments()
    shown = waiting["payment"]
    assert (shown["id"], shown["status"]) == (payment["_id"], "requires_action")
    assert shown["clientSecret"].startswith(payment["payment"])
    await owner_says(stripe, payment["payment"], shown["clientSecret"], "true")
    for _ in range(2):
        paid = await user.client.post(CREDIT, order, headers=key)
        assert hit(paid) and paid.body["balance"]["balance"] == "60.00"
        assert paid.body["payment"]["status"] == "succeeded"
    assert await user.balance() == (60_000_000, 0) and len(await stripe.charges()) == 1


@pytest.mark.gen_test
async def test_a_payer_who_declines_is_told_by_the_field_of_this_api(paid_site: Site, stripe: LocalStripe) -> None:
    user, key = await _customer(paid_site), keyed("k")
    order = _order(await stripe.card_that_asks())
    shown = (await user.client.post(CREDIT, order, headers=key)).body["payment"]
    (payment,) = await user.payments()
    await owner_says(stripe, payment["payment"], shown["clientSecret"], "false")
    refused = await user.client.post(CREDIT, order, headers=key, status=400)
    assert _fields(refused) == ["paymentMethod"]
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_while_the_company_is_away_nothing_is_charged(away_site: Site) -> None:
    user = await _customer(away_site)
    assert (await user.client.post(CREDIT, _order("pm_1"), status=503)).code == "SERVICE_UNAVAILABLE"
    assert [payment["status"] for payment in await user.payments()] == ["failed"]
    assert await user.balance() == (10_000_000, 0)
