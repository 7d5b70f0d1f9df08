"""Webhooks of users by `/v1`: configured by their owner, seen by nobody else, and of every event that happens to a user."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest

from hub.webhooks.endpoints import EVENTS
from models import audit_log
from models.webhook_endpoints import WEBHOOK_ENDPOINTS
from tests.api_client import Answer
from tests.buyers import Buyer
from tests.http_streams import SECRET
from tests.site import Site

HOOKS = "/v1/webhooks"
HOOK: dict[str, Any] = {
    "url": "https://your-app.com/webhook",
    "events": ["chat.completion", "billing.charge"],
    "secret": "CANARY_secret",
}


async def person(site: Site) -> Buyer:
    registered = await site.register()
    client = site.client("ai_aggregator", token=registered["access_token"])
    return Buyer(site, registered["data"]["user"]["id"], client)


async def _put(who: Buyer, path: str, body: Any, status: int = 200) -> Answer:
    return await who.client.request("PUT", path, body, status=status)


def _fields(answer: Answer) -> list[str]:
    return [failure["field"] for failure in answer.body["error"]["details"]["errors"]]


@pytest.mark.gen_test
async def test_a_webhook_is_configured_and_its_secret_shown_once(site: Site) -> None:
    user = await person(site)
    answer = await user.client.post(HOOKS, HOOK, status=201)
    made = answer.data
    assert answer.body["message"] == "Webhook created successfully"
    assert {name: made[name] for name in HOOK} == HOOK and made["active"] is True
    assert base64.b64decode(made["signing_secret"].removeprefix("whsec_")).decode() == HOOK["secret"]
    path = f"{HOOKS}/{made['id']}"
    shown = {name: value for name, value in made.items() if name not in ("secret", "signing_secret")}
    nothing_yet = {"lastDelivery": None, "failingSince": None, "waiting": 0, "dropped": 0, "disabled": None}
    assert {name: shown[name] for name in nothing_yet} == nothing_yet
    assert (await user.client.get(path)).data == shown
    listed = (await user.client.get(HOOKS)).body
    assert listed["webhooks"] == [shown]
    assert listed["pagination"] == {"total": 1, "limit": 10, "offset": 0, "hasMore": False}
    changed = (await _put(user, path, {"active": False, "events": ["chat.completion", "chat.completion"]})).data
    assert (changed["active"], changed["events"]) == (False, ["chat.completion"])
    assert "secret" not in changed and "signing_secret" not in changed
    stored = await site.services.database[WEBHOOK_ENDPOINTS].find_one({"_id": made["id"]})
    assert stored is not None and (stored["owner"], stored["api"]) == (user.id, "ai_aggregator")
    assert (stored["secret"], stored["active"], stored["url"]) == (HOOK["secret"], False, HOOK["url"])
    told = (await _put(user, path, {"secret": "whsec_" + "QUJD" * 8})).data
    assert told["secret"].startswith("whsec_") and "signing_secret" not in told


@pytest.mark.gen_test
async def test_without_a_secret_the_hub_makes_one(site: Site) -> None:
    user = await person(site)
    made = (await user.client.post(HOOKS, {"url": HOOK["url"], "events": HOOK["events"]}, status=201)).data
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 24 and "signing_secret" not in made


@pytest.mark.gen_test
async def test_what_is_removed_is_gone(site: Site) -> None:
    user = await person(site)
    path = f"{HOOKS}/{(await user.client.post(HOOKS, HOOK, status=201)).data['id']}"
    assert (await user.client.request("DELETE", path, status=200)).body["message"] == "Webhook deleted successfully"
    await user.client.get(path, status=404)
    await _put(user, path, {"active": True}, 404)
    await user.client.request("DELETE", path, status=404)
    assert await site.services.database[WEBHOOK_ENDPOINTS].count({}) == 0


@pytest.mark.gen_test
async def test_nobody_else_knows_of_a_webhook(site: Site) -> None:
    """Not another user, nor an administrator; and the hub's own are no user's, not even their administrator's."""
    user, other = await person(site), await person(site)
    token = await site.admin_token()
    admin, hub = site.client("ai_aggregator", token=token), site.client(token=token)
    mine = (await user.client.post(HOOKS, HOOK, status=201)).data["id"]
    of_the_hub = (await hub.post("/api/admin/webhooks", {**HOOK, "events": ["user.created"]}, status=201)).data["id"]
    for client, endpoint_id in ((other.client, mine), (admin, mine), (user.client, of_the_hub), (admin, of_the_hub)):
        for method, body in (("GET", None), ("PUT", {"active": False}), ("DELETE", None)):
            refused = await client.request(method, f"{HOOKS}/{endpoint_id}", body, status=404)
            assert refused.code == "NOT_FOUND"
        assert endpoint_id not in str((await client.get(HOOKS)).body)
    await hub.get(f"/api/admin/webhooks/{mine}", status=404)
    assert [row["id"] for row in (await hub.get("/api/admin/webhooks")).data] == [of_the_hub]
    assert (await user.client.get(f"{HOOKS}/{mine}")).data["active"] is True


@pytest.mark.gen_test
async def test_what_users_configure_for_themselves_is_no_administrators_act(site: Site) -> None:
    user = await person(site)
    path = f"{HOOKS}/{(await user.client.post(HOOKS, HOOK, status=201)).data['id']}"
    await _put(user, path, {"secret": "another_secret"})
    await user.client.request("DELETE", path, status=200)
    assert (await audit_log.page(site.services.database, {}, skip=0, limit=10))[1] == 0


@pytest.mark.gen_test
async def test_every_event_that_happens_to_a_user_can_be_subscribed_to(site: Site) -> None:
    user = await person(site)
    chat = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
    await user.client.post("/v1/chat/completions", chat, plain=True)
    charge = {"amount": 5, "currency": "USD", "paymentMethod": "card"}
    await user.client.post("/v1/billing/balance/credit", charge)
    await user.client.post("/v1/billing/balance/credit", {**charge, "paymentMethod": "pm_fail"}, status=400)
    hub = {"dialect": "smart_ai_hub"}
    await user.client.request("PUT", "/api/users/me", {"firstName": "Grace"}, status=200, **hub)
    await user.client.request("PUT", "/api/notifications/read-all", status=200, **hub)
    happened = set(await user.types())
    assert {"chat.completed", "credit.purchased", "payment.failed", "user.updated", "notification.read"} <= happened
    names = sorted(happened | set(EVENTS["smart_ai_hub"]) | set(HOOK["events"]))
    made = (await user.client.post(HOOKS, {**HOOK, "events": names}, status=201)).data
    assert made["events"] == names
    everything = list(EVENTS["ai_aggregator"])
    assert (await _put(user, f"{HOOKS}/{made['id']}", {"events": everything})).data["events"] == everything


@pytest.mark.gen_test
async def test_bad_webhooks_are_refused(site: Site) -> None:
    user = await person(site)
    for fields in (
        *({"url": "ftp://example.com"}, {"url": "https://a:b@example.com/"}, {"url": "https://10.0.0.1/"}, {"url": 5}),
        *({"url": "http://169.254.169.254/latest"}, {"url": "https://example.com:8443/"}, {"url": "x" * 2_049}),
        *({"events": []}, {"events": ["user.deleted"]}, {"events": "user.created"}, {"events": [{"$ne": 1}]}),
        *({"secret": "short"}, {"secret": "with a space"}, {"active": "yes"}, {"owner": "user_1"}),
    ):
        refused = await user.client.post(HOOKS, {**HOOK, **fields}, status=400)
        assert _fields(refused) == list(fields), fields
        assert "CANARY" not in str(refused.body)
    assert await site.services.database[WEBHOOK_ENDPOINTS].count({}) == 0
    path = f"{HOOKS}/{(await user.client.post(HOOKS, HOOK, status=201)).data['id']}"
    assert _fields(await _put(user, path, {}, 400)) == ["body"]
    assert sorted(_fields(await _put(user, path, {"url": "http://10.0.0.1", "active": 1}, 400))) == ["active", "url"]


@pytest.fixture
def two_sites(serve: Callable[..., Site]) -> list[Site]:
    return [serve(HUB_RATE_LIMITS="off", HUB_JWT_SECRET=SECRET) for _ in range(2)]


@pytest.mark.gen_test
async def test_two_nodes_keep_the_bound_together(two_sites: list[Site], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.limits.WEBHOOK_ENDPOINTS_MAX", 3)
    token = await two_sites[0].token()
    clients = [site.client("ai_aggregator", token=token) for site in two_sites]
    asked = [clients[number % 2].raw("POST", HOOKS, HOOK) for number in range(10)]
    statuses = sorted([response.code for response in await asyncio.gather(*asked)])
    assert statuses == [201] * 3 + [409] * 7
    assert await two_sites[1].services.database[WEBHOOK_ENDPOINTS].count({}) == 3


@pytest.mark.gen_test
async def test_there_is_a_bound_on_a_users_webhooks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.limits.WEBHOOK_ENDPOINTS_MAX", 2)
    user, other = await person(site), await person(site)
    for status in (201, 201, 409):
        await user.client.post(HOOKS, HOOK, status=status)
    await other.client.post(HOOKS, HOOK, status=201)
    page = (await user.client.get(f"{HOOKS}?limit=1&offset=1")).body
    assert page["pagination"] == {"total": 2, "limit": 1, "offset": 1, "hasMore": False}
