"""Webhooks by `/api/v1/webhooks`: configured by their owner, with a secret that is shown once, of every event of a user."""

import base64
from typing import Any

import pytest

from hub.webhooks.endpoints import EVENTS
from models.webhook_endpoints import WEBHOOK_ENDPOINTS
from tests.api_client import Answer, ApiClient
from tests.site import Site

HOOKS = "/api/v1/webhooks"
HOOK: dict[str, Any] = {
    "url": "https://your-app.com/webhook",
    "events": ["ai.task.completed", "ai.task.failed", "quota.warning"],
    "secret": "CANARY_secret",
    "active": True,
}


async def person(site: Site) -> ApiClient:
    return site.client("ai_playground", token=await site.token())


async def made_by(client: ApiClient, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await client.post(HOOKS, {**HOOK, **fields}, status=201)).data["webhook"]
    return made


async def put(client: ApiClient, hook: dict[str, Any], body: Any, status: int = 200) -> Answer:
    return await client.request("PUT", f"{HOOKS}/{hook['id']}", body, status=status)


def _fields(answer: Answer) -> set[str]:
    return {failure["field"] for failure in answer.body["error"]["details"]["errors"]}


@pytest.mark.gen_test
async def test_a_webhook_is_configured_and_its_secret_shown_once(site: Site) -> None:
    client = await person(site)
    answer = await client.post(HOOKS, HOOK, status=201)
    made = answer.data["webhook"]
    assert {name: made[name] for name in HOOK} == HOOK and made["last_delivery"] is None
    assert answer.headers["X-RateLimit-Endpoint"] == "webhooks"
    assert base64.b64decode(made["signing_secret"].removeprefix("whsec_")).decode() == HOOK["secret"]
    shown = {name: value for name, value in made.items() if name not in ("secret", "signing_secret")}
    listed = (await client.get(HOOKS)).data
    assert listed["webhooks"] == [shown] and listed["pagination"]["total"] == 1
    assert (await client.get(f"{HOOKS}/{made['id']}")).data == {"webhook": shown}
    changes = {"url": "https://your-app.com/new-webhook", "events": ["quota.warning"], "active": False}
    changed = (await put(client, made, changes)).data["webhook"]
    assert changed == {**shown, **changes, "updated_at": changed["updated_at"]}
    assert (await client.get(HOOKS)).data["webhooks"] == [changed]
    stored = await site.services.database[WEBHOOK_ENDPOINTS].find_one({"_id": made["id"]})
    assert stored is not None and (stored["api"], stored["secret"]) == ("ai_playground", HOOK["secret"])
    told = (await put(client, made, {"secret": "whsec_" + "QUJD" * 8})).data["webhook"]
    assert told["secret"].startswith("whsec_") and "signing_secret" not in told


@pytest.mark.gen_test
async def test_without_a_secret_the_hub_makes_one_and_without_a_state_it_is_active(site: Site) -> None:
    client = await person(site)
    given = {name: HOOK[name] for name in ("url", "events")}
    made = [(await client.post(HOOKS, given, status=201)).data["webhook"] for _ in range(2)]
    assert all(hook["active"] and "signing_secret" not in hook for hook in made)
    assert {len(base64.b64decode(hook["secret"].removeprefix("whsec_"))) for hook in made} == {24}
    assert made[0]["secret"] != made[1]["secret"]
    assert "secret" not in str((await client.get(HOOKS)).data)


@pytest.mark.gen_test
async def test_every_event_of_a_user_can_be_subscribed_to(site: Site) -> None:
    everything = list(EVENTS["ai_playground"])
    assert {*HOOK["events"], *EVENTS["ai_aggregator"]} == set(everything)
    client = await person(site)
    assert (await made_by(client, events=everything))["events"] == everything


@pytest.mark.gen_test
async def test_what_is_removed_is_gone(site: Site) -> None:
    client = await person(site)
    made = await made_by(client)
    path = f"{HOOKS}/{made['id']}"
    assert (await client.request("DELETE", path, status=200)).body["message"] == "Webhook deleted successfully"
    assert (await put(client, made, {"active": True}, 404)).code == "NOT_FOUND"
    await client.request("DELETE", path, status=404)
    assert (await client.get(HOOKS)).data["webhooks"] == []


@pytest.mark.gen_test
async def test_anothers_webhooks_and_those_of_other_apis_do_not_exist_here(site: Site) -> None:
    """Deliveries have the form of the API by which they were configured."""
    token = await site.token()
    owner, other = site.client("ai_playground", token=token), await person(site)
    body = {"url": HOOK["url"], "events": ["chat.completion"]}
    elsewhere = (await site.client("ai_aggregator", token=token).post("/v1/webhooks", body, status=201)).data
    mine = await made_by(owner)
    for client, hook in ((other, mine), (owner, elsewhere)):
        await client.get(f"{HOOKS}/{hook['id']}", status=404)
        await put(client, hook, {"active": False}, 404)
        await client.request("DELETE", f"{HOOKS}/{hook['id']}", status=404)
        assert hook["id"] not in str((await client.get(HOOKS)).data)
    assert [hook["active"] for hook in (await owner.get(HOOKS)).data["webhooks"]] == [True]


@pytest.mark.gen_test
async def test_bad_webhooks_are_refused(site: Site) -> None:
    client = await person(site)
    for fields in (
        *({"url": "ftp://example.com"}, {"url": "https://a:b@example.com/"}, {"url": "https://10.0.0.1/"}, {"url": 5}),
        *({"events": []}, {"events": ["ai.task.begun"]}, {"events": "quota.warning"}, {"events": None}),
        *({"secret": "short"}, {"secret": None}, {"active": "yes"}, {"owner": "user_1"}),
        {"url": "x", "events": [], "secret": "", "active": 1},
    ):
        refused = await client.post(HOOKS, {**HOOK, **fields}, status=400)
        assert (refused.code, _fields(refused)) == ("VALIDATION_ERROR", set(fields)), fields
        assert "CANARY" not in str(refused.body)
    for missing in ("url", "events"):
        body = {name: value for name, value in HOOK.items() if name != missing}
        assert _fields(await client.post(HOOKS, body, status=400)) == {missing}
    assert await site.services.database[WEBHOOK_ENDPOINTS].count({}) == 0
    made = await made_by(client)
    assert _fields(await put(client, made, {}, 400)) == {"body"}
    assert _fields(await put(client, made, {"url": "http://10.0.0.1", "active": 1}, 400)) == {"active", "url"}
    assert (await client.get(HOOKS)).data["webhooks"][0]["url"] == HOOK["url"]


@pytest.mark.gen_test
async def test_keys_read_and_write_by_their_scopes(site: Site) -> None:
    client = await person(site)
    made = await made_by(client)
    secrets = {
        scope: (await client.post("/api/v1/api-keys", {"name": "A", "permissions": [scope]}, status=201)).data
        for scope in ("webhooks:read", "webhooks:write")
    }
    read, write = [site.client("ai_playground", token=data["api_key"]["key"]) for data in secrets.values()]
    assert (await read.get(HOOKS)).data["webhooks"][0]["id"] == made["id"]
    assert (await read.get(f"{HOOKS}/{made['id']}")).data["webhook"]["id"] == made["id"]
    await write.get(f"{HOOKS}/{made['id']}", status=403)
    await read.post(HOOKS, HOOK, status=403)
    await write.get(HOOKS, status=403)
    await put(write, made, {"active": False})
    await put(read, made, {"active": True}, 403)
    await read.request("DELETE", f"{HOOKS}/{made['id']}", status=403)
    await write.request("DELETE", f"{HOOKS}/{made['id']}", status=200)


@pytest.mark.gen_test
async def test_there_is_a_bound_on_a_users_webhooks_and_they_are_paged(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.limits.WEBHOOK_ENDPOINTS_MAX", 2)
    client = await person(site)
    made = [await made_by(client) for _ in range(2)]
    assert (await client.post(HOOKS, HOOK, status=409)).code == "CONFLICT"
    page = (await client.get(f"{HOOKS}?limit=1&page=2")).data
    assert [hook["id"] for hook in page["webhooks"]] == [made[0]["id"]]
    assert (page["pagination"]["pages"], page["pagination"]["has_prev"]) == (2, True)
    oldest = (await client.get(f"{HOOKS}?limit=1&sort=asc")).data
    assert [hook["id"] for hook in oldest["webhooks"]] == [made[0]["id"]]
    await client.get(f"{HOOKS}?sort=newest", status=400)
