"""A finished answer replays for an hour, from any node: from the database, when no node and no Redis has it any more."""

from datetime import timedelta

import pytest
from redis import Redis

from config import limits
from hub.chat import Started
from models.clock import now
from models.conversations import MESSAGES
from tests.integration.cluster.test_streams import Two, two
from tests.patience import until
from tests.stand_ins.base import Scenario

__all__ = ["two"]

HOUR_SECONDS = 3_600
AGE = timedelta(minutes=59)


async def _finished(two: Two, **fields: object) -> Started:
    """An answer of that age, of which only the database knows."""
    started = await two.start(Scenario(chunks=12, interval_seconds=0.01), **fields)
    await two.at_rest()
    stream = started.stream
    stored = await two.stored(stream.id)
    times = {name: stored[name] - AGE for name in ("created_at", "expires_at") if name in stored}
    await two.one.database[MESSAGES].update_one({"stream": stream.id}, {"$set": times})
    for node in two.nodes:
        await until(lambda node=node: node.streams.get(stream.id) is None)
    with Redis.from_url(two.redis.url) as redis:
        redis.flushall()
        assert redis.keys(f"*{stream.id}*") == []
    return started


@pytest.mark.gen_test
@pytest.mark.parametrize("kept", [True, False])
async def test_after_59_minutes_it_replays_from_both_nodes_by_every_transport(
    two: Two, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    monkeypatch.setattr(limits, "STREAM_MEMORY_BYTES_MAX", 0)  # a node forgets it as soon as it ends
    started = await _finished(two, keep_conversation=kept)
    stream = started.stream
    if not kept:
        assert (await two.stored(stream.id))["expires_at"] > now(), "it would be deleted before"
    path = f"/api/streams/{stream.id}"
    for node in range(2):
        client = await two.connect(node)
        reply = await client.request("chat.resume", stream_id=stream.id, epoch=stream.epoch, after=4)
        assert reply["recovered"] is True
        text, end, deltas = await client.answer_of(stream.id)
        await client.close()
        events = await (await two.http(node, "GET", f"{path}/events?after=4&epoch={stream.epoch}")).events()
        view = (await (await two.http(node, "GET", f"{path}?after=4&epoch={stream.epoch}")).json())["data"]
        replayed = "".join(event.data["content"] for event in events[:-1])
        assert text == replayed == view["content"] == " word" * 8
        assert end["receipt"] == events[-1].data["receipt"] == view["receipt"]
        assert end["receipt"]["charged"] > 0
        assert deltas[-1]["cost"] == events[-2].data["cost"] == end["receipt"]["charged"]
        assert (end["offset"], events[-1].id, view["status"]) == (12, f"{stream.epoch}:12", "completed")


def test_whatever_keeps_an_answer_keeps_it_for_an_hour() -> None:
    assert limits.STREAM_REPLAY_SECONDS >= HOUR_SECONDS
    assert limits.STATELESS_MESSAGE_DAYS * 24 * HOUR_SECONDS >= HOUR_SECONDS
