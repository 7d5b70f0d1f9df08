"""What administrators configure: exchange rates and webhooks, each change with its row of the audit log."""

import asyncio
import base64
from typing import Any

import pytest

from models import audit_log
from models.exchange_rates import EXCHANGE_RATES
from models.webhook_endpoints import WEBHOOK_ENDPOINTS
from tests.integration.admin.people import Person, administrator, person, put
from tests.site import Site

RATES = "/api/admin/exchange-rates"
HOOKS = "/api/admin/webhooks"
HOOK: dict[str, Any] = {
    "url": "https://example.com/hooks?a=1",
    "events": ["user.created", "payment.failed"],
    "secret": "CANARY_secret",
}

NOTHING_SENT = {"lastDelivery": None, "failingSince": None, "waiting": 0, "dropped": 0, "disabled": None}


async def _rows(site: Site) -> list[dict[str, Any]]:
    return (await audit_log.page(site.services.database, {}, skip=0, limit=100))[0]


async def _rate(who: Person, status: int = 201, **fields: Any) -> Any:
    body = {"fromType": "credits", "toType": "points", "rate": 1000, "isActive": True, **fields}
    return await who.client.post(RATES, body, status=status)


async def _active(site: Site) -> list[str]:
    found = await site.services.database[EXCHANGE_RATES].find({"active": True, "from": "credits"}, limit=10)
    return [rate["_id"] for rate in found]


@pytest.mark.gen_test
async def test_a_new_active_rate_ends_the_old_one(site: Site) -> None:
    admin = await administrator(site)
    first, second = (await _rate(admin)).data, (await _rate(admin, rate=1200.5)).data
    assert await _active(site) == [second["id"]] and second["rate"] == 1200.5
    listed = (await admin.client.get(RATES)).data
    assert {rate["id"]: rate["isActive"] for rate in listed[:2]} == {second["id"]: True, first["id"]: False}
    await put(admin, f"{RATES}/{first['id']}", {"isActive": True})
    assert await _active(site) == [first["id"]]
    await admin.client.request("DELETE", f"{RATES}/{first['id']}", status=409)
    await admin.client.request("DELETE", f"{RATES}/{second['id']}", status=200)
    await admin.client.request("DELETE", f"{RATES}/{second['id']}", status=404)
    rows = await _rows(site)
    assert [row["action"] for row in rows] == ["rate.delete", "rate.update", "rate.create", "rate.create"]
    assert rows[1]["before"]["isActive"] is False and rows[1]["after"]["isActive"] is True


@pytest.mark.gen_test
async def test_of_many_new_rates_at_once_one_is_active(site: Site) -> None:
    admin = await administrator(site)
    made = await asyncio.gather(*(_rate(admin, rate=number) for number in range(1, 9)))
    assert len(await _active(site)) == 1 and len({answer.data["id"] for answer in made}) == 8


@pytest.mark.gen_test
async def test_a_changed_rate_is_what_exchanges_go_by(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    made = (await _rate(admin)).data
    changed = (await put(admin, f"{RATES}/{made['id']}", {"rate": 1234.5})).data
    assert {**changed, "updatedAt": 0} == {**made, "rate": 1234.5, "updatedAt": 0}
    stored = await site.services.database[EXCHANGE_RATES].find_one({"_id": made["id"]})
    assert stored is not None and (stored["rate"], stored["active"]) == (1_234_500_000, True)
    exchanged = await user.client.post("/api/v1/points/exchange-from-credits", {"creditAmount": 2})
    assert (exchanged.data["pointsReceived"], exchanged.data["newPointBalance"]) == (2_469, 2_469)


@pytest.mark.gen_test
async def test_bad_rates_are_refused(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    await _rate(user, 403)
    for fields in (
        *({"rate": 0}, {"rate": -1}, {"rate": "5"}, {"rate": True}, {"rate": 1e-7}, {"rate": 10**9}, {"rate": None}),
        *({"fromType": "usd"}, {"toType": "credits"}, {"isActive": 1}, {"_id": "rate_1"}),
    ):
        answer = await _rate(admin, 422, **fields)
        assert [detail["field"] for detail in answer.body["error"]["details"]] == list(fields)
    for path in (f"{RATES}/rate_nobody",):
        await put(admin, path, {"rate": 5}, 404)
    assert await _rows(site) == []


@pytest.mark.gen_test
async def test_a_webhook_is_configured_and_its_secret_shown_once(site: Site) -> None:
    admin = await administrator(site)
    made = (await admin.client.post(HOOKS, HOOK, status=201)).data
    assert made["secret"] == HOOK["secret"] and made["active"] is True
    assert base64.b64decode(made["signing_secret"].removeprefix("whsec_")).decode() == HOOK["secret"]
    path = f"{HOOKS}/{made['id']}"
    for answer in (
        await admin.client.get(path),
        await admin.client.get(HOOKS),
        await put(admin, path, {"active": False, "events": ["user.updated", "user.updated"]}),
        await admin.client.get("/api/admin/audit-log"),
    ):
        assert "CANARY" not in str(answer.body) and "secret" not in str(answer.body["data"])
    stored = await site.services.database[WEBHOOK_ENDPOINTS].find_one({"_id": made["id"]})
    assert stored is not None and stored["secret"] == HOOK["secret"]
    assert (stored["active"], stored["events"], stored["owner"]) == (False, ["user.updated"], None)
    told = (await put(admin, path, {"secret": "whsec_" + "QUJD" * 8})).data
    assert told["secret"].startswith("whsec_") and "signing_secret" not in told
    await admin.client.request("DELETE", path, status=200)
    await admin.client.get(path, status=404)
    await admin.client.request("DELETE", path, status=404)
    actions = [row["action"] for row in await _rows(site)]
    assert actions == ["webhook.delete", "webhook.change", "webhook.change", "webhook.create"]
    assert "CANARY" not in str(await _rows(site))


@pytest.mark.gen_test
async def test_without_a_secret_the_hub_makes_one(site: Site) -> None:
    admin = await administrator(site)
    made = (await admin.client.post(HOOKS, {"url": HOOK["url"], "events": ["user.created"]}, status=201)).data
    assert len(base64.b64decode(made["secret"].removeprefix("whsec_"))) == 24 and "signing_secret" not in made


@pytest.mark.gen_test
async def test_webhooks_are_shown_as_they_were_configured(site: Site) -> None:
    admin = await administrator(site)
    other = {"url": "https://example.org/other", "events": ["credit.used"], "active": False}
    expected = {}
    for body in (HOOK, other):
        made = (await admin.client.post(HOOKS, body, status=201)).data
        shown = {"url": body["url"], "events": body["events"], "active": body.get("active", True)}
        dated = {name: made[name] for name in ("createdAt", "updatedAt")}
        expected[made["id"]] = {"id": made["id"], **shown, **dated, **NOTHING_SENT}
    assert {hook["id"]: hook for hook in (await admin.client.get(HOOKS)).data} == expected
    for endpoint_id, hook in expected.items():
        assert (await admin.client.get(f"{HOOKS}/{endpoint_id}")).data == hook


@pytest.mark.gen_test
async def test_a_changed_webhook_is_stored(site: Site) -> None:
    admin = await administrator(site)
    before = (await admin.client.post(HOOKS, HOOK, status=201)).data
    path = f"{HOOKS}/{before['id']}"
    change: dict[str, Any] = {"url": "https://example.org/new", "events": ["credit.used"], "active": False}
    await put(admin, path, {**change, "secret": "CANARY_another"})
    found = (await admin.client.get(path)).data
    assert {name: found[name] for name in change} == change and found["createdAt"] == before["createdAt"]
    stored = await site.services.database[WEBHOOK_ENDPOINTS].find_one({"_id": before["id"]})
    assert stored is not None and stored["secret"] == "CANARY_another"
    for name in change:  # one field alone leaves the others
        await put(admin, path, {name: HOOK.get(name, True)})
        change[name] = HOOK.get(name, True)
        found = (await admin.client.get(path)).data
        assert {name: found[name] for name in change} == change
    stored = await site.services.database[WEBHOOK_ENDPOINTS].find_one({"_id": before["id"]})
    assert stored is not None and stored["secret"] == "CANARY_another"


@pytest.mark.gen_test
async def test_bad_webhooks_are_refused(site: Site) -> None:
    admin, user = await administrator(site), await person(site)
    await user.client.post(HOOKS, HOOK, status=403)
    for fields in (
        *({"url": "ftp://example.com"}, {"url": "https://a:b@example.com/"}, {"url": "https://10.0.0.1/"}, {"url": 5}),
        *({"url": "http://169.254.169.254/latest"}, {"url": "https://example.com:8443/"}, {"url": "x" * 2_049}),
        *({"events": []}, {"events": ["user.deleted"]}, {"events": "user.created"}, {"events": [{"$ne": 1}]}),
        *({"secret": "short"}, {"secret": "with a space"}, {"active": "yes"}, {"owner": "user_1"}),
    ):
        answer = await admin.client.post(HOOKS, {**HOOK, **fields}, status=422)
        assert [detail["field"] for detail in answer.body["error"]["details"]] == list(fields), fields
        assert "CANARY" not in str(answer.body)
    assert await site.services.database[WEBHOOK_ENDPOINTS].count({}) == 0


@pytest.mark.gen_test
async def test_there_is_a_bound_on_webhooks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.limits.WEBHOOK_ENDPOINTS_MAX", 2)
    admin = await administrator(site)
    for status in (201, 201, 409):
        await admin.client.post(HOOKS, HOOK, status=status)
