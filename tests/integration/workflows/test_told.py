"""Who is told of executions: a workflow's own `notify_url`, endpoints of its owner, and sockets while it runs; and what is
replayed to workflows.
"""

import io
import runpy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from openai import OpenAI
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from hub.api_keys import NewKey
from hub.realtime.channels import workflows_channel
from hub.webhooks import signatures
from models.clock import now
from tests.contract.examples import unlike
from tests.hooks import Owner as Hooks
from tests.hooks import arrived, happens
from tests.integration.workflows.author import Author, approval, chain, note
from tests.integration.workflows.owner import ALL, Json
from tests.patience import until
from tests.site import Site
from tests.site_sockets import sockets_end
from tests.stand_ins.webhook_receiver import WebhookReceiver, answers
from tests.ws_client import Client

__all__ = ["sockets_end"]

SNIPPET: Final = Path(__file__).parents[1] / "webhooks" / "snippets" / "ai_assistant.py"
EXECUTED: Final = {
    "event": "workflow.executed",
    "timestamp": "2025-11-09T10:30:00Z",
    "workflow_id": 1,
    "execution_id": "exec_123",
    "status": "completed",
    "data": {"result": {"output": "Summary generated successfully", "credits_used": 5}},
}


@pytest.fixture
def site(serve: Callable[..., Site], receiver: WebhookReceiver) -> Site:
    """It may call the receiver."""
    return serve(HUB_RATE_LIMITS="off", HUB_OUTBOUND_ALLOW=f"127.0.0.1:{receiver.port}")


async def endpoints(site: Site) -> list[Json]:
    return await site.services.database["webhook_endpoints"].find({}, limit=10)


# --- by webhook -----------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_notify_url_is_told_of_its_own_workflows_executions(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    made, other = await who.make(chain(note()), notify_url=receiver.url("a")), await who.make(chain(note()))
    failing = await who.make(chain(note(said="{{nobody.knows}}")), notify_url=receiver.url("b"))
    await who.ended(other, await who.begin(other, data={"said": "x"}))
    execution = await who.begin(made, data={"said": {"deep": [1]}})
    (got,) = await arrived(receiver, "a")
    body = orjson.loads(got.body)
    assert unlike(EXECUTED, body) == []
    assert (body["workflow_id"], body["execution_id"], body["status"]) == (made["id"], execution, "completed")
    result = body["data"]["result"]
    assert (result["output"], result["value"]) == ('{"said":{"deep":[1]}}', {"said": {"deep": [1]}})
    secret, headers = made["notify_secret"], {name.lower(): value for name, value in got.headers.items()}
    assert headers["x-webhook-signature"] == signatures.plain(got.body, secret)
    assert signatures.verify(headers, got.body, [secret], now()) == headers["webhook-id"]
    await who.begin(failing)
    told = orjson.loads((await arrived(receiver, "b"))[0].body)
    assert told["status"] == "failed" and told["data"]["result"]["error"]["node"] == "note"
    assert (told["data"]["result"]["output"], told["data"]["result"]["value"]) == ("", None)
    assert len(receiver.got["a"]) == 1


@pytest.mark.gen_test(timeout=60)
async def test_everybodys_libraries_accept_what_it_is_told(
    site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`standardwebhooks`, OpenAI's client, and the document's own lines."""
    who = await Author.of(site)
    made = await who.make(chain(note()), notify_url=receiver.url("a"))
    await who.begin(made, data={"said": "Gr\u00e4ce \U0001f600"})
    (got,) = await arrived(receiver, "a")
    text, secret = got.body.decode(), made["notify_secret"]
    assert Webhook(secret).verify(text, got.headers) == orjson.loads(got.body)
    OpenAI(api_key="none", webhook_secret=secret).webhooks.verify_signature(text, got.headers)
    given = {"payload": text, "header": got.headers["x-webhook-signature"], "secret": secret}
    monkeypatch.setattr("sys.stdin", io.StringIO(orjson.dumps(given).decode()))
    capsys.readouterr()
    runpy.run_path(str(SNIPPET))
    assert orjson.loads(capsys.readouterr().out) == [True]


@pytest.mark.gen_test(timeout=60)
async def test_a_large_result_is_told_to_be_asked_for(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()), notify_url=receiver.url("a"))
    execution = await who.begin(made, data={"said": "x" * 16_000})
    (got,) = await arrived(receiver, "a")
    result = orjson.loads(got.body)["data"]["result"]
    assert (result["output"], result["value"], result["truncated"]) == ("", None, True)
    assert (await who.execution(made, execution))["result"]["value"] == {"said": "x" * 16_000}


@pytest.mark.gen_test(timeout=60)
async def test_after_a_rotation_both_secrets_verify_and_another_address_has_one(
    site: Site, receiver: WebhookReceiver
) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note(said="x")), notify_url=receiver.url("a"))
    anew = (await who.client.post(f"{ALL}/{made['id']}/rotate-secret")).body
    await who.begin(made)
    (got,) = await arrived(receiver, "a")
    for secret in (made["notify_secret"], anew["notify_secret"]):
        assert Webhook(secret).verify(got.body.decode(), got.headers)
    body = {"notify_url": receiver.url("b")}
    moved = (await who.client.request("PUT", f"{ALL}/{made['id']}", body, status=200)).body
    await who.begin(made)
    (got,) = await arrived(receiver, "b")
    assert Webhook(moved["notify_secret"]).verify(got.body.decode(), got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(anew["notify_secret"]).verify(got.body.decode(), got.headers)


@pytest.mark.gen_test(timeout=60)
async def test_its_secret_is_shown_once_and_another_address_has_another(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()), notify_url=receiver.url("a"))
    path = f"{ALL}/{made['id']}"
    assert "notify_secret" not in (await who.client.get(path)).body
    same = (await who.client.request("PUT", path, {"notify_url": receiver.url("a"), "name": "x"}, status=200)).body
    assert "notify_secret" not in same and (await endpoints(site))[0]["secret"] == made["notify_secret"]
    moved = (await who.client.request("PUT", path, {"notify_url": receiver.url("b")}, status=200)).body
    assert moved["notify_secret"] != made["notify_secret"]
    anew = (await who.client.post(f"{path}/rotate-secret")).body
    assert anew["notify_secret"] not in (made["notify_secret"], moved["notify_secret"])
    await who.begin(made, data={"said": 1})
    (got,) = await arrived(receiver, "b")
    headers = {name.lower(): value for name, value in got.headers.items()}
    assert signatures.verify(headers, got.body, [anew["notify_secret"]], now())
    assert receiver.got["a"] == []


@pytest.mark.gen_test(timeout=60)
async def test_it_goes_with_its_workflow_or_its_wish(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    wallet = site.services.database["wallets"]
    for _ in range(2):
        made = await who.make(chain(note()), notify_url=receiver.url("a"))
        assert ((await wallet.find_one({"_id": who.user})) or {})["webhooks"] == 1
        path = f"{ALL}/{made['id']}"
        await who.client.request("PUT", path, {"notify_url": None}, status=200)
        assert await endpoints(site) == [] and ((await wallet.find_one({"_id": who.user})) or {})["webhooks"] == 0
        await who.client.request("PUT", path, {"notify_url": receiver.url("a")}, status=200)
        await who.client.request("DELETE", path, status=200)
        assert await endpoints(site) == [] and ((await wallet.find_one({"_id": who.user})) or {})["webhooks"] == 0


@pytest.mark.gen_test(timeout=60)
async def test_one_that_is_gone_is_switched_off_until_it_is_wanted_again(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    receiver.behave("a", answers(410))
    made = await who.make(chain(note()), notify_url=receiver.url("a"))
    await who.begin(made, data={"said": 1})

    async def is_off() -> bool:
        return not (await endpoints(site))[0]["active"]

    await until(is_off)
    receiver.behave("a", answers(200))
    await who.client.request("PUT", f"{ALL}/{made['id']}", {"notify_url": receiver.url("a")}, status=200)
    assert (await endpoints(site))[0]["active"]
    await arrived(receiver, "a", 2)


@pytest.mark.gen_test(timeout=60)
async def test_notify_urls_are_in_no_list_of_webhooks_and_take_none_of_their_room(
    site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.limits.WEBHOOK_ENDPOINTS_MAX", 1)
    who = await Author.of(site)
    await who.make(chain(note()), notify_url=receiver.url("a"))
    hooks = Hooks(site, "ai_aggregator", site.client("ai_aggregator", token=who.token), who.user, who.token)
    made = await hooks.hook(receiver.url("b"), "workflow.executed")
    listed = (await hooks.client.get("/v1/webhooks")).body
    assert made["id"] in repr(listed) and receiver.url("a") not in repr(listed)
    (kept,) = [each for each in await endpoints(site) if each["url"] == receiver.url("a")]
    await hooks.get(kept["_id"], 404)


@pytest.mark.gen_test(timeout=60)
async def test_in_test_mode_nobody_is_told(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note()), notify_url=receiver.url("a"))
    await who.ended(made, await who.begin(made, data={"said": 1}, test_mode=True))
    await who.ended(made, await who.begin(made, data={"said": 2}))
    (got,) = await arrived(receiver, "a")
    assert orjson.loads(got.body)["data"]["result"]["value"] == {"said": 2}


# --- replayed -------------------------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_span_of_time_is_replayed_to_a_workflow(site: Site, receiver: WebhookReceiver) -> None:
    who, other = await Author.of(site), await Author.of(site)
    made, theirs = await who.make(chain(note(said="{{data}}"), trigger="webhook")), await other.make(chain(note()))
    hooks = Hooks(site, "ai_aggregator", site.client("ai_aggregator", token=who.token), who.user, who.token)
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
    site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.workflows.REPLAYED_MAX", 1)
    who = await Author.of(site)
    made = await who.make(chain(note(said="x"), trigger="webhook"))
    hooks = Hooks(site, "ai_aggregator", site.client("ai_aggregator", token=who.token), who.user, who.token)
    hook, begun_at = await hooks.hook(receiver.url("a"), "gift.received"), now()
    for _ in range(2):
        await happens(hooks, "gift.received", {"gift_id": "g"})
    span = {"from": (begun_at - timedelta(seconds=1)).isoformat(), "workflow_id": made["id"]}
    refused = await hooks.post(f"{hook['id']}/replay", span, 400)
    assert "more than 1 events" in repr(refused.body) and await who.begun(made) == []


@pytest.mark.gen_test(timeout=60)
async def test_a_key_begins_executions_by_a_replay_only_where_it_may_execute(
    site: Site, receiver: WebhookReceiver
) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note(said="x"), trigger="webhook"))
    hooks = Hooks(site, "ai_aggregator", site.client("ai_aggregator", token=who.token), who.user, who.token)
    hook, begun_at = await hooks.hook(receiver.url("a"), "gift.received"), now()
    await happens(hooks, "gift.received", {"gift_id": "g"})
    span = {"from": (begun_at - timedelta(seconds=1)).isoformat(), "workflow_id": made["id"]}
    limited = {"models": ["gpt-4"]}
    for granted, bounds, status in (([], {}, 403), (["ai:write"], limited, 403), (["ai:write"], {}, 200)):
        new = NewKey("sk_live_", "K", ["webhooks:write", *granted], limits=bounds)
        _, key = await site.services.api_keys.create(who.user, new)
        path = f"/v1/webhooks/{hook['id']}/replay"
        await site.client("ai_aggregator", token=key).request("POST", path, span, status=status)
        assert len(await who.begun(made)) == (status == 200)


@pytest.mark.gen_test(timeout=60)
async def test_a_replay_begins_all_or_none_and_nothing_twice_under_one_key(
    site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval(), trigger="webhook"))
    hooks = Hooks(site, "ai_aggregator", site.client("ai_aggregator", token=who.token), who.user, who.token)
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
    records = site.services.database["idempotency"]
    for hit in (None, "true", None):
        answer = await hooks.client.request("POST", path, body, status=200, headers=once)
        assert answer.data == {"queued": 3} and answer.headers.get("Idempotency-Hit") == hit
        assert len(await who.begun(made)) == 3
        if hit:  # the last one comes as if the first had been cut off before its answer was kept
            await records.delete_one({"_id": f"{who.user}:once"})
    await hooks.client.request("POST", path, span, status=422, headers=once)


# --- live -----------------------------------------------------------------------------------------------------------


async def watching(site: Site, token: str, channel: str) -> Client:
    client = await Client.open(site.port)
    await client.request("connect", token=token)
    assert await client.request("subscribe", channel=channel) == {"channel": channel}
    return client


def progress(client: Client) -> list[dict[str, Any]]:
    return [frame for frame in client.frames if frame.get("type") == "workflow.progress"]


@pytest.mark.gen_test(timeout=60)
async def test_progress_is_told_as_it_happens_and_is_what_the_logs_have(site: Site) -> None:
    who, other = await Author.of(site), await Author.of(site)
    watcher = await watching(site, who.token, workflows_channel(who.user))
    stranger = await watching(site, other.token, workflows_channel(other.user))
    made = await who.make(chain(note("first", a="x"), approval(), note("last", b="y")))
    execution = await who.begin(made)
    waiting = await watcher.push("workflow.progress", step="waiting")
    assert (waiting["workflow_id"], waiting["execution_id"], waiting["node"]) == (made["id"], execution, "ask")
    answered = await watcher.request("workflow.approve", execution_id=execution, node="ask", approved=True)
    assert answered["approved"] is True
    event = await watcher.event("workflow.executed")
    assert event["event"]["data"]["execution_id"] == execution
    ended = await who.ended(made, execution)
    while len(progress(watcher)) < len(ended["logs"]):
        await watcher.receive()
    assert [frame["log"] for frame in progress(watcher)] == ended["logs"]
    assert progress(watcher)[-1]["status"] == "completed"
    assert progress(stranger) == []
    again = await watcher.request("workflow.approve", execution_id=execution, node="ask", approved=False)
    assert again["error"]["code"] == "RESOURCE_CONFLICT"


@pytest.mark.gen_test
async def test_others_neither_hear_nor_answer(site: Site) -> None:
    who, other = await Author.of(site), await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    client = await watching(site, other.token, workflows_channel(other.user))
    heard = await client.request("subscribe", channel=workflows_channel(who.user))
    assert heard["error"]["code"] == "RESOURCE_NOT_FOUND"
    for asked in ({"execution_id": execution, "node": "ask"}, {"execution_id": "exec_none", "node": "ask"}):
        answered = await client.request("workflow.approve", **asked, approved=True)
        assert answered["error"]["code"] == "RESOURCE_NOT_FOUND"
    assert (await who.execution(made, execution))["approvals"] != []


@pytest.mark.gen_test
async def test_a_key_needs_the_permissions(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    permissions = {"account:read", "credits:read"}
    for granted, hears, answers_ in (((), False, False), (("ai:read",), True, False), (("ai:write",), False, True)):
        _, key = await site.services.api_keys.create(
            who.user, NewKey("sk_live_", "K", sorted(permissions | set(granted)))
        )
        client = await Client.open(site.port)
        await client.request("connect", token=key)
        heard = await client.request("subscribe", channel=workflows_channel(who.user))
        assert ("error" not in heard) is hears
        answered = await client.request("workflow.approve", execution_id=execution, node="ask", approved=True)
        assert ("error" not in answered) is answers_


@pytest.mark.gen_test
async def test_what_is_wrong_in_a_command_is_named(site: Site) -> None:
    who = await Author.of(site)
    made = await who.make(chain(approval()))
    execution = await who.begin(made)
    await who.waits(made, execution)
    client = await watching(site, who.token, workflows_channel(who.user))
    good = {"execution_id": execution, "node": "ask", "approved": True}
    for name, values in {
        "execution_id": (None, 5, "", [], {"$gt": ""}, "x" * 129),
        "node": (None, 5, "", [], {}, "x" * 65),
        "approved": (None, 0, "true", []),
        "comment": (None, 5, [], "x" * 2_001),
        "by": ("me",),
    }.items():
        for value in values:
            refused = await client.reply(client.send_unchecked("workflow.approve", **{**good, name: value}))
            assert name in repr(refused["error"]), (name, value)
    for node in ("ask.status", "$where", "other"):
        refused = await client.request("workflow.approve", **{**good, "node": node})
        assert refused["error"]["code"] == "RESOURCE_NOT_FOUND"
