"""Billing of `/v1`: balance, history and top-up in US dollars, which are the wallet's credits at the operator's rate."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from config import limits
from models.clock import timestamp
from models.usage import USAGE
from tests.api_client import Answer, ApiClient
from tests.buyers import NO_JSON, WRONG, Buyer, buyer, check_books, hit, keyed, statuses
from tests.factories import grant
from tests.site import Site

BALANCE, HISTORY, CREDIT = "/v1/billing/balance", "/v1/billing/history", "/v1/billing/balance/credit"
TOP_UP: dict[str, Any] = {"amount": 50.0, "currency": "USD", "paymentMethod": "card"}
CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 20}


async def customer(site: Site) -> Buyer:
    """A buyer who speaks the API of `/v1`."""
    registered = await site.register()
    client = site.client("ai_aggregator", token=registered["access_token"])
    return Buyer(site, registered["data"]["user"]["id"], client)


def _fields(answer: Answer) -> list[str]:
    return [failure["field"] for failure in answer.body["error"]["details"]["errors"]]


async def _complete(client: ApiClient, **fields: Any) -> None:
    await client.post("/v1/chat/completions", {**CHAT, **fields}, plain=True)


async def _history(client: ApiClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{HISTORY}?limit=100")).body["transactions"]
    return found


def _sum(transactions: list[dict[str, Any]]) -> Decimal:
    """Credits less debits, in dollars."""
    signs = {"CREDIT": 1, "DEBIT": -1}
    return sum((signs[each["type"]] * Decimal(repr(each["amount"])) for each in transactions), Decimal(0))


# --- balance and history ----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_balance_is_the_wallets_credits_rounded_down_to_cents(site: Site) -> None:
    user, other = await customer(site), await customer(site)
    await grant(site.services.ledger, user.id, 1_239_999)
    wallet = await site.services.database["wallets"].find_one({"_id": user.id})
    assert wallet is not None
    answer = (await user.client.get(BALANCE)).body
    assert answer == {
        "success": True,
        "message": "Balance retrieved successfully",
        "balance": {
            "id": user.id,
            "userId": user.id,
            "balance": "11.23",
            "currency": "USD",
            "creditLimit": None,
            "lastUpdated": timestamp(wallet["updated_at"]),
        },
    }
    assert (await other.client.get(BALANCE)).body["balance"]["balance"] == "10.00"


@pytest.mark.gen_test
async def test_the_history_adds_up_to_the_balance(site: Site) -> None:
    user = await customer(site)
    await asyncio.gather(*(_complete(user.client, max_tokens=tokens) for tokens in range(1, 8)))
    await user.client.post(CREDIT, TOP_UP)
    await user.client.post("/api/v1/points/exchange-from-credits", {"creditAmount": 2.5}, dialect="smart_ai_hub")
    shown, (credits, _) = await _history(user.client), await user.balance()
    assert _sum(shown) == Decimal(credits) / 10**6
    assert all(each["amount"] > 0 for each in shown)
    assert [each["type"] for each in shown] == ["DEBIT", "CREDIT", *["DEBIT"] * 7, "CREDIT"]
    assert (shown[1]["amount"], shown[1]["description"]) == (50, "Top-up purchase")
    text = (await user.client.get(BALANCE)).body["balance"]["balance"]
    assert Decimal(text) <= _sum(shown) < Decimal(text) + Decimal("0.01")


@pytest.mark.gen_test
async def test_a_debit_tells_which_model_of_which_provider_took_how_many_tokens(site: Site) -> None:
    user = await customer(site)
    await _complete(user.client)
    await _complete(user.client, model="claude-3", stream=False)
    rows = await site.services.database[USAGE].find({"user": user.id}, limit=10, sort=[("created_at", 1)])
    *debits, welcome = await _history(user.client)
    told = [[each[name] for name in ("model", "provider", "tokens", "amount")] for each in debits[::-1]]
    assert told == [
        [row["model"], row["provider"], row["prompt_tokens"] + row["completion_tokens"], row["charged"] / 10**6]
        for row in rows
    ]
    assert [(row[0], row[1]) for row in told] == [("gpt-4", "openai"), ("claude-3", "anthropic")]
    assert debits[0]["description"] == "Claude 3 Sonnet usage"
    assert (welcome["provider"], welcome["model"], welcome["tokens"]) == (None, None, None)


@pytest.mark.gen_test
async def test_a_history_is_read_page_by_page_and_narrowed_down(site: Site) -> None:
    user, other = await customer(site), await customer(site)
    for _ in range(4):
        await grant(site.services.ledger, user.id, 1_000_000)
    whole = await _history(user.client)
    read: list[dict[str, Any]] = []
    for offset, more in ((0, True), (2, True), (4, False)):
        answer = (await user.client.get(f"{HISTORY}?limit=2&offset={offset}")).body
        assert answer["pagination"] == {"total": 5, "limit": 2, "offset": offset, "hasMore": more}
        read += answer["transactions"]
    assert read == whole and len(whole) == 5
    assert [each["createdAt"] for each in whole] == sorted((each["createdAt"] for each in whole), reverse=True)
    assert (await user.client.get(HISTORY)).body["pagination"]["limit"] == 10
    assert len((await user.client.get(f"{HISTORY}?type=bonus")).body["transactions"]) == 1
    assert (await user.client.get(f"{HISTORY}?to=2020-01-01")).body["transactions"] == []
    assert len(await _history(other.client)) == 1
    refused = await user.client.get(f"{HISTORY}?limit=x&offset=-1&from=x&type=x", status=400)
    assert sorted(_fields(refused)) == ["from", "limit", "offset", "type"]


# --- top-up -----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_top_up_is_a_purchase_of_that_many_dollars_of_credits(site: Site) -> None:
    user = await customer(site)
    answer = (await user.client.post(CREDIT, TOP_UP)).body
    (payment,), entry = await user.payments(), (await user.entries("credit"))[-1]
    assert answer == {
        "success": True,
        "message": "Balance updated successfully",
        "balance": {
            "id": user.id,
            "userId": user.id,
            "balance": "60.00",
            "currency": "USD",
            "creditLimit": None,
            "lastUpdated": timestamp(payment["updated_at"]),
        },
        "payment": {"id": payment["_id"], "status": "succeeded", "transactionId": entry["_id"]},
    }
    assert (payment["status"], payment["cents"], payment["amount"]) == ("succeeded", 5_000, 50_000_000)
    assert (entry["kind"], entry["amount"], entry["metadata"]["payment"]) == ("purchase", 50_000_000, payment["_id"])
    assert (await user.types())["payment.completed"] == 1
    await check_books(site)


@pytest.mark.gen_test
async def test_one_key_tops_up_once_however_often_it_comes(site: Site) -> None:
    user = await customer(site)
    codes = await statuses(*(user.client.raw("POST", CREDIT, TOP_UP, keyed("k")) for _ in range(50)))
    assert set(codes) <= {200, 409} and codes[200] >= 1
    await grant(site.services.ledger, user.id, 1_000_000)
    again = await user.client.post(CREDIT, TOP_UP, headers=keyed("k"))
    (payment,) = await user.payments()
    assert hit(again) and again.body["balance"]["balance"] == "60.00"
    assert again.body["balance"]["lastUpdated"] == timestamp(payment["updated_at"])
    assert await user.balance() == (61_000_000, 0)
    refused = await user.client.post(CREDIT, {**TOP_UP, "amount": 51}, headers=keyed("k"), status=422)
    assert refused.code == "INVALID_REQUEST"
    assert await statuses(*(user.client.raw("POST", CREDIT, TOP_UP) for _ in range(8))) == {200: 8}
    assert await user.balance() == (461_000_000, 0)
    await check_books(site)


@pytest.mark.gen_test
async def test_what_is_no_amount_is_refused(site: Site) -> None:
    """Each number that is none, fractions of a cent, and what is too little or too much to be charged."""
    user = await customer(site)
    amounts = [text for text, _ in NO_JSON] + [*WRONG, "0.1", "0.99", "50.001", "1e-2", "10000.01", "1e9"]
    body = '{"amount":%s,"currency":"USD","paymentMethod":"card"}'
    wrong = []
    for amount in amounts:
        answer = await user.client.request("POST", CREDIT, (body % amount).encode(), status=400)
        named = answer.body["error"]["details"].get("field")
        if answer.code != "INVALID_REQUEST" or (named != "amount" and not amount.startswith("\uff11")):
            wrong.append((amount, answer.body))
    assert wrong == []
    assert await user.payments() == [] and await user.balance() == (10_000_000, 0)
    low, high = limits.TOP_UP_CENTS_MIN // 100, limits.TOP_UP_CENTS_MAX // 100
    for amount in (low, high, 1.01):
        await user.client.post(CREDIT, {**TOP_UP, "amount": amount})
    assert await user.balance() == (10_000_000 + (low + high) * 1_000_000 + 1_010_000, 0)


@pytest.mark.gen_test
async def test_what_does_not_agree_is_refused_by_its_field(site: Site) -> None:
    user = await customer(site)
    for change, fields in (
        ({"currency": "EUR"}, ["currency"]),
        ({"currency": "usd"}, ["currency"]),
        ({"currency": None, "amount": None}, ["currency", "amount"]),
        ({"paymentMethod": "pm_{}"}, ["paymentMethod"]),
        ({"paymentMethod": "iban"}, ["paymentMethod"]),
        ({"paymentMethod": "pm_fail_1"}, ["paymentMethod"]),
        ({"userId": "user_1", "credits": 10**6}, ["userId", "credits"]),
    ):
        refused = await user.client.post(CREDIT, {**TOP_UP, **change}, status=400)
        assert sorted(_fields(refused)) == sorted(fields), change
    refused = await user.client.post(CREDIT, {}, headers={"Idempotency-Key": ""}, status=400)
    assert sorted(_fields(refused)) == ["Idempotency-Key", "amount", "currency", "paymentMethod"]
    assert {payment["status"] for payment in await user.payments()} == {"failed"}
    assert await user.balance() == (10_000_000, 0)


@pytest.mark.gen_test
async def test_a_payment_made_before_tops_up_once_ever(site: Site) -> None:
    user, other = await customer(site), await customer(site)
    order = {**TOP_UP, "paymentMethod": "pi_123"}
    paid = await user.client.post(CREDIT, order, headers=keyed("k"))
    assert paid.body["balance"]["balance"] == "60.00"
    assert hit(await user.client.post(CREDIT, order, headers=keyed("k")))
    for who in (user, other):
        assert (await who.client.post(CREDIT, order, status=409)).code == "CONFLICT"
    assert (await user.balance(), await other.balance()) == ((60_000_000, 0), (10_000_000, 0))


# --- what a credit is worth -------------------------------------------------------------------------------------


@pytest.fixture
def cheap_site(serve: Callable[..., Site]) -> Site:
    """A hub whose credits are worth three cents."""
    settings = {"HUB_RATE_LIMITS": "off", "HUB_SANDBOX_TOKENS_PER_SECOND": "100000"}
    return serve(HUB_CREDIT_USD="0.03", HUB_SIGNUP_CREDITS="100.5", **settings)


@pytest.mark.gen_test
async def test_all_of_billing_goes_by_the_operators_rate(cheap_site: Site) -> None:
    site, user = cheap_site, await customer(cheap_site)
    assert (await user.client.get(BALANCE)).body["balance"]["balance"] == "3.01"
    topped = (await user.client.post(CREDIT, TOP_UP)).body
    assert topped["balance"]["balance"] == "53.01"
    assert await user.balance() == (100_500_000 + 1_666_666_667, 0)
    await _complete(user.client)
    shown, (credits, _) = await _history(user.client), await user.balance()
    assert _sum(shown) == Decimal(credits) * 3 / 10**8
    spent = (await user.client.get("/v1/analytics/dashboard")).body["dashboard"]["overview"]["totalCost"]
    assert spent == shown[0]["amount"] > 0
    wallet = (await buyer(site)).client  # the other APIs go on in credits
    assert (await wallet.get("/api/credits/balance")).data["balance"] == 100.5
