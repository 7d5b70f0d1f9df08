"""The live monitoring: samples of the last hour first, then one a second; a tail of events without a word of anybody's."""

import asyncio
import resource
import sys
import time
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from config import limits
from hub.committer import Committed
from hub.event_tail import shown
from hub.identity_cache import Credential
from hub.realtime import channels, close_codes
from hub.realtime.broker import Publication, user_channel
from hub.realtime.connection import Entrance
from hub.realtime.outbox import Outbox
from hub.realtime.subscriptions import EventFilters, EventListener
from models.clock import now
from tests.factories import tell
from tests.hooks import owner
from tests.integration.monitor.watching import (
    EVENTS,
    METRICS,
    administrator,
    events,
    history,
    live,
    sample_now,
    sample_with,
    samples,
)
from tests.patience import until, within
from tests.site import Site
from tests.ws_client import Client, Refused

_OF_WEBHOOKS = ("webhook_backlog", "webhook_oldest_seconds", "webhooks_per_second", "webhook_failures_per_second")


def _event(number: int = 1, **fields: Any) -> dict[str, Any]:
    event = {"channel": "user:user_1", "epoch": "e", "offset": number, "type": "test.made", "data": {}}
    return {**event, "created_at": now(), **fields}


@pytest.mark.gen_test
async def test_kept_samples_come_first_then_one_a_second(site: Site) -> None:
    await until(lambda: len(site.services.monitor._rows) >= 2)
    client, _ = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    samples, count = await history(client)
    assert len(samples) >= 2 and count == 1
    live = [(await client.push("admin.metrics"))["sample"]["time"] for _ in range(2)]
    times = [sample[0] for sample in samples] + live
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert min(steps) > 0 and 0.7 < sum(steps) / len(steps) < 3, steps  # a late one is made up for by the next
    assert median(steps) < 1.6, steps
    assert abs(live[-1] - time.time()) < 2
    await client.request("subscribe", channel=METRICS)  # twice is once
    await client.request("ping")
    assert not [frame for frame in client.pushes if frame["type"] == "admin.metrics.history"]
    await client.request("unsubscribe", channel=METRICS)
    client.pushes.clear()
    await until(lambda: len(site.services.monitor._rows) > len(samples) + 3)
    await client.request("ping")
    assert client.pushes == []


@pytest.mark.gen_test
async def test_a_second_without_file_descriptors_is_not_the_last(site: Site) -> None:
    monitor = site.services.monitor
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with capture_logs() as logs:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        try:
            await until(lambda: "the monitor has missed a second" in [entry["event"] for entry in logs])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        kept = len(monitor._rows)
        await until(lambda: len(monitor._rows) >= kept + 2)


@pytest.mark.gen_test
async def test_an_hour_is_kept_and_no_more(site: Site) -> None:
    monitor = site.services.monitor
    site.services.metrics.tally.counts.latency.add(0.123456)
    sample_now(site)
    for _ in range(limits.METRIC_SAMPLES_MAX + 100):
        monitor.sample()
    size = sys.getsizeof(monitor._rows) + sum(map(sys.getsizeof, monitor._rows))
    assert len(monitor._rows) == limits.METRIC_SAMPLES_MAX == 3_600 and size < 1 << 20, size
    client, _ = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    samples, count = await history(client)
    assert len(samples) == limits.METRIC_SAMPLES_MAX and 3 < count < 20
    assert [sample[0] for sample in samples] == sorted(sample[0] for sample in samples)


@pytest.mark.gen_test
async def test_figures_are_those_of_what_happens(site: Site) -> None:
    client, _ = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    token = await site.token()
    api = site.client(token=token)
    for _ in range(5):
        await api.get("/api/users/me")
    sample = await sample_with(client, lambda one: one["requests_per_second"] > 0 and one["users"])
    assert 0 < sample["latency_p50_ms"] <= sample["latency_p95_ms"] <= sample["latency_p99_ms"] < 5_000
    assert (sample["nodes"], sample["sockets"], sample["users"], sample["drift"]) == (1, 1, 1, 0)
    assert sample["error_rate"] == 0
    assert (await sample_with(client, lambda one: not one["requests_per_second"]))["error_rate"] is None
    assert sample["memory_bytes"] > 20 << 20 and sample["cpu_percent"] >= 0
    asker = await Client.open(site.port)
    await asker.request("connect", token=token)
    started = await asker.request("chat.start", model="gpt-4", message="hello", max_tokens=20)
    await asker.answer_of(started["stream_id"])
    spent = await sample_with(client, lambda one: one["credits_per_second"] > 0)
    assert spent["sockets"] == spent["users"] == 2 and spent["events_per_second"] > 0
    first = [one for one in samples(client) if one["first_token_p50_ms"] is not None]
    assert first and all(0 < one["first_token_p50_ms"] <= one["first_token_p95_ms"] for one in first)
    site.services.metrics.request("smart_ai_hub", 503, 0.1)
    failing = await sample_with(client, lambda one: one["errors_per_second"] > 0)
    assert failing["requests_per_second"] >= failing["errors_per_second"] and 0 < failing["error_rate"] <= 1


@pytest.mark.gen_test
async def test_open_holds_and_streams_show_while_an_answer_runs(site: Site) -> None:
    client, _ = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    started = await client.request("chat.start", model="gpt-4", message="hello", max_tokens=400)
    await sample_with(client, lambda one: one["holds"] == one["streams"] == 1)
    await client.request("chat.stop", stream_id=started["stream_id"])
    await client.answer_of(started["stream_id"])
    await sample_with(client, lambda one: one["holds"] == 0 and one["streams"] == 0)


@pytest.mark.gen_test
async def test_webhooks_that_wait_show(site: Site) -> None:
    client, _ = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    idle = (await client.push("admin.metrics"))["sample"]
    assert [idle[name] for name in _OF_WEBHOOKS] == [0, 0, 0, 0]
    who = await owner(site)
    hook = await who.hook("http://127.0.0.1:9/nobody-listens", "chat.completion")
    await who.asks()
    failing = await sample_with(client, lambda one: one["webhook_failures_per_second"] > 0)
    assert failing["webhooks_per_second"] == failing["webhook_failures_per_second"]
    await who.asks()
    waiting = await sample_with(client, lambda one: one["webhook_backlog"] == 2)
    assert waiting["webhook_oldest_seconds"] > 0
    assert b"hub_webhook_backlog 2.0" in site.services.metrics.exposition()
    await who.client.request("DELETE", f"{who.path}/{hook['id']}", status=200)
    await sample_with(client, lambda one: one["webhook_backlog"] == one["webhook_oldest_seconds"] == 0)


@pytest.mark.gen_test
async def test_bytes_that_wait_for_a_slow_client_show(site: Site) -> None:
    services = site.services
    client, _ = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    deaf = await Client.open(site.port, receive_buffer=4_096)
    reply = await deaf.request("connect", token=await site.token())
    channel, position = user_channel(reply["user"]["id"]), reply["position"]
    assert (await sample_with(client, lambda one: True))["queue_bytes"] == 0
    for number in range(1, 400):
        event = Publication("event", "big", {"fill": "x" * 10_000}, position["epoch"], position["offset"] + number)
        services.broker.publish(channel, event)
        await asyncio.sleep(0)
        if services.connections.queued_bytes > 20_000:
            break
    queued = services.connections.queued_bytes
    sample_now(site)
    assert 20_000 < queued == (await sample_with(client, lambda one: one["queue_bytes"]))["queue_bytes"]


@pytest.mark.gen_test
async def test_a_wallet_that_does_not_add_up_shows(site: Site) -> None:
    services = site.services
    client, user = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    for more, drifting in ((1, 1), (-1, 0)):
        change = {"$inc": {"credits": more}, "$set": {"updated_at": now()}}
        await services.database["wallets"].update_one({"_id": user}, change)
        services.metrics.drift(await services.drift.check())
        sample_now(site)
        await sample_with(client, lambda one, wanted=drifting: one["drift"] == wanted)


@pytest.mark.gen_test
async def test_events_are_chosen_by_type_and_user(site: Site) -> None:
    client, _ = await administrator(site)
    mine = (await site.register())["data"]["user"]["id"]
    other = (await site.register())["data"]["user"]["id"]
    await client.request("subscribe", channel=EVENTS, filters={"types": ["notification.*"], "users": [mine]})
    note = await tell(site.services, mine, "T", "M")
    await tell(site.services, other, "T", "M")
    await site.services.notifications.mark_read(mine, [note])
    came, dropped = await events(client, lambda came, _: came and came[-1]["type"] == "notification.read")
    assert {event["type"] for event in came} == {"notification.created", "notification.read"}
    assert {event["user"] for event in came} == {mine}
    assert came[-1]["data"] == {"ids": [note]} and dropped == 0
    await client.request("subscribe", channel=EVENTS, filters={"types": ["user.created"]})  # the last ones count
    third = (await site.register())["data"]["user"]["id"]
    came, _ = await events(client, lambda came, _: came)
    assert [(event["type"], event["user"]) for event in came] == [("user.created", third)]
    many = {"types": [f"t{number}" for number in range(limits.ADMIN_FILTERS_MAX + 1)]}
    for channel, filters in ((METRICS, {}), (EVENTS, {"what": []}), (EVENTS, {"types": "chat"}), (EVENTS, many)):
        client.send_text(orjson.dumps({"id": 99, "type": "subscribe", "channel": channel, "filters": filters}).decode())
        assert (await client.reply(99))["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.gen_test
async def test_no_word_address_or_credential_is_in_it(site: Site) -> None:
    client, _ = await administrator(site, "/ws/admin")
    life = await live(site)
    came, _ = await events(client, life.is_told)
    told = orjson.dumps([frame for frame in client.frames if frame["type"].startswith("admin.")]).decode()
    assert not [secret for secret in life.secrets if secret in told]
    completed = next(event for event in came if event["type"] == "chat.completed")
    assert completed["data"]["model"] == "gpt-4" and completed["data"]["stream_id"] == life.stream


def test_only_what_is_known_to_be_harmless_is_shown() -> None:
    key = "sk_" + "live_0123456789abcdef"
    data = {
        "stream_id": "stream_1",
        "title": "a prompt",
        "email": "a@example.org",
        "amount": 1.5,
        "type": "two words",
        "id": key,
        "model": "eyJhbGciOi.eyJzdWIi.c2ln",
        "kind": "whsec_abc",
        "detail": "a@example.org",
        "ids": ["notif_1"],
        "status": ["a b"],
        "all": True,
        "receipt": {"charged": 0.1, "secret": "x"},
    }
    expected = {"stream_id": "stream_1", "amount": 1.5, "ids": ["notif_1"], "all": True, "receipt.charged": 0.1}
    assert shown(data) == expected
    assert shown({"ids": ["x"] * (limits.ADMIN_EVENT_IDS_MAX + 1)}) == {}


@pytest.mark.gen_test
async def test_a_flood_is_cut_and_counted(site: Site) -> None:
    client, _ = await administrator(site)
    await client.request("subscribe", channel=EVENTS)
    await asyncio.sleep(0)
    total = 5_000
    started = time.process_time()
    site.services.monitor.committed(Committed([], [_event(number) for number in range(total)], 1, 0))
    assert time.process_time() - started < 1
    came, dropped = await events(
        client, lambda came, dropped: sum(event["type"] == "test.made" for event in came) + dropped >= total
    )
    made = [event for event in came if event["type"] == "test.made"]
    assert len(made) + dropped == total and len(made) <= limits.ADMIN_EVENTS_AT_ONCE
    await client.request("ping")


class _Pipe:
    """A socket that takes nothing more once it is `full`, and remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.full = False
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def write(self, data: bytes) -> "asyncio.Future[None] | None":
        self.taken.append(data)
        return self.left if self.full else None

    def close(self, code: int, reason: str) -> None: ...

    def close_hard(self) -> None: ...


def _batch(number: int, dropped: int = 0) -> Publication:
    events = [{"type": "t", "user": "u", "offset": one, "created_at": "", "data": {}} for one in range(number)]
    return Publication("notice", "admin.events", {"events": events, "dropped": dropped})


@pytest.mark.gen_test
async def test_a_slow_listener_loses_events_and_hears_how_many() -> None:
    pipe = _Pipe()
    cut: list[bool] = []
    outbox = Outbox(pipe, lambda: cut.append(True))
    listener = EventListener(outbox, EventFilters())
    pipe.full = True
    for _ in range(100):
        listener(EVENTS, _batch(100, dropped=1))
    assert not cut and outbox.queued_bytes < 2 * limits.ADMIN_QUEUE_BYTES
    pipe.full = False
    pipe.left.set_result(None)
    await until(lambda: outbox.queued_bytes == 0)
    listener(EVENTS, _batch(100))
    sent = b"".join(pipe.taken)
    told = [int(part.split(b"}")[0]) for part in sent.split(b'"dropped":')[1:]]
    assert sent.count(b'"offset"') + sum(told) == 100 * 101 + 100
    outbox.close()


@pytest.mark.gen_test
async def test_a_push_to_many_is_encoded_once() -> None:
    pipes = [_Pipe() for _ in range(3)]
    publication = _batch(3)
    for pipe in pipes:
        EventListener(Outbox(pipe, lambda: None), EventFilters())(EVENTS, publication)
    assert all(pipe.taken[0] is publication.frame for pipe in pipes)


# --- who may listen ---


async def _something_was_told(site: Site) -> None:
    """Return when both channels have carried something: one who may listen has heard it."""
    witness, _ = await administrator(site, "/ws/admin")
    await history(witness)
    sample_now(site)
    await witness.push("admin.metrics")
    await site.register()
    await events(witness, lambda came, _: came)


@pytest.mark.gen_test
async def test_the_administrators_socket_has_both_channels(site: Site) -> None:
    client, _ = await administrator(site, "/ws/admin")
    await history(client)
    await client.push("admin.metrics")
    await site.register()
    came, _ = await events(client, lambda came, _: "user.created" in [event["type"] for event in came])
    assert came
    by_header = {"Authorization": f"Bearer {await site.admin_token()}"}
    second = await Client.open(site.port, "/ws/admin", by_header)
    await second.request("connect")
    await history(second)


@pytest.mark.gen_test
async def test_others_do_not_enter(site: Site) -> None:
    token = await site.token()
    with pytest.raises(Refused) as refused:
        await Client.open(site.port, "/ws/admin", {"Authorization": f"Bearer {token}"})
    assert refused.value.status == 403
    assert orjson.loads(refused.value.body)["error"]["code"] == "AUTHORIZATION_FAILED"
    client = await Client.open(site.port, "/ws/admin")
    assert "error" in await client.request("subscribe", channel=METRICS)
    assert (await client.request("connect", token=token))["error"]["code"] == "AUTHORIZATION_FAILED"
    assert await client.close_code() == close_codes.NOT_ADMINISTRATOR
    plain = await Client.open(site.port)
    await plain.request("connect", token=token)
    for channel in (METRICS, EVENTS):
        assert (await plain.request("subscribe", channel=channel))["error"]["code"] == "AUTHORIZATION_FAILED"
    await _something_was_told(site)
    await plain.request("ping")
    assert not [frame for one in (client, plain) for frame in one.frames if frame.get("type", "").startswith("admin.")]


@pytest.mark.gen_test
async def test_an_api_key_is_no_administrator(site: Site) -> None:
    identity = await site.services.identities.resolve(Credential("bearer", await site.admin_token()))
    entrance = Entrance(channels=channels.ADMIN_CHANNELS)
    assert entrance.admits(identity)
    assert not entrance.admits(replace(identity, kind="key"))
    assert Entrance().admits(replace(identity, kind="key"))


@pytest.mark.gen_test
async def test_who_is_demoted_is_cut_within_a_second(site: Site) -> None:
    client, user = await administrator(site, "/ws/admin")
    await history(client)
    async with within(1):
        await site.services.identities.change_user(user, {"role": "user"})
        assert await client.close_code() == close_codes.NOT_ADMINISTRATOR


@pytest.mark.gen_test
async def test_a_demoted_listener_keeps_its_connection_alone(site: Site) -> None:
    client, user = await administrator(site)
    for channel in (METRICS, EVENTS):
        await client.request("subscribe", channel=channel)
    async with within(1):
        await site.services.identities.change_user(user, {"role": "user"})
        lost = {(await client.push("subscription.lost"))["channel"] for _ in range(2)}
    assert lost == {METRICS, EVENTS}
    client.frames.clear()
    await _something_was_told(site)
    await client.request("ping")
    assert not [frame for frame in client.frames if frame["type"].startswith("admin.")]
