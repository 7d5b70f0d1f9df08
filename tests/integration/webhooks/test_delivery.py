"""How webhooks are delivered: each at least once, in order, whatever the receiver does, and nobody waits for another."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from config import outgoing
from hub.services import Services
from models import deliveries, webhook_queues
from models.clock import now
from models.webhook_endpoints import WEBHOOK_ENDPOINTS
from models.webhook_queues import WEBHOOK_QUEUES
from tests.hooks import Owner, arrived, happens, owner, payload
from tests.patience import until
from tests.site import Site
from tests.stand_ins.webhook_receiver import (
    WebhookReceiver,
    answers,
    endlessly,
    hangs,
    resets,
    slowly,
    takes,
)

# A thousandth of the real pauses, so that all of them pass in some minutes' place.
QUICK = tuple(seconds / 1_000 for seconds in outgoing.WEBHOOK_RETRY_SECONDS[:5])


async def numbered(who: Owner, first: int, last: int) -> None:
    """Events with these numbers, in this order."""
    await asyncio.gather(*(happens(who, "credit.adjusted", {"amount": number}) for number in range(first, last + 1)))


def numbers(receiver: WebhookReceiver, path: str) -> list[int]:
    """In the order in which they first came."""
    seen = dict.fromkeys(payload(received)["data"]["amount"] for received in receiver.got[path])
    return list(seen)


def hurry(site: Site, *retry_seconds: float) -> None:
    """Let this hub's retries come sooner than the world's."""
    site.services.webhooks.sender.retry_seconds = retry_seconds or QUICK


async def log_of(who: Owner, hook: dict[str, Any], query: str = "") -> list[dict[str, Any]]:
    answer = await who.client.get(f"{who.path}/{hook['id']}/deliveries?sort=asc&limit=100{query}")
    found: list[dict[str, Any]] = answer.body["deliveries"]
    return found


@pytest.mark.gen_test
async def test_events_come_in_order_and_once(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    await numbered(who, 1, 250)
    got = await arrived(receiver, "a", 250)
    assert [payload(one)["data"]["amount"] for one in got] == list(range(1, 251))
    assert len({one.headers["webhook-id"] for one in got}) == 250
    await until(lambda: _idle(site, hook))
    assert (await who.get(hook["id"]))["waiting"] == 0 and len(receiver.got["a"]) == 250


async def _idle(site: Site, hook: dict[str, Any]) -> bool:
    """Something was sent, and nothing is left to be."""
    queue = await site.services.database[WEBHOOK_QUEUES].find_one({"_id": hook["id"]})
    return queue is not None and queue["due_at"] is None


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(answers(500), id="500"),
        pytest.param(answers(404), id="404"),
        pytest.param(answers(301, Location="/b"), id="redirect"),
        pytest.param(resets, id="reset"),
        pytest.param(endlessly(503, b"x" * 65_536, 0), id="endless 503"),
    ],
)
@pytest.mark.gen_test
async def test_what_fails_comes_again_under_its_id_before_all_others(
    site: Site, receiver: WebhookReceiver, fault: Any
) -> None:
    who = await owner(site)
    hurry(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    receiver.behave("a", fault)
    await numbered(who, 1, 3)
    first = (await arrived(receiver, "a", 2))[0]
    receiver.behave("a", takes)
    await until(lambda: numbers(receiver, "a") == [1, 2, 3])
    assert "b" not in receiver.got, "no redirect is followed"
    again = [one for one in receiver.got["a"] if one.headers["webhook-id"] == first.headers["webhook-id"]]
    assert len(again) >= 3 and {one.body for one in again} == {first.body}
    await until(lambda: _idle(site, hook))
    (log, *rest) = await log_of(who, hook)
    requests = 2 * log["tries"] - 1 if fault is resets else log["tries"]  # a connection that ends is tried once more
    assert (log["status"], requests) == ("delivered", len(again)) and [one["tries"] for one in rest] == [1, 1]
    failed, last = log["attempts"][-1], log["attempts"][0]
    assert last["status"] == 200 and last["answer"] == "thank you" and last["error"] is None
    assert failed["status"] != 200 and failed["durationMs"] >= 0


@pytest.mark.gen_test
async def test_a_receiver_that_is_down_gets_everything_once_it_is_up(site: Site) -> None:
    who = await owner(site)
    hurry(site, *[0.05] * 500)
    down = WebhookReceiver()
    async with down:
        hook = await who.hook(down.url("a"), "credit.adjusted")
    await numbered(who, 1, 5)
    await until(lambda: _tried(site, hook, 3))
    assert await _is_failing(who, hook)
    async with down:
        await until(lambda: numbers(down, "a") == [1, 2, 3, 4, 5])
    (log, *_) = await log_of(who, hook)
    assert "cannot connect" in log["attempts"][-1]["error"] and log["attempts"][-1]["status"] is None
    await until(lambda: _idle(site, hook))
    assert not await _is_failing(who, hook)


async def _tried(site: Site, hook: dict[str, Any], number: int) -> bool:
    first = await deliveries.first_waiting(site.services.database, hook["id"], 0, 1)
    return bool(first and first[0]["tries"] >= number)


@pytest.mark.parametrize("asked", ["2", "date"])
@pytest.mark.gen_test
async def test_retry_after_is_honoured(site: Site, receiver: WebhookReceiver, asked: str) -> None:
    who = await owner(site)
    hurry(site)
    await who.hook(receiver.url("a"), "credit.adjusted")
    moment = format_datetime(now() + timedelta(seconds=3), usegmt=True) if asked == "date" else asked
    receiver.behave("a", answers(429, **{"Retry-After": moment}))
    await numbered(who, 1, 1)
    (first,) = await arrived(receiver, "a")
    receiver.behave("a", takes)
    (_, second) = await arrived(receiver, "a", 2)
    assert second.at - first.at >= 1.9


@pytest.mark.gen_test
async def test_one_that_is_gone_is_switched_off_and_its_owner_told(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    receiver.behave("a", answers(410))
    await numbered(who, 1, 3)
    await until(lambda: _is_off(who, hook))
    shown = await who.get(hook["id"])
    assert "410" in shown["disabled"]["reason"] and len(receiver.got["a"]) == 1
    assert "Webhook switched off" in await _titles(who)
    await numbered(who, 4, 4)  # nobody listens now
    receiver.behave("a", takes)
    await who.put(hook["id"], {"active": True})
    await until(lambda: numbers(receiver, "a") == [1, 2, 3])
    assert (await who.get(hook["id"]))["disabled"] is None
    assert [(one["status"], one["tries"]) for one in await log_of(who, hook)] == [
        *(("delivered", 2), ("delivered", 1), ("delivered", 1))
    ]


async def _is_off(who: Owner, hook: dict[str, Any]) -> bool:
    return not (await who.get(hook["id"]))["active"]


async def _titles(who: Owner) -> list[str]:
    answer = await who.client.get("/api/notifications", dialect="smart_ai_hub")
    return [note["title"] for note in answer.data]


@pytest.mark.gen_test
async def test_after_five_days_of_failure_it_is_switched_off(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site, "smart_ai_hub")
    hurry(site, 1.0, 1.0)
    hook = await who.hook(receiver.url("a"), "user.updated")
    receiver.behave("a", answers(500))
    await happens(who, "user.updated", {"changed": []})
    await until(lambda: _is_failing(who, hook))
    since = {"$set": {"failing_since": now() - timedelta(days=outgoing.WEBHOOK_FAILING_DAYS_MAX)}}
    await site.services.database[WEBHOOK_QUEUES].update_one({"_id": hook["id"]}, since)
    await until(lambda: _is_off(who, hook))
    assert "5 days" in (await who.get(hook["id"]))["disabled"]["reason"]
    await until(lambda: _was_told(who, "Webhook switched off"))


async def _is_failing(who: Owner, hook: dict[str, Any]) -> bool:
    return (await who.get(hook["id"]))["failingSince"] is not None


async def _was_told(who: Owner, title: str) -> bool:
    return title in await _titles(who)


@pytest.mark.gen_test
async def test_a_poisonous_event_dies_and_lets_the_next_ones_through(site: Site, receiver: WebhookReceiver) -> None:
    """And keeps nobody else waiting meanwhile; its owner is told, and may send it again."""
    who, other = await owner(site), await owner(site)
    hurry(site, *[0.02] * 8)
    bad = await who.hook(receiver.url("bad"), "credit.adjusted")
    await other.hook(receiver.url("good"), "credit.adjusted")
    receiver.behave("bad", answers(500))
    await numbered(who, 1, 1)
    for number in range(1, 21):
        sent = asyncio.get_running_loop().time()
        await numbered(other, number, number)
        got = await arrived(receiver, "good", number)
        assert got[-1].at - sent < 1.0
    await until(lambda: _was_told(who, "Webhook not delivered"))
    assert len(receiver.got["bad"]) == 9
    (dead,) = await log_of(who, bad, "&status=dead")
    receiver.behave("bad", takes)
    await numbered(who, 2, 2)
    await until(lambda: numbers(receiver, "bad") == [1, 2])
    sent_again = await who.post(f"{bad['id']}/deliveries/{dead['id']}/resend")
    assert (sent_again["status"], sent_again["tries"]) == ("delivered", 10)
    last = receiver.got["bad"][-1]
    assert last.headers["webhook-id"] == dead["messageId"] == receiver.got["bad"][0].headers["webhook-id"]


@pytest.mark.gen_test
async def test_slow_and_hanging_receivers_keep_nobody_waiting(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    for number in range(20):
        receiver.behave(f"slow{number}", hangs if number % 2 else slowly(1.0))
        await who.hook(receiver.url(f"slow{number}"), "credit.adjusted")
    await who.hook(receiver.url("good"), "credit.adjusted")
    await numbered(who, 1, 10)
    began = asyncio.get_running_loop().time()
    got = await arrived(receiver, "good", 10)
    assert numbers(receiver, "good") == list(range(1, 11)) and got[-1].at - began < 1.0


@pytest.mark.gen_test
async def test_an_endless_answer_of_success_is_a_success(site: Site, receiver: WebhookReceiver) -> None:
    """Of it no more than a little is read and kept."""
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    receiver.behave("a", endlessly(200, b"x" * 65_536, 0))
    await numbered(who, 1, 3)
    await until(lambda: _idle(site, hook))
    log = await log_of(who, hook)
    assert [(one["status"], one["tries"]) for one in log] == [("delivered", 1)] * 3
    assert all(len(one["attempts"][0]["answer"]) == outgoing.OUTBOUND_TEXT_CHARS_MAX for one in log)


@pytest.mark.gen_test
async def test_a_full_queue_loses_no_more_than_it_says(
    site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "WEBHOOK_WAITING_MAX", 5)
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    receiver.behave("a", answers(429, **{"Retry-After": "3600"}))
    await numbered(who, 1, 8)
    await until(lambda: _dropped(who, hook, 3))
    assert (await who.get(hook["id"]))["waiting"] == 5
    await until(lambda: _was_told(who, "Webhook overflows"))
    receiver.behave("a", takes)
    await who.put(hook["id"], {"active": True})
    await until(lambda: numbers(receiver, "a") == [1, 2, 3, 4, 5])
    await until(lambda: _idle(site, hook))
    monkeypatch.undo()
    answer = await who.post(f"{hook['id']}/replay", {"from": (now() - timedelta(minutes=5)).isoformat()})
    assert answer == {"queued": 8}
    await until(lambda: numbers(receiver, "a") == [1, 2, 3, 4, 5, 6, 7, 8])


async def _dropped(who: Owner, hook: dict[str, Any], number: int) -> bool:
    return bool((await who.get(hook["id"]))["dropped"] == number)


@pytest.mark.gen_test
async def test_a_rotated_secret_is_good_beside_the_old_one(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    rotated = await who.post(f"{hook['id']}/rotate-secret")
    assert rotated["secret"].startswith("whsec_")
    await numbered(who, 1, 1)
    (received,) = await arrived(receiver, "a")
    for secret in (hook["signing_secret"], rotated["secret"]):
        assert Webhook(secret).verify(received.body.decode(), received.headers)
    await until(lambda: _idle(site, hook))
    past = {"$set": {"previous.0.until": now()}}
    await site.services.database[WEBHOOK_ENDPOINTS].update_one({"_id": hook["id"]}, past)
    await numbered(who, 2, 2)
    (_, received) = await arrived(receiver, "a", 2)
    assert len(received.headers["webhook-signature"].split(" ")) == 1
    assert Webhook(rotated["secret"]).verify(received.body.decode(), received.headers)


@pytest.mark.gen_test
async def test_secrets_are_good_for_a_day_each_and_a_given_one_ends_them(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    made = [hook["signing_secret"]] + [(await who.post(f"{hook['id']}/rotate-secret"))["secret"] for _ in range(2)]
    await numbered(who, 1, 1)
    (received,) = await arrived(receiver, "a")
    assert all(Webhook(secret).verify(received.body.decode(), received.headers) for secret in made)
    await who.put(hook["id"], {"secret": "whsec_" + "QUJD" * 8})
    await numbered(who, 2, 2)
    (_, received) = await arrived(receiver, "a", 2)
    assert len(received.headers["webhook-signature"].split(" ")) == 1


@pytest.mark.gen_test
async def test_of_what_waits_the_first_may_be_sent_by_hand_and_that_takes_no_attempt_away(
    site: Site, receiver: WebhookReceiver
) -> None:
    who = await owner(site)
    hurry(site, 3_600, 3_600)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    receiver.behave("a", answers(500))
    await numbered(who, 1, 3)
    await until(lambda: _tried(site, hook, 1))
    first, second, _ = await log_of(who, hook)
    resent = [await who.post(f"{hook['id']}/deliveries/{first['id']}/resend") for _ in range(5)]
    assert [(one["status"], one["tries"]) for one in resent] == [("waiting", tries) for tries in range(2, 7)]
    refused = await who.post(f"{hook['id']}/deliveries/{second['id']}/resend", status=409)
    assert first["id"] in str(refused.body)
    receiver.behave("a", takes)
    assert (await who.post(f"{hook['id']}/deliveries/{first['id']}/resend"))["status"] == "delivered"
    await until(lambda: numbers(receiver, "a") == [1, 2, 3])


@pytest.mark.gen_test
async def test_what_an_endpoint_is_changed_to_counts_for_what_waits(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    receiver.behave("a", answers(500))
    await numbered(who, 1, 2)
    await arrived(receiver, "a")
    await who.put(hook["id"], {"url": receiver.url("b"), "active": True})
    await until(lambda: numbers(receiver, "b") == [1, 2])


@pytest.mark.gen_test
async def test_a_removed_endpoint_leaves_nothing(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    hook = await who.hook(receiver.url("a"), "credit.adjusted")
    receiver.behave("a", answers(500))
    await numbered(who, 1, 2)
    await arrived(receiver, "a")
    await who.client.request("DELETE", f"{who.path}/{hook['id']}", status=200)
    database = site.services.database
    await until(lambda: _none_left(site, hook))
    assert await webhook_queues.waiting(database) == (0, None)


async def _none_left(site: Site, hook: dict[str, Any]) -> bool:
    database = site.services.database
    left = await database["deliveries"].count({"endpoint": hook["id"]})
    return not left + await database[WEBHOOK_QUEUES].count({"_id": hook["id"]})


@pytest.fixture
def three(site: Site, open_hub: Callable[..., Services]) -> Site:
    """A served hub beside two others on its database, all of which queue and send."""
    for _ in range(2):
        open_hub()
    return site


@pytest.mark.gen_test
async def test_several_processes_share_the_work_and_keep_the_order(three: Site, receiver: WebhookReceiver) -> None:
    """None sends what another sends."""
    site = three
    who = await owner(site)
    for path in "abc":
        await who.hook(receiver.url(path), "credit.adjusted")
    await numbered(who, 1, 100)
    for path in "abc":
        await arrived(receiver, path, 100)
        assert [payload(one)["data"]["amount"] for one in receiver.got[path]] == list(range(1, 101))
