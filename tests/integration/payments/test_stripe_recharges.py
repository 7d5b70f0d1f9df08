"""Auto-recharge by Stripe: a card that is kept with the user's customer and charged while its owner is away, once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from config import assistant
from hub.services import Services
from models.auto_recharges import AUTO_RECHARGES
from models.clock import now
from models.payments import PAYMENTS
from tests.api_client import ApiClient
from tests.buyers import Buyer
from tests.integration.payments.parts import LATER
from tests.integration.payments.test_checkouts import HOST, customer
from tests.integration.payments.test_recharges import RULE, WANTED, fails, put, rule, shown, titles
from tests.patience import until
from tests.running_hub import RunningHub
from tests.site import Site
from tests.stand_ins.stripe_server import LocalStripe, StripeLine

ABOVE = {"threshold": 20, "payment_method": "pm_card_visa"}  # what a new user has is below it


@pytest.fixture(autouse=True)
def _looks_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "RECHARGE_POLL_SECONDS", 0.05)


async def _counted(services: Services, count: int) -> bool:
    found = await services.database[AUTO_RECHARGES].find_one({"count": count})
    return found is not None and "due_at" not in found


@pytest.mark.gen_test
async def test_a_card_is_kept_with_its_customer_and_charged_for_who_is_away(
    paid_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await customer(paid_site)
    kept = (await put(user, **ABOVE))["payment_method"]
    await until(lambda: _counted(paid_site.services, 1))
    (charge,), (payment,) = await stripe.charges(), await user.payments()
    intent = await stripe.ask("GET", f"/v1/payment_intents/{payment['payment']}")
    mine = (await rule(user))["customer"]
    assert (intent["customer"], charge["payment_intent"], payment["method"]) == (mine, payment["payment"], kept)
    assert (await stripe.ask("GET", f"/v1/payment_methods/{kept}"))["customer"] == mine
    customers = line.asked.count(("POST", "/v1/customers"))
    await put(user, threshold=30, payment_method=kept)
    other = await customer(paid_site)
    for method in (kept, "pm_nobodys"):
        refused = await put(other, 400, threshold=20, payment_method=method)
        assert refused["error"]["details"]["field"] == "payment_method"
    assert customers == 1 and await rule(other) is None
    assert (await user.balance(), len(await stripe.charges())) == ((1_010_000_000, 0), 1)


@pytest.mark.gen_test
async def test_a_card_whose_owner_would_have_to_agree_is_declined_and_said_so(
    paid_site: Site, stripe: LocalStripe
) -> None:
    user = await customer(paid_site)
    await put(user, threshold=20, payment_method=await stripe.card_that_asks())
    await fails(user, 1)
    assert "requires authentication" in (await shown(user))["last_failure"]
    assert (await titles(user))[0] == "Auto-recharge failed" and "Payment failed" not in await titles(user)
    assert await stripe.charges() == [] and await user.balance() == (10_000_000, 0)
    await put(user, threshold=20, payment_method="pm_card_chargeCustomerFail")
    await fails(user, 1)
    assert await user.balance() == (10_000_000, 0)


async def _waits(user: Buyer, tries: int = 1) -> None:
    """For the payments company, which could not be asked so often."""

    async def waits() -> bool:
        found = await rule(user)
        return found.get("attempt", {}).get("tries") == tries and "claim" not in found

    await until(waits)


@pytest.mark.gen_test
async def test_a_charge_whose_answer_was_lost_is_found_and_not_made_again(
    hasty_site: Site, stripe: LocalStripe, line: StripeLine
) -> None:
    user = await customer(hasty_site)
    line.cut("/confirm")
    await put(user, **ABOVE)
    await _waits(user)
    line.mend()
    assert len(await stripe.charges()) == 1 and await user.balance() == (10_000_000, 0)
    await _due(hasty_site.services)
    await until(lambda: _counted(hasty_site.services, 1))
    assert await user.balance() == (1_010_000_000, 0) and len(await stripe.charges()) == 1


@pytest.mark.gen_test
async def test_while_stripe_is_away_nothing_is_declined(
    hasty_site: Site, line: StripeLine, stripe: LocalStripe
) -> None:
    user = await customer(hasty_site)
    line.cut("POST /v1/payment_intents")
    await put(user, **ABOVE)
    await _waits(user)
    await _due(hasty_site.services)
    await _waits(user, 2)
    assert (await rule(user))["due_at"] - now() > timedelta(seconds=assistant.RECHARGE_RETRY_SECONDS)
    line.mend()
    seen = await shown(user)
    assert (seen["enabled"], seen["last_failure"], seen["next_attempt_at"]) == (True, None, None)
    assert len(await titles(user)) == 1 and (await user.types())["payment.failed"] == 0  # the welcome
    await _due(hasty_site.services)
    await until(lambda: _counted(hasty_site.services, 1))
    assert len(await stripe.charges()) == 1


@pytest.mark.gen_test
async def test_a_decline_whose_answer_was_lost_counts_and_is_not_asked_for_again(
    hasty_site: Site, line: StripeLine
) -> None:
    user = await customer(hasty_site)
    line.cut("/confirm")
    await put(user, threshold=20, payment_method="pm_card_chargeCustomerFail")
    await _waits(user)
    line.mend()
    assert await hasty_site.services.purchases.sweep(now() + LATER) == 1
    await _due(hasty_site.services)
    await fails(user, 1)
    confirmed = [path for _, path in line.asked if path.endswith("/confirm")]
    assert len(confirmed) == 1 and (await titles(user))[0] == "Auto-recharge failed"


@pytest.mark.gen_test
async def test_what_was_prepared_and_never_charged_is_bought_anew(
    hasty_site: Site, line: StripeLine, stripe: LocalStripe
) -> None:
    user = await customer(hasty_site)
    line.cut("/confirm")
    await put(user, **ABOVE)
    await _waits(user)
    line.mend()
    (payment,) = await user.payments()
    unconfirmed = (await stripe.intent(confirm="false"))["id"]  # as if the hub had died before it asked for the charge
    rows = hasty_site.services.database[PAYMENTS]
    await rows.update_one({"_id": payment["_id"]}, {"$set": {"payment": unconfirmed}})
    assert await hasty_site.services.purchases.sweep(now() + LATER) == 1
    await _due(hasty_site.services)
    await until(lambda: _counted(hasty_site.services, 1))
    assert [row["status"] for row in await user.payments()] == ["failed", "succeeded"]
    assert (await user.types())["payment.failed"] == 0 and (await rule(user))["failures"] == 0


async def _due(services: Services) -> None:
    changed = await services.database[AUTO_RECHARGES].update_one(
        {"attempt": {"$exists": True}}, {"$set": {"due_at": now()}}
    )
    assert changed


def test_a_hub_killed_between_the_charge_and_its_credit_charges_once(
    io_loop: Any, stripe: LocalStripe, line: StripeLine, stripe_environ: dict[str, str], start_hub: Any, open_hub: Any
) -> None:
    hub: RunningHub = start_hub(**stripe_environ)

    async def recharged_until_killed() -> None:
        line.cut("/confirm")
        client = ApiClient(hub.port, "ai_assistant", token=await asyncio.to_thread(hub.register))
        await client.request("PUT", RULE, {**WANTED, **ABOVE}, status=200, headers=HOST)
        await asyncio.wait_for(line.was_cut.wait(), 20)
        hub.kill()
        line.mend()

    async def taken_up(services: Services) -> None:
        assert len(await stripe.charges()) == 1
        await asyncio.gather(services.purchases.sweep(now() + LATER), _due(services))
        await until(lambda: _counted(services, 1))
        (payment,) = await services.database[PAYMENTS].find({}, limit=10)
        charges = [charge["payment_intent"] for charge in await stripe.charges()]
        assert (payment["status"], charges) == ("succeeded", [payment["payment"]])
        assert (await services.ledger.wallet(payment["user"])).credits == 1_010_000_000

    io_loop.run_sync(recharged_until_killed, timeout=40)
    services = open_hub(HUB_MONGODB_DATABASE=hub.database, **stripe_environ)
    io_loop.run_sync(lambda: taken_up(services), timeout=30)
    assert hub.command("audit").returncode == 0
