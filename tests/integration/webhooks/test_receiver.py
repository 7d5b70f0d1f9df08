"""The hub's own receiver: it takes what the hub sent to it, once, and nothing else."""

from typing import Any

import pytest

from hub.webhooks import signatures
from models.clock import now
from tests.hooks import SECRET, Owner, owner
from tests.patience import until
from tests.site import Site

HERE = "/webhooks/smartaihub"


async def _hook(who: Owner) -> dict[str, Any]:
    return await who.hook(f"http://localhost:{who.site.port}{HERE}", "user.created")


@pytest.mark.gen_test
async def test_a_test_goes_round_and_is_accepted_once(site: Site) -> None:
    who = await owner(site, "smart_ai_hub")
    hook = await _hook(who)
    sent = await who.post(f"{hook['id']}/test")
    assert (sent["status"], sent["event"]) == ("delivered", "user.created")
    (attempt,) = sent["attempts"]
    assert attempt["status"] == 200 and '"accepted":true' in attempt["answer"]
    again = await who.post(f"{hook['id']}/deliveries/{sent['id']}/resend")
    assert again["tries"] == 2 and '"accepted":false' in again["attempts"][0]["answer"]


@pytest.mark.gen_test
async def test_a_real_event_goes_round_too(site: Site) -> None:
    who = await owner(site, "smart_ai_hub")
    hook = await _hook(who)
    await site.register()
    await until(lambda: _delivered(who, hook))


async def _delivered(who: Owner, hook: dict[str, Any]) -> bool:
    return (await who.get(hook["id"]))["lastDelivery"] is not None


@pytest.mark.gen_test
async def test_what_no_webhook_of_ours_signed_is_refused(site: Site) -> None:
    who = await owner(site, "smart_ai_hub")
    client, body = site.client(), b'{"eventType":"user.created"}'
    refused = await client.request("POST", HERE, body, status=401)
    assert "no webhook points here" in str(refused.body)
    await _hook(who)
    good = signatures.headers("evt_1", now(), body, [SECRET])
    for headers in ({}, {**good, "webhook-id": "evt_2"}, signatures.headers("evt_1", now(), body, ["another_one"])):
        await client.request("POST", HERE, body, status=401, headers=headers)
    assert (await client.request("POST", HERE, body, status=200, headers=good)).data == {"accepted": True}
    assert (await client.request("POST", HERE, body, status=200, headers=good)).data == {"accepted": False}
