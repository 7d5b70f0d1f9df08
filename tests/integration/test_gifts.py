"""Gifts: both wallets or none, never more than there is or a day allows, from whoever may give to whoever can receive."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from config import assistant
from hub.api_keys import NewKey
from hub.credits.gifts import Gift, Gifts
from hub.errors import Code, HubError
from hub.services import Services
from models.clock import now
from tests.buyers import Buyer, check_books, hit, keyed, statuses
from tests.factories import grant
from tests.site import Site, serve, site

__all__ = ["serve", "site"]

GIFT = "/api/credits/gift"
HOST = {"Host": "localhost:8000"}


async def person(site: Site, credits: int = 0, verified: bool = True) -> tuple[Buyer, str]:
    """With their address, the ten welcome credits and some more."""
    registered = await site.register()
    user = str(registered["data"]["user"]["id"])
    await site.services.identities.change_user(user, {"email_verified": verified})
    if credits:
        await grant(site.services.ledger, user, credits * 1_000_000)
    client = site.client("ai_assistant", token=registered["access_token"])
    return Buyer(site, user, client), str(registered["user"]["email"])


async def give(user: Buyer, email: str, amount: Any = 100, status: int = 200, **fields: Any) -> Any:
    body = {"recipient_email": email, "amount": amount, **fields}
    return await user.client.post(GIFT, body, status=status, headers=HOST)


async def history(user: Buyer) -> list[tuple[str, float, str]]:
    rows = (await user.client.get("/api/credits/history", headers=HOST)).body["transactions"]
    return [(row["type"], row["amount"], row["description"]) for row in rows]


@pytest.mark.gen_test
async def test_a_gift_is_in_both_histories_and_told_to_who_receives_it(site: Site) -> None:
    (ada, ada_email), (bob, bob_email) = await person(site, 200), await person(site)
    sent = (await give(ada, bob_email.upper(), message=" Happy <b>birthday</b>!\r\n\tAda ")).body
    assert sent["gift_id"].startswith("gift_") and sent["status"] == "sent"
    assert (sent["recipient"], sent["amount"], sent["balance"]) == (bob_email, 100, 110)
    assert (await history(ada))[0] == ("gift", -100, f"Gift to {bob_email}")
    assert (await history(bob))[0] == ("gift", 100, f"Gift from {ada_email}")
    entries = [(await who.entries("credit"))[-1] for who in (ada, bob)]
    assert [(entry["operation"], entry["leg"]) for entry in entries] == [(sent["gift_id"], 0), (sent["gift_id"], 1)]
    assert ((await ada.types())["gift.sent"], (await bob.types())["gift.received"]) == (1, 1)
    (note,), _ = await site.services.notifications.page(bob.id, 1, None)
    assert note["title"] == "A gift of 100 credits" and "email" in note["untold"]
    assert note["message"] == f"{ada_email} gave you 100 credits: \u201cHappy <b>birthday</b>!\n\tAda\u201d"
    assert sum(row[1] for row in await history(bob)) == 110
    await check_books(site)


@pytest.mark.gen_test
async def test_what_cannot_be_given_is_refused(site: Site) -> None:
    (ada, ada_email), (bob, bob_email) = await person(site, 200), await person(site)
    (gone, gone_email), (other, _) = await person(site), await person(site, 100, verified=False)
    await site.services.identities.change_user(gone.id, {"status": "suspended"})
    for body, status, code, field in (
        ({"email": ada_email.upper()}, 400, "INVALID_INPUT", "recipient_email"),
        ({"email": "nobody"}, 400, "INVALID_INPUT", "recipient_email"),
        ({"email": "nobody@example.com"}, 404, "RESOURCE_NOT_FOUND", None),
        ({"email": gone_email}, 404, "RESOURCE_NOT_FOUND", None),
        ({"amount": 201}, 402, "INSUFFICIENT_CREDITS", None),
        ({"amount": 0}, 400, "INVALID_INPUT", "amount"),
        ({"amount": 0.999999}, 400, "INVALID_INPUT", "amount"),
        ({"amount": -5}, 400, "INVALID_INPUT", "amount"),
        ({"amount": "5"}, 400, "INVALID_INPUT", "amount"),
        ({"amount": 0.0000001}, 400, "INVALID_INPUT", "amount"),
        ({"amount": 1_000.000001}, 400, "INVALID_INPUT", "amount"),
        ({"message": "x" * 501}, 400, "INVALID_INPUT", "message"),
        ({"message": "\u202egnp"}, 400, "INVALID_INPUT", "message"),
        ({"message": "\x1b[0m"}, 400, "INVALID_INPUT", "message"),
        ({"from": "me"}, 400, "INVALID_INPUT", "from"),
    ):
        refused = await give(ada, **{"email": bob_email, **body}, status=status)
        assert refused.code == code and refused.body["error"].get("details", {}).get("field") == field, body
    assert (await give(other, bob_email, 5, status=403)).code == "FORBIDDEN"
    await site.client("ai_assistant").post(GIFT, {}, status=401, headers=HOST)
    assert [await who.balance() for who in (ada, bob)] == [(210_000_000, 0), (10_000_000, 0)]


@pytest.mark.gen_test
async def test_welcome_credits_are_given_only_after_a_purchase(site: Site) -> None:
    (ada, _), (_, bob_email) = await person(site), await person(site)
    assert "welcome credits" in (await give(ada, bob_email, 1, status=402)).body["error"]["message"]
    (eve, eve_email), (unconfirmed, _) = await person(site, 3), await person(site, verified=False)
    await give(eve, bob_email, 3)
    await give(eve, bob_email, 1, status=402)
    buys = {"packageId": "pro", "paymentMethodId": "pm_1", "amount": 1000}
    await unconfirmed.client.post("/api/credits/purchase", buys, dialect="smart_ai_hub")
    await give(unconfirmed, eve_email, 1_000)
    assert await unconfirmed.balance() == (10_000_000, 0)
    await check_books(site)


@pytest.mark.gen_test
async def test_what_is_held_is_not_given(site: Site) -> None:
    (ada, _), (_, bob_email) = await person(site, 100), await person(site)
    hold = {"_id": "hold_1", "wallet": ada.id, "amount": 60_000_000}
    wallets = site.services.database["wallets"]
    change = {"$set": {"credits_held": 60_000_000}, "$inc": {"version": 1}}
    await site.services.database["holds"].insert_one(hold)
    await wallets.update_one({"_id": ada.id}, change)
    await give(ada, bob_email, 41, status=402)
    await give(ada, bob_email, 40)


@pytest.mark.gen_test
async def test_gifts_at_once_give_no_more_than_a_day_allows(site: Site) -> None:
    (ada, _), (_, bob_email) = await person(site, 5_000), await person(site)
    body = {"recipient_email": bob_email, "amount": 300}
    found = await statuses(*(ada.client.raw("POST", GIFT, body, HOST) for _ in range(12)))
    assert found == {200: 3, 429: 9}
    refused = await give(ada, bob_email, 300, status=429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 86_400
    await give(ada, bob_email, 100)
    assert await ada.balance() == (4_010_000_000, 0)
    tomorrow = Gifts(site.services.ledger, lambda: now() + timedelta(days=1))
    await tomorrow.give(Gift(ada.id, bob_email, 1_000_000_000, ""))
    await check_books(site)


@pytest.mark.gen_test
async def test_a_day_has_a_largest_number_of_gifts_and_ends_at_midnight_utc(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "GIFTS_PER_DAY_MAX", 2)
    (ada, _), (_, bob_email) = await person(site, 100), await person(site)
    moment = datetime(2026, 5, 1, 23, 59, 59, tzinfo=UTC)
    gifts = Gifts(site.services.ledger, lambda: moment)
    for _ in range(2):
        await gifts.give(Gift(ada.id, bob_email, 1, ""))
    with pytest.raises(HubError) as refused:
        await gifts.give(Gift(ada.id, bob_email, 1, ""))
    assert (refused.value.code, refused.value.retry_after_seconds) == (Code.RATE_LIMITED, 1.0)
    moment += timedelta(seconds=1)
    await gifts.give(Gift(ada.id, bob_email, 1, ""))


@pytest.mark.gen_test
async def test_one_key_gives_once_however_often_it_comes(site: Site) -> None:
    (ada, _), (bob, bob_email) = await person(site, 500), await person(site)
    body, key = {"recipient_email": bob_email, "amount": 100}, {**HOST, **keyed("k")}
    found = await statuses(*(ada.client.raw("POST", GIFT, body, key) for _ in range(20)))
    assert set(found) <= {200, 409} and found[200] >= 1
    again = await ada.client.post(GIFT, body, headers=key)
    assert hit(again) and again.body["balance"] == 410
    await ada.client.post(GIFT, {**body, "amount": 50}, status=422, headers=key)
    assert await bob.balance() == (110_000_000, 0)


@pytest.fixture
def other(site: Site, open_hub: Callable[..., Services]) -> Services:
    """A second node on the same database."""
    return open_hub(HUB_RATE_LIMITS="off")


@pytest.mark.gen_test
async def test_two_who_give_each_other_on_two_nodes_wait_for_nobody(
    site: Site, other: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistant, "GIFTS_PER_DAY_MAX", 1_000)
    (ada, ada_email), (bob, bob_email) = await person(site, 400), await person(site, 400)
    nodes = (site.services, other)

    async def gives(services: Services, giver: Buyer, email: str) -> int:
        """How many of ten were given: a node may say that others change the same."""
        given = 0
        while given < 10:
            try:
                await services.credits.gifts.give(Gift(giver.id, email, 1_000_000, ""))
                given += 1
            except HubError as error:
                assert error.code is Code.UNAVAILABLE
        return given

    async with asyncio.timeout(60):
        pairs = [
            (services, *who) for services in nodes for who in ((ada, bob_email), (bob, ada_email)) for _ in range(2)
        ]
        assert await asyncio.gather(*(gives(*pair) for pair in pairs)) == [10] * 8
    assert [await who.balance() for who in (ada, bob)] == [(410_000_000, 0)] * 2
    assert len([row for row in await ada.entries("credit") if row["kind"] == "gift"]) == 80
    await check_books(site)


@pytest.mark.gen_test
async def test_a_key_with_a_limit_of_its_own_gives_nothing_beside_it(site: Site) -> None:
    (ada, _), (_, bob_email) = await person(site, 100), await person(site)
    for limits, status in (({}, 200), ({"credit_micro": 5_000_000, "period": "total"}, 403)):
        _, key = await site.services.api_keys.create(ada.id, NewKey("sk_live_", "A key", limits=limits))
        by_key = Buyer(site, ada.id, site.client("ai_assistant", token=key))
        await give(by_key, bob_email, 1, status=status)
