"""Webhooks as they are watched live on a WebSocket: each attempt, by whom it concerns and by nobody else."""

import asyncio
from typing import Any, Final

import pytest

from config import limits
from hub.api_keys import NewKey
from hub.realtime.broker import Publication
from hub.realtime.channels import ADMIN_WEBHOOKS, webhooks_channel
from hub.webhooks.receiver import PATH as RECEIVER
from tests.hooks import Owner, arrived, owner
from tests.site import Site
from tests.site_sockets import sockets_end
from tests.stand_ins.webhook_receiver import WebhookReceiver, answers, takes
from tests.ws_client import Client

__all__ = ["sockets_end"]

HEARS: Final = ("account:read", "credits:read")


async def connected(site: Site, token: str, path: str = "/ws") -> Client:
    client = await Client.open(site.port, path)
    assert (await client.request("connect", token=token))["type"] == "connected"
    return client


async def watching(site: Site, token: str, channel: str, path: str = "/ws") -> Client:
    client = await connected(site, token, path)
    assert await client.request("subscribe", channel=channel) == {"channel": channel}
    return client


async def a_key(who: Owner, *permissions: str) -> tuple[str, str]:
    """Its id and its secret."""
    key, secret = await who.site.services.api_keys.create(who.user, NewKey("sk_live_", "A key", sorted(permissions)))
    return key.document["_id"], secret


async def refused(client: Client, channel: str) -> str:
    return str((await client.request("subscribe", channel=channel))["error"]["code"])


def attempts(client: Client) -> list[dict[str, Any]]:
    """All that came so far."""
    return [frame for frame in client.frames if frame.get("type") == "webhook.attempt"]


@pytest.mark.gen_test
async def test_a_user_sees_each_attempt_at_a_delivery(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    watcher = await watching(site, who.token, webhooks_channel(who.user))
    receiver.behave("a", answers(500))
    hook = await who.hook(receiver.url("a"), "chat.completion")
    await who.asks()
    failed = await watcher.push("webhook.attempt")
    (delivery,) = (await who.client.get(f"{who.path}/{hook['id']}/deliveries")).body["deliveries"]
    assert (failed["webhook_id"], failed["delivery_id"]) == (hook["id"], delivery["id"])
    assert (failed["event"], failed["delivery_status"], failed["tries"]) == ("chat.completion", "waiting", 1)
    attempt = failed["attempt"]
    assert (attempt["status"], attempt["answer"], attempt["error"]) == (500, "status 500", None)
    receiver.behave("a", takes)
    await who.post(f"{hook['id']}/deliveries/{delivery['id']}/resend")
    taken = await watcher.push("webhook.attempt")
    assert (taken["delivery_id"], taken["delivery_status"], taken["tries"]) == (delivery["id"], "delivered", 2)
    assert (taken["attempt"]["status"], taken["attempt"]["answer"]) == (200, "thank you")
    ids = {received.headers["webhook-id"] for received in await arrived(receiver, "a", 2)}
    assert ids == {delivery["messageId"]}


@pytest.mark.gen_test
async def test_what_cannot_be_reached_and_what_is_tried_by_hand_shows_too(site: Site) -> None:
    who = await owner(site, "ai_playground")
    watcher = await watching(site, who.token, webhooks_channel(who.user), "/v1/ai/stream")
    hook = await who.hook("http://127.0.0.1:9/nobody", "quota.warning")
    tested = (await who.post(f"{hook['id']}/test"))["delivery"]
    told = await watcher.push("webhook.attempt")
    assert (told["delivery_id"], told["delivery_status"]) == (tested["id"], "dead") == (tested["id"], tested["status"])
    assert told["attempt"] == tested["attempts"][0]
    assert told["attempt"]["status"] is None and "cannot connect" in told["attempt"]["error"]


@pytest.mark.gen_test
async def test_what_was_delivered_stays_so_and_shows_that_it_was_not_taken_again(
    site: Site, receiver: WebhookReceiver
) -> None:
    who = await owner(site)
    watcher = await watching(site, who.token, webhooks_channel(who.user))
    hook = await who.hook(receiver.url("a"), "chat.completion")
    tested = await who.post(f"{hook['id']}/test")
    assert (await watcher.push("webhook.attempt"))["delivery_status"] == tested["status"] == "delivered"
    receiver.behave("a", answers(503))
    again = await who.post(f"{hook['id']}/deliveries/{tested['id']}/resend")
    told = await watcher.push("webhook.attempt")
    assert (told["delivery_status"], told["attempt"]["status"]) == ("delivered", 503)
    assert (again["status"], again["tries"]) == ("delivered", 2)
    assert [attempt["status"] for attempt in again["attempts"]] == [503, 200]


@pytest.mark.gen_test
async def test_nobody_else_hears_of_it(site: Site, receiver: WebhookReceiver) -> None:
    who, other, admin = await owner(site), await owner(site), await owner(site, "smart_ai_hub")
    channel = webhooks_channel(who.user)
    nobody = await Client.open(site.port)
    assert await refused(nobody, channel) == "AUTHENTICATION_FAILED"
    watchers = [
        await watching(site, other.token, webhooks_channel(other.user)),
        await watching(site, admin.token, ADMIN_WEBHOOKS),
        await watching(site, admin.token, webhooks_channel(admin.user)),
    ]
    for watcher in watchers:
        assert await refused(watcher, channel) == "RESOURCE_NOT_FOUND"
        assert await refused(watcher, "webhooks:") == "RESOURCE_NOT_FOUND"
    hook = await who.hook(receiver.url("a"), "chat.completion")
    own = await watching(site, who.token, channel)
    await who.post(f"{hook['id']}/test")
    await own.push("webhook.attempt")
    for watcher in watchers:
        await watcher.request("ping")
        assert attempts(watcher) == []
    await own.request("unsubscribe", channel=channel)
    await who.post(f"{hook['id']}/test")
    await own.request("ping")
    assert len(attempts(own)) == 1


@pytest.mark.gen_test
async def test_a_key_needs_the_permission_and_no_other(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    channel = webhooks_channel(who.user)
    without = await connected(site, (await a_key(who, *HEARS, "webhooks:write", "ai:read"))[1])
    error = (await without.request("subscribe", channel=channel))["error"]
    assert error["code"] == "AUTHORIZATION_FAILED" and "webhooks:read" in error["message"]
    with_it = await watching(site, (await a_key(who, "webhooks:read"))[1], channel)
    hook = await who.hook(receiver.url("a"), "chat.completion")
    await who.post(f"{hook['id']}/test")
    assert (await with_it.push("webhook.attempt"))["webhook_id"] == hook["id"]
    await without.request("ping")
    assert attempts(without) == []


@pytest.mark.gen_test
async def test_a_key_that_loses_the_permission_is_told_so_and_hears_no_more(
    site: Site, receiver: WebhookReceiver
) -> None:
    who = await owner(site)
    channel = webhooks_channel(who.user)
    key, secret = await a_key(who, *HEARS, "webhooks:read")
    watcher = await watching(site, secret, channel)
    hook = await who.hook(receiver.url("a"), "chat.completion")
    await who.post(f"{hook['id']}/test")
    await watcher.push("webhook.attempt")
    await site.services.api_keys.change(who.user, key, permissions=sorted(HEARS))
    lost = await watcher.push("subscription.lost")
    assert (lost["channel"], lost["error"]["code"]) == (channel, "AUTHORIZATION_FAILED")
    await who.post(f"{hook['id']}/test")
    await watcher.request("ping")
    assert len(attempts(watcher)) == 1
    assert await refused(watcher, channel) == "AUTHORIZATION_FAILED"


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/ws", "/ws/admin"])
async def test_an_administrator_sees_the_hubs_own_and_what_its_receiver_takes(site: Site, path: str) -> None:
    """Which takes each id once: the second is a retry."""
    admin = await owner(site, "smart_ai_hub")
    watcher = await watching(site, admin.token, ADMIN_WEBHOOKS, path)
    hook = await admin.hook(f"http://127.0.0.1:{site.port}{RECEIVER}", "user.created")
    await site.register()
    told = await watcher.push("webhook.attempt")
    assert (told["webhook_id"], told["event"], told["delivery_status"]) == (hook["id"], "user.created", "delivered")
    delivery = await admin.get(f"{hook['id']}/deliveries/{told['delivery_id']}")
    received = await watcher.push("webhook.received")
    assert (received["webhook_id"], received["message_id"]) == (hook["id"], delivery["messageId"])
    await admin.post(f"{hook['id']}/deliveries/{told['delivery_id']}/resend")
    assert (await watcher.push("webhook.attempt"))["tries"] == 2
    await watcher.request("ping")
    assert [frame for frame in watcher.pushes if frame["type"] == "webhook.received"] == []


@pytest.mark.gen_test
async def test_the_hubs_own_are_administrators_alone(site: Site) -> None:
    """Not their API keys', and no longer theirs who are none any more."""
    user, admin = await owner(site), await owner(site, "smart_ai_hub")
    await owner(site, "smart_ai_hub")  # another: the last one stays
    assert await refused(await connected(site, user.token), ADMIN_WEBHOOKS) == "AUTHORIZATION_FAILED"
    key = (await a_key(admin, *HEARS, "webhooks:read"))[1]
    assert await refused(await connected(site, key), ADMIN_WEBHOOKS) == "AUTHORIZATION_FAILED"
    watcher = await watching(site, admin.token, ADMIN_WEBHOOKS)
    await site.services.identities.change_user(admin.user, {"role": "user"})
    assert (await watcher.push("subscription.lost"))["channel"] == ADMIN_WEBHOOKS


@pytest.mark.gen_test
async def test_who_reads_too_slowly_misses_attempts_and_keeps_the_connection(site: Site) -> None:
    who = await owner(site)
    channel = webhooks_channel(who.user)
    deaf = await Client.open(site.port, receive_buffer=4_096)
    await deaf.request("connect", token=who.token)
    await deaf.request("subscribe", channel=channel)
    sent, size = 0, 10_000
    while site.services.connections.queued_bytes <= limits.ADMIN_QUEUE_BYTES:
        site.services.broker.publish(channel, _an_attempt(size))
        await asyncio.sleep(0)
        sent += 1
    queued = site.services.connections.queued_bytes
    for _ in range(20):
        site.services.broker.publish(channel, _an_attempt(size))
    assert site.services.connections.queued_bytes <= queued
    await deaf.request("ping")
    assert 0 < len(attempts(deaf)) <= sent


def _an_attempt(size: int) -> Publication:
    attempt = {"at": "2026-11-28T00:00:00.000Z", "status": 200, "duration_ms": 5, "answer": "", "error": "x" * size}
    told = {"webhook_id": "wh_1", "delivery_id": "dlv_1", "event": "e", "delivery_status": "delivered", "tries": 1}
    return Publication("notice", "webhook.attempt", {**told, "attempt": attempt})


@pytest.mark.gen_test
async def test_vectors_that_were_paid_for_are_an_event_of_their_user(site: Site, receiver: WebhookReceiver) -> None:
    who = await owner(site)
    await who.hook(receiver.url("a"), "embedding.completed")
    socket = await connected(site, who.token)
    body = {"model": "text-embedding-3-small", "input": "Hello"}
    answer = (await who.client.post("/v1/embeddings", body, plain=True)).body
    event = (await socket.event("embedding.completed"))["event"]["data"]
    assert (event["model"], event["api"], event["receipt"]) == (
        body["model"],
        "ai_aggregator",
        answer["hub"]["receipt"],
    )
    assert event["usage"] == {"prompt_tokens": answer["usage"]["prompt_tokens"], "completion_tokens": 0}
    (received,) = await arrived(receiver, "a")
    assert b'"type":"embedding.completed"' in received.body and event["request_id"].encode() in received.body
