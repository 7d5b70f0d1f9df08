"""The owner of a wallet recomputes its chain from nothing but the API's answers, by the recipe of docs/architecture.md."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.buyers import Buyer, buyer, check_books, keyed
from tests.factories import grant_points
from tests.site import Site, serve, site

__all__ = ["serve", "site"]

GENESIS = "0" * 64
HISTORIES = ("/api/credits/history", "/api/v1/points/history")
# What JSON writers do not agree on: 3e-05 or 0.00003, 1e+16 or 10000000000000000, 1.0 or 1, and names beyond U+FFFF.
METADATA: dict[str, Any] = {
    "b": {"z": [0.00003, 1e16, 1.0, -0.0, 1e-7, 5e-324], "a": None, "\uffff": True, "\U0001f600": 7},
    "exact": 2**53 - 1,
    "beyond": [2**53, -(2**62), 2**63 - 1],
}
CHAT = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "maxTokens": 20}


async def _history(user: Buyer, path: str) -> list[dict[str, Any]]:
    """All pages of it."""
    items: list[dict[str, Any]] = []
    for page in range(1, 100):
        found = (await user.client.get(f"{path}?proof=true&limit=3&page={page}")).data
        if not found:
            break
        items += found
    return items


def _hash(proof: dict[str, Any]) -> str:
    text = json.dumps(proof, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


async def _spend(user: Buyer) -> None:
    """Entries of many kinds, some of them with text that JSON could write in two ways."""
    body = {"packageId": "pkg_starter", "paymentMethodId": "pm_123", "amount": 1000}
    await user.client.post("/api/credits/purchase", body, headers=keyed("p"))
    await user.client.post("/api/v1/points/exchange-from-credits", {"creditAmount": 2.5})
    await user.client.post("/api/v1/points/claim-daily-reward")
    await user.client.post("/api/mcp/chat/completions", CHAT)
    answer = await user.deduct(7, description="Grüße \u2028 \x7f </b> \U0001f600", metadata=METADATA)
    assert answer.code == 200
    admin = user.site.client(token=await user.site.admin_token())
    grant = {"amount": 5, "reason": "A gift", "type": "bonus"}
    await admin.post(f"/api/admin/users/{user.id}/credits/adjust", grant)


@pytest.mark.gen_test
async def test_the_owner_recomputes_the_chain(site: Site) -> None:
    user = await buyer(site)
    await _spend(user)
    items = sorted([item for path in HISTORIES for item in await _history(user, path)], key=lambda item: item["seq"])
    assert len({item["proof"]["kind"] for item in items}) >= 5
    assert [item["proof"]["seq"] for item in items] == list(range(1, len(items) + 1))
    head, balances = GENESIS, {"credit": 0, "point": 0}
    for item in items:
        proof = item["proof"]
        assert item["previousHash"] == proof["previous_hash"] == head
        balances[proof["unit"]] += proof["amount"]
        assert proof["balance_after"] == balances[proof["unit"]]
        assert item["hash"] == _hash(proof)
        assert (item["id"], item["type"], item["seq"]) == (proof["_id"], proof["kind"], proof["seq"])
        head = item["hash"]
    assert (balances["credit"], balances["point"]) == await user.balance()


@pytest.mark.gen_test
async def test_no_number_in_a_proof_can_be_written_in_two_ways(site: Site) -> None:
    user = await buyer(site)
    await grant_points(site.services.ledger, user.id, 10)
    await user.deduct(7, metadata=METADATA)
    (item, _) = (await user.client.get("/api/v1/points/history?proof=true")).data
    assert item["metadata"] == METADATA
    numbers = list(_numbers(item["proof"]))
    assert {type(number) for number in numbers} == {int} and max(map(abs, numbers)) < 2**53
    assert item["proof"]["metadata"]["b"]["z"] == ["3e-05", "1e+16", "1.0", "-0.0", "1e-07", "5e-324"]
    assert item["proof"]["metadata"]["beyond"] == [str(number) for number in METADATA["beyond"]]
    await check_books(site)


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


@pytest.mark.gen_test
async def test_a_history_stays_small_where_no_proof_is_asked_for(site: Site) -> None:
    user = await buyer(site)
    (welcome,) = (await user.client.get("/api/credits/history")).data
    assert "proof" not in welcome and welcome["previousHash"] == GENESIS and len(welcome["hash"]) == 64
    for path in HISTORIES:
        refused = await user.client.get(f"{path}?proof=perhaps", status=422)
        assert refused.body["error"]["details"][0]["field"] == "proof"
