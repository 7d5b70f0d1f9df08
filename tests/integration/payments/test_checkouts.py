"""Checkouts of the AI Assistant, paid on the sandbox's own page: once, by a form of the page itself, and never sent on."""

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tornado.httpclient import HTTPResponse

from config import assistant, limits
from hub.credits import return_urls
from hub.payments.base import Charge
from hub.payments.purchases import Purchases
from hub.payments.sandbox import SandboxPayments
from models.clock import now
from models.payments import PAYMENTS
from tests.api_client import ApiClient
from tests.buyers import Buyer, check_books, hit, keyed, statuses
from tests.site import Site

PURCHASE = "/api/credits/purchase"
BACK = "https://your-app.com/credits/success?from=hub"
ORDER = {"package": "pro", "payment_method": "stripe", "return_url": BACK}
HOST = {"Host": "localhost:8000"}


async def customer(site: Site) -> Buyer:
    """Who speaks to the AI Assistant."""
    registered = await site.register()
    client = site.client("ai_assistant", token=registered["access_token"])
    return Buyer(site, registered["data"]["user"]["id"], client)


async def opened(user: Buyer, status: int = 200, key: str | None = None, **changes: Any) -> Any:
    headers = HOST if key is None else {**HOST, **keyed(key)}
    return await user.client.post(PURCHASE, {**ORDER, **changes}, status=status, headers=headers)


@dataclass(frozen=True)
class Page:
    """A checkout's page as a browser has it."""

    client: ApiClient
    path: str

    async def get(self, method: str = "GET") -> HTTPResponse:
        return await self.client.raw(method, self.path)

    async def post(self, action: str, method: str = "pm_card_visa", **headers: str) -> HTTPResponse:
        form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin", **headers}
        sent = {name: value for name, value in form.items() if value}
        return await self.client.raw("POST", self.path, urlencode({"action": action, "method": method}).encode(), sent)


def page(site: Site, answer: Any) -> Page:
    return Page(site.client(), urlsplit(answer.body["checkout_url"]).path)


def link_back(response: HTTPResponse) -> dict[str, list[str]]:
    (href,) = re.findall(r'href="(https://your-app\.com[^"]*)"', response.body.decode())
    return parse_qs(urlsplit(href.replace("&amp;", "&")).query)


@pytest.mark.gen_test
async def test_a_checkout_is_paid_once_on_its_page_and_leads_back_by_a_link(site: Site) -> None:
    user = await customer(site)
    answer = await opened(user)
    session = answer.body["session_id"]
    assert session.startswith("cs_test_") and answer.body["checkout_url"].endswith(f"/checkout/{session}")
    assert await user.balance() == (10_000_000, 0)
    shown = await page(site, answer).get()
    text = shown.body.decode()
    assert shown.code == 200 and "Pro package" in text and "1,000 credits for $50.00" in text and "pm_fail" in text
    assert "form-action 'self'" in shown.headers["Content-Security-Policy"] and "<script>" not in text
    assert (shown.headers["Referrer-Policy"], shown.headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert await statuses(*(page(site, answer).post("pay") for _ in range(20))) == {303: 20}
    assert (await page(site, answer).post("cancel")).headers["Location"] == page(site, answer).path
    assert await user.balance() == (1_010_000_000, 0)
    paid = await page(site, answer).get()
    assert "Paid" in paid.body.decode() and "<form" not in paid.body.decode()
    assert link_back(paid) == {"from": ["hub"], "session_id": [session], "status": ["succeeded"]}
    types = await user.types()
    assert types["credit.purchased"] == types["payment.completed"] == 1
    history = (await user.client.get("/api/credits/history?type=purchase", headers=HOST)).body["transactions"]
    assert [(row["amount"], row["cost_usd"], row["description"]) for row in history] == [
        (1_000, 50.0, "Pro package purchase")
    ]
    await check_books(site)


@pytest.mark.gen_test
async def test_a_declined_card_leaves_the_page_open_and_a_payer_may_turn_back(site: Site) -> None:
    user = await customer(site)
    answer = await opened(user)
    for method in ("pm_fail", "pm_{}", "", "iban"):
        declined = await page(site, answer).post("pay", method)
        assert declined.code == 402 and 'role="alert"' in declined.body.decode()
    assert (await page(site, answer).post("pay")).headers["Location"] == page(site, answer).path
    assert await user.balance() == (1_010_000_000, 0)
    other = await opened(user)
    assert (await page(site, other).post("cancel")).code == 303
    turned = await page(site, other).get()
    assert "Not paid" in turned.body.decode() and link_back(turned)["status"] == ["failed"]
    assert (await page(site, other).post("pay")).headers["Location"] == page(site, other).path
    assert await user.balance() == (1_010_000_000, 0) and (await user.types())["payment.failed"] == 0


@pytest.mark.gen_test
async def test_only_the_page_itself_can_send_its_form(site: Site) -> None:
    user = await customer(site)
    answer = await opened(user)
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ):
        assert (await page(site, answer).post("pay", **headers)).code == 403
    assert (await page(site, answer).post("buy")).code == 400
    assert (await page(site, answer).client.raw("POST", page(site, answer).path, {"action": "pay"})).code == 400
    assert (await page(site, answer).post("pay", "pm_" + "x" * 5_000)).code == 413
    assert await user.balance() == (10_000_000, 0)
    ours = {"Sec-Fetch-Site": "", "Origin": f"http://127.0.0.1:{site.port}"}
    assert (await page(site, answer).post("pay", **ours)).code == 303
    nobody = Page(site.client(), "/checkout/cs_test_nobody")
    assert [(await nobody.get()).code, (await nobody.get("HEAD")).code, (await nobody.post("pay")).code] == [404] * 3


@pytest.mark.gen_test
async def test_what_cannot_be_bought_or_returned_to_is_refused_by_name(site: Site) -> None:
    user = await customer(site)
    for change, field in (
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "https:\\\\evil.example"}, "return_url"),
        ({"return_url": "//your-app.com/"}, "return_url"),
        ({"return_url": "https://"}, "return_url"),
        ({"return_url": "https://a.b/\n"}, "return_url"),
        ({"return_url": "https://a.b:x/"}, "return_url"),
        ({"return_url": "https://a.b/" + "x" * assistant.RETURN_URL_CHARS_MAX}, "return_url"),
        ({"return_url": 7}, "return_url"),
        ({"package": "gold"}, "package"),
        ({"payment_method": "pm_1"}, "payment_method"),
        ({"amount": 5}, "amount"),
    ):
        refused = await opened(user, 400, **change)
        assert (refused.code, refused.body["error"]["details"]["field"]) == ("INVALID_INPUT", field), change
    script = await opened(user, return_url="https://a.b/?q=<script>alert('x')</script>")
    text = (await page(site, script).get()).body.decode()
    assert "<script>alert" not in text and "Go on to a.b" in text
    assert len(await user.payments()) == 1
    # without the cookie and the address it is Smart AI Hub's path
    hub = {"packageId": "pro", "paymentMethodId": "pm_1", "amount": 1000}
    assert (await user.client.post(PURCHASE, hub, dialect="smart_ai_hub")).data["status"] == "succeeded"


@pytest.mark.parametrize(
    ("own", "query"),
    [
        ("", "session_id=cs_1&status=failed"),
        ("?", "session_id=cs_1&status=failed"),
        ("?a=%ff;b&c[]=&d&&e=+", "a=%ff;b&c[]=&d&&e=+&session_id=cs_1&status=failed"),
        ("?status=paid&a=1&session_id=x&status", "a=1&session_id=cs_1&status=failed"),
    ],
)
def test_what_the_return_address_asks_stays_as_it_is(own: str, query: str) -> None:
    assert return_urls.link(f"https://a.b/c{own}#d", "cs_1", "failed") == f"https://a.b/c?{query}#d"


@pytest.mark.gen_test
async def test_one_key_opens_one_checkout(site: Site) -> None:
    user = await customer(site)
    first = await opened(user, key="k")
    again = await opened(user, key="k")
    assert hit(again) and again.body == first.body and len(await user.payments()) == 1
    await opened(user, 422, key="k", package="pkg_starter")
    await page(site, first).post("pay")
    assert (await opened(user, key="k")).body == first.body
    await page(site, await opened(user, key="other")).post("cancel")
    assert await user.balance() == (1_010_000_000, 0)


@pytest.mark.gen_test
async def test_a_checkout_that_nobody_pays_ends_after_a_day_in_silence(site: Site) -> None:
    user = await customer(site)
    answer = await opened(user)
    rows, purchases = site.services.database[PAYMENTS], site.services.purchases
    assert await purchases.sweep(now() + timedelta(hours=23)) == 1
    assert "<form" in (await page(site, answer).get()).body.decode()
    aged = now() - timedelta(seconds=assistant.CHECKOUT_SECONDS)
    await rows.update_one({"user": user.id}, {"$set": {"created_at": aged}})
    late = await page(site, answer).get()
    assert "<form" not in late.body.decode() and "Nothing was charged" in late.body.decode()
    assert (await page(site, answer).post("pay")).code == 303
    await rows.update_one({"user": user.id}, {"$set": {"status": "pending"}})  # as if nobody had opened the page
    assert await purchases.sweep(now() + timedelta(days=2)) == 1
    assert [row["status"] for row in await user.payments()] == ["failed"]
    types = await user.types()
    assert types["payment.failed"] == 0 and types["notification.created"] == 1  # the welcome
    assert await user.balance() == (10_000_000, 0)


class Gathering(SandboxPayments):
    """Answers once so many ask at the same time."""

    def __init__(self, askers: int) -> None:
        self._askers = asyncio.Barrier(askers)

    async def look_up(self, payment: str) -> Charge:
        await self._askers.wait()
        return await super().look_up(payment)


@pytest.mark.gen_test
async def test_one_payment_that_is_asked_about_keeps_no_others_waiting(site: Site) -> None:
    user = await customer(site)
    for _ in range(limits.PAYMENTS_SWEPT_AT_ONCE):
        await opened(user)
    company = Gathering(limits.PAYMENTS_SWEPT_AT_ONCE)
    purchases = Purchases(site.services.database, site.services.ledger, company)
    swept = await asyncio.wait_for(purchases.sweep(now() + timedelta(hours=1)), 10)
    assert swept == limits.PAYMENTS_SWEPT_AT_ONCE


@pytest.mark.gen_test
async def test_what_was_interrupted_before_the_buyer_had_the_address_frees_its_key(site: Site) -> None:
    user = await customer(site)
    await opened(user, key="k")
    database, mine = site.services.database, {"_id": f"{user.id}:k"}
    await database["idempotency"].update_one(mine, {"$set": {"status": "running"}})
    await database[PAYMENTS].update_one({"user": user.id}, {"$unset": {"payment": ""}, "$set": {"key": mine["_id"]}})
    await opened(user, 409, key="k")
    assert await site.services.purchases.sweep(now() + timedelta(seconds=assistant.CHECKOUT_PENDING_SECONDS + 1)) == 1
    assert not hit(await opened(user, key="k"))
    assert (await user.types())["payment.failed"] == 0


@pytest.mark.gen_test
async def test_so_many_checkouts_are_open_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "CHECKOUTS_OPEN_MAX", 2)
    user, other = await customer(site), await customer(site)
    first, second, _, _ = [await opened(who) for who in (user, user, other, user)]
    ended = (await page(site, first).get()).body.decode()
    assert "Not paid" in ended and "<form" not in ended
    assert "<form" in (await page(site, second).get()).body.decode()
    assert [row["status"] for row in await user.payments()] == ["failed", "pending", "pending"]
    twins = (user.client.raw("POST", PURCHASE, ORDER, HOST) for _ in range(8))
    assert (await statuses(*twins)).keys() <= {200, 429}
    assert [row["status"] for row in await user.payments()].count("pending") == 2
    assert [row["status"] for row in await other.payments()] == ["pending"]
    assert (await user.types())["payment.failed"] == 0


@pytest.mark.gen_test
async def test_in_production_without_a_key_there_is_no_checkout(unpaid_site: Site) -> None:
    user = await customer(unpaid_site)
    assert (await opened(user, 503)).code == "SERVICE_UNAVAILABLE"
    assert await user.payments() == []


@pytest.mark.gen_test
async def test_while_the_company_is_away_nothing_is_opened(away_site: Site) -> None:
    user = await customer(away_site)
    for _ in range(2):
        assert (await opened(user, 503, key="k")).code == "SERVICE_UNAVAILABLE"
    assert [row["status"] for row in await user.payments()] == ["failed", "failed"]


@pytest.mark.gen_test
async def test_everybody_sees_what_can_be_bought(site: Site) -> None:
    client = site.client("ai_assistant")
    packages = (await client.get("/api/credits/packages")).body["packages"]
    assert [(package["id"], package["credits"], package["price_usd"]) for package in packages] == [
        ("pkg_starter", 1_000, 55.0),
        ("pro", 1_000, 50.0),
    ]
