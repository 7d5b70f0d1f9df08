"""A workflow's own `notify_url`: what it is told of executions, and what its owner sees and does of it: how it goes, its
log, one sent again, a span of time, a test.
"""

import asyncio
import io
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Final

import orjson
import pytest
from openai import OpenAI
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from hub.webhooks import signatures
from models.clock import now
from tests.contract.examples import unlike
from tests.hooks import arrived
from tests.integration.workflows.author import Author, chain, note
from tests.integration.workflows.owner import ALL, Json
from tests.patience import until
from tests.site import Site
from tests.stand_ins.webhook_receiver import WebhookReceiver, answers

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


async def told(who: Author, receiver: WebhookReceiver, path: str = "a") -> str:
    """The path of a new workflow whose executions are told to a path of the receiver's."""
    made = await who.make(chain(note(said="x")), notify_url=receiver.url(path))
    return f"{ALL}/{made['id']}"


async def log(who: Author, path: str, number: int = 1) -> list[Json]:
    """Its log, once it has so many deliveries that have been tried."""
    found: list[Json] = []

    async def are_tried() -> bool:
        found[:] = (await who.client.get(f"{path}/notify/deliveries")).body["deliveries"]
        return len([each for each in found if each["tries"]]) >= number

    await until(are_tried)
    return found


async def endpoints(site: Site) -> list[Json]:
    return await site.services.database["webhook_endpoints"].find({}, limit=10)


# --- what it is told --------------------------------------------------------------------------------------------------


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
    hooks = who.hooks()
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


# --- what its owner sees and does -------------------------------------------------------------------------------------


@pytest.mark.gen_test(timeout=60)
async def test_a_workflow_shows_how_its_notifications_go(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    assert (await who.make(chain(note())))["notify"] is None
    receiver.behave("a", answers(410))
    path = await told(who, receiver)
    at_first = (await who.client.get(path)).body["notify"]
    nothing_yet = {"active": True, "disabled": None, "failing_since": None, "last_delivery": None}
    assert at_first == {**nothing_yet, "waiting": 0, "dropped": 0}
    await who.client.post(f"{path}/execute", {})

    async def is_off() -> bool:
        return not (await who.client.get(path)).body["notify"]["active"]

    await until(is_off)
    seen = (await who.client.get(path)).body["notify"]
    assert "410" in seen["disabled"]["reason"] and seen["failing_since"] and seen["waiting"] == 1
    receiver.behave("a", answers(200))
    anew = (await who.client.request("PUT", path, {"notify_url": receiver.url("a")}, status=200)).body["notify"]
    assert (anew["active"], anew["disabled"]) == (True, None)


@pytest.mark.gen_test(timeout=60)
async def test_its_log_shows_deliveries_and_sends_one_again(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    path, other = await told(who, receiver), await told(who, receiver, "b")
    await who.client.post(f"{path}/execute", {})
    await arrived(receiver, "a")
    (delivery,) = await log(who, path)
    assert (delivery["event"], delivery["tries"], delivery["attempts"][0]["status"]) == ("workflow.executed", 1, 200)
    one = f"{path}/notify/deliveries/{delivery['id']}"
    assert (await who.client.get(one)).body["payload"].encode() == receiver.got["a"][0].body
    again = (await who.client.post(f"{one}/resend")).body
    first, second = await arrived(receiver, "a", 2)
    assert again["tries"] == 2 and second.headers["webhook-id"] == first.headers["webhook-id"] == again["message_id"]
    assert (await who.client.get(f"{other}/notify/deliveries")).body["total"] == 0
    await who.client.get(f"{other}/notify/deliveries/{delivery['id']}", status=404)


@pytest.mark.gen_test(timeout=60)
async def test_a_span_of_time_is_told_again_of_this_workflow_alone(site: Site, receiver: WebhookReceiver) -> None:
    who, begun_at = await Author.of(site), now()
    path, other = await told(who, receiver), await told(who, receiver, "b")
    for each in (path, other):
        await who.client.post(f"{each}/execute", {})
    (first,), _ = await arrived(receiver, "a"), await arrived(receiver, "b")
    await log(who, path)
    asked = {"from": begun_at.isoformat()}
    assert (await who.client.post(f"{path}/notify/replay", asked)).body == {"queued": 1}
    _, again = await arrived(receiver, "a", 2)
    assert (again.body, again.headers["webhook-id"]) == (first.body, first.headers["webhook-id"])
    assert len(receiver.got["b"]) == 1


@pytest.mark.gen_test(timeout=60)
async def test_a_replay_that_is_asked_for_again_by_its_key_queues_nothing_twice(
    site: Site, receiver: WebhookReceiver
) -> None:
    """At once too, and where the first one was cut off before its answer was kept."""
    who, begun_at, database = await Author.of(site), now(), site.services.database
    path = await told(who, receiver)
    await who.client.post(f"{path}/execute", {})
    await log(who, path)
    asked, key = {"from": begun_at.isoformat()}, {"Idempotency-Key": "again"}

    async def replayed() -> Json:
        answer: Json = (await who.client.post(f"{path}/notify/replay", asked, headers=key)).body
        return answer

    assert await asyncio.gather(*(replayed() for _ in range(5))) == [{"queued": 1}] * 5
    await database["idempotency"].delete_many({})
    assert await replayed() == {"queued": 1}
    await log(who, path, 2)
    assert await database["deliveries"].count({}) == 2
    await who.client.post(f"{path}/notify/replay", asked)
    await log(who, path, 3)


@pytest.mark.gen_test(timeout=60)
async def test_a_test_is_sent_at_once_and_says_so(site: Site, receiver: WebhookReceiver) -> None:
    who = await Author.of(site)
    sent = (await who.client.post(f"{await told(who, receiver)}/notify/test")).body
    (got,) = await arrived(receiver, "a")
    body = orjson.loads(got.body)
    assert (sent["status"], body["event"], body["data"]["test"]) == ("delivered", "workflow.executed", True)
    assert body["data"]["result"]["output"]


@pytest.mark.gen_test(timeout=60)
async def test_its_secret_may_be_given_and_be_changed_with_a_day_for_both(
    site: Site, receiver: WebhookReceiver
) -> None:
    who = await Author.of(site)
    made = await who.make(chain(note(said="x")), notify_url=receiver.url("a"), notify_secret="first-secret")
    path = f"{ALL}/{made['id']}"
    assert made["notify_secret"] == "first-secret" and "notify_secret" not in (await who.client.get(path)).body
    for _ in range(2):  # the same again changes nothing
        changed = (await who.client.request("PUT", path, {"notify_secret": "second-secret"}, status=200)).body
        assert changed["notify_secret"] == "second-secret"
    await who.begin(made)
    (got,) = await arrived(receiver, "a")
    assert got.headers["x-webhook-signature"] == signatures.plain(got.body, "second-secret")
    assert len(got.headers["webhook-signature"].split()) == 2
    for secret in ("first-secret", "second-secret"):
        assert signatures.verify(got.headers, got.body, [secret], now()) == got.headers["webhook-id"]
    moved = {"notify_url": receiver.url("b"), "notify_secret": "third-secret"}
    assert (await who.client.request("PUT", path, moved, status=200)).body["notify_secret"] == "third-secret"
    gone = {"notify_url": None, "notify_secret": "third-secret"}
    assert "notify_secret" in repr((await who.client.request("PUT", path, gone, status=400)).body)
