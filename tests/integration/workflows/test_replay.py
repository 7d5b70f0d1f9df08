"""Events that webhooks were told of, replayed to a workflow: each begins an execution, all of them or none."""

from datetime import timedelta

import pytest

from hub.api_keys import NewKey
from models.clock import now
from tests.hooks import arrived, happens
from tests.integration.workflows.author import Author, approval, chain, note
from tests.integration.workflows.owner import ALL
from tests.site import Site
from tests.stand_ins.webhook_receiver import WebhookReceiver


@pytest.mark.gen_test(timeout=60)
async def test_a_span_of_time_is_replayed_to_a_workflow(calling_site: Site, receiver: WebhookReceiver) -> None:
    who, other = await Author.of(calling_site), await Author.of(calling_site)
    made, theirs = await who.make(chain(note(said="{{data}}"), trigger="webhook")), await other.make(chain(note()))
    hooks = who.hooks()
    hook = await hooks.hook(receiver.url("a"), "gift.received")
    begun_at = now()
    for number in range(3):
        await happens(hooks, "gift.received", {"gift_id": f"gift_{number}"})
    await happens(hooks, "gift.sent", {"gift_id": "unwanted"})
    await arrived(receiver, "a", 3)
    span = {"from": begun_at.isoformat()}
    path = f"{hook['id']}/replay"
    assert await hooks.post(path, span | {"workflow_id": made["id"]}) == {"queued": 3}
    ended = [await who.ended(made, each["id"]) for each in await who.begun(made)]
    said = [each["result"]["value"]["said"]["giftId"] for each in reversed(ended)]
    assert said == ["gift_0", "gift_1", "gift_2"] and len(receiver.got["a"]) == 3
    assert await hooks.post(path, span | {"workflow_id": made["id"]}) == {"queued": 3}
    assert len(await who.begun(made)) == 6
    await hooks.post(path, span | {"workflow_id": theirs["id"]}, 404)
    for wrong in (None, True, "1", 1.5, 0, [], {}):
        await hooks.post(path, span | {"workflow_id": wrong}, 400)
    await who.client.request("PUT", f"{ALL}/{made['id']}", {"enabled": False}, status=200)
    await hooks.post(path, span | {"workflow_id": made["id"]}, 409)
    assert len(await who.begun(made)) == 6


@pytest.mark.gen_test(timeout=60)
async def test_more_than_may_begin_at_once_is_refused(
    calling_site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.workflows.REPLAYED_MAX", 1)
    who = await Author.of(calling_site)
    made = await who.make(chain(note(said="x"), trigger="webhook"))
    hooks = who.hooks()
    hook, begun_at = await hooks.hook(receiver.url("a"), "gift.received"), now()
    for _ in range(2):
        await happens(hooks, "gift.received", {"gift_id": "g"})
    span = {"from": (begun_at - timedelta(seconds=1)).isoformat(), "workflow_id": made["id"]}
    refused = await hooks.post(f"{hook['id']}/replay", span, 400)
    assert "more than 1 events" in repr(refused.body) and await who.begun(made) == []


@pytest.mark.gen_test(timeout=60)
async def test_a_key_begins_executions_by_a_replay_only_where_it_may_execute(
    calling_site: Site, receiver: WebhookReceiver
) -> None:
    who = await Author.of(calling_site)
    made = await who.make(chain(note(said="x"), trigger="webhook"))
    hooks = who.hooks()
    hook, begun_at = await hooks.hook(receiver.url("a"), "gift.received"), now()
    await happens(hooks, "gift.received", {"gift_id": "g"})
    span = {"from": (begun_at - timedelta(seconds=1)).isoformat(), "workflow_id": made["id"]}
    limited = {"models": ["gpt-4"]}
    for granted, bounds, status in (([], {}, 403), (["ai:write"], limited, 403), (["ai:write"], {}, 200)):
        new = NewKey("sk_live_", "K", ["webhooks:write", *granted], limits=bounds)
        _, key = await calling_site.services.api_keys.create(who.user, new)
        path = f"/v1/webhooks/{hook['id']}/replay"
        await calling_site.client("ai_aggregator", token=key).request("POST", path, span, status=status)
        assert len(await who.begun(made)) == (status == 200)


@pytest.mark.gen_test(timeout=60)
async def test_a_replay_begins_all_or_none_and_nothing_twice_under_one_key(
    calling_site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await Author.of(calling_site)
    made = await who.make(chain(approval(), trigger="webhook"))
    hooks = who.hooks()
    hook, begun_at = await hooks.hook(receiver.url("a"), "gift.received"), now()
    for number in range(3):
        await happens(hooks, "gift.received", {"gift_id": f"gift_{number}"})
    span = {"from": (begun_at - timedelta(seconds=1)).isoformat(), "to": (now() + timedelta(seconds=1)).isoformat()}
    path, once = f"/v1/webhooks/{hook['id']}/replay", {"Idempotency-Key": "once"}
    monkeypatch.setattr("config.workflows.EXECUTIONS_RUNNING_MAX", 2)
    body = span | {"workflow_id": made["id"]}
    await hooks.client.request("POST", path, body, status=429, headers=once)
    assert await who.begun(made) == []
    monkeypatch.setattr("config.workflows.EXECUTIONS_RUNNING_MAX", 3)
    records = calling_site.services.database["idempotency"]
    for hit in (None, "true", None):
        answer = await hooks.client.request("POST", path, body, status=200, headers=once)
        assert answer.data == {"queued": 3} and answer.headers.get("Idempotency-Hit") == hit
        assert len(await who.begun(made)) == 3
        if hit:  # the last one comes as if the first had been cut off before its answer was kept
            await records.delete_one({"_id": f"{who.user}:once"})
    await hooks.client.request("POST", path, span, status=422, headers=once)
