"""What an owner sees and does of a workflow's `notify_url`: how it goes, its log, one sent again, a span of time, a test."""

from collections.abc import Callable

import orjson
import pytest

from hub.webhooks import signatures
from models.clock import now
from tests.hooks import arrived
from tests.integration.workflows.author import Author, chain, note
from tests.integration.workflows.owner import ALL, Json
from tests.patience import until
from tests.site import Site
from tests.stand_ins.webhook_receiver import WebhookReceiver, answers


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
