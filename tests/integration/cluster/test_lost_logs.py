"""A stream followed on another node whose log is lost, cut short or refused: its text goes on by the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis

from config import limits
from hub.chat import Started
from hub.providers.base import Delta
from hub.redis.stream_logs import _unpacked
from models.conversations import MESSAGES
from tests.integration.cluster.test_streams import ENDLESS, Two, resumed, two
from tests.patience import until, within

__all__ = ["two"]

STALL_SECONDS = limits.CHECKPOINT_SECONDS + limits.REMOTE_CHECK_SECONDS


@asynccontextmanager
async def _growing(two: Two, started: Started) -> AsyncIterator[None]:
    """A follower on the other node, who after the block goes on hearing within the time of a checkpoint and a look."""
    async with resumed(two, started, 0) as client:
        await client.push("chat.delta")
        yield
        await until(lambda: started.stream.outcome is None)
        beyond = started.stream.offset
        async with within(STALL_SECONDS):
            while (await client.push("chat.delta"))["offset"] < beyond:
                pass
        assert started.stream.outcome is None, "it must not wait for the end"
        await client.request("chat.stop", stream_id=started.stream.id)
        end = await client.push("chat.completed")
        assert end["offset"] == started.stream.offset
    await two.at_rest()


@pytest.mark.gen_test
@pytest.mark.parametrize("loss", ["evicted", "full", "restarted"])
async def test_a_lost_log_stalls_nobody_for_long(two: Two, loss: str) -> None:
    started = await two.start(ENDLESS)
    await until(lambda: started.stream.logged > 0)
    with Redis.from_url(two.redis.url) as redis:
        async with _growing(two, started):
            if loss == "evicted":
                redis.flushall()
            elif loss == "full":
                redis.config_set("maxmemory", "1")
            else:
                two.redis.kill()
                two.redis.start()


@pytest.mark.gen_test
async def test_a_log_that_was_lost_has_a_life_again(two: Two) -> None:
    started = await two.start(ENDLESS)
    stream = started.stream
    await until(lambda: stream.logged > 0)
    with Redis.from_url(two.redis.url) as redis:
        redis.flushall()
        await until(lambda: redis.dbsize() > 0)
        (key,) = redis.keys("*:stream:*")
        assert 0 < redis.ttl(key) <= limits.STREAM_LOG_LIFE_SECONDS
    await two.one.chat.stop(two.user, stream.id)
    await two.at_rest()


def test_a_log_is_read_up_to_a_gap() -> None:
    """As a replica may have it that was not told the last of its primary, and became one."""
    entries = [
        (b"2-0", {b"log": b'[0,1,["a0","a1"]]'}),
        (b"7-0", {b"log": b'[4,9,["a4","a5","a6"]]'}),
    ]
    logged = _unpacked(entries)
    assert (logged.start, list(logged.deltas)) == (0, [Delta("a0"), Delta("a1")])


@pytest.mark.gen_test
async def test_who_resumes_while_the_messages_are_read_is_told_nothing_false(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came to be followed during the question is not in its answer, and has not been deleted for that."""
    monkeypatch.setattr(limits, "REMOTE_CHECK_SECONDS", 0.01)
    first, second = await two.start(ENDLESS), await two.start(ENDLESS)
    database = two.other.database
    async with resumed(two, first, 0) as one:
        await one.push("chat.delta")
        for _ in range(20):
            message = await database[MESSAGES].find_one({"stream": second.stream.id})
            assert message is not None
            stream = await two.other.chat.remote.find(message, 0)
            await asyncio.sleep(0)
            assert stream.outcome is None
            two.other.chat.remote._remotes.pop(second.stream.id)
    for started in (first, second):
        await two.one.chat.stop(two.user, started.stream.id)
    await two.at_rest()


@pytest.mark.gen_test
async def test_an_answer_that_cannot_be_read_here_ends_alone(two: Two) -> None:
    """As a newer version may have written it, while nodes are replaced one by one."""
    strange, plain = await two.start(ENDLESS), await two.start(ENDLESS)
    async with resumed(two, strange, 0) as one, resumed(two, plain, 0) as other:
        error = {"code": "of the future", "message": ""}
        change = {"$set": {"status": "failed", "error": error, "receipt": None}}
        await two.other.database[MESSAGES].update_one({"stream": strange.stream.id}, change)
        assert (await one.push("chat.failed"))["error"]["code"] == "INTERNAL_ERROR"
        await two.one.chat.stop(two.user, plain.stream.id)
        await other.push("chat.completed")
    await two.one.chat.stop(two.user, strange.stream.id)
    await two.at_rest()


@pytest.mark.gen_test
async def test_bounds_of_what_is_followed_for_others(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await two.start(ENDLESS), await two.start(ENDLESS)
    async with resumed(two, first, 0) as client:
        monkeypatch.setattr(limits, "REMOTE_STREAMS_MAX", 1)
        cursor = {"stream_id": second.stream.id, "epoch": second.stream.epoch, "after": 0}
        assert (await client.request("chat.resume", **cursor))["error"]["temporary"]
        monkeypatch.setattr(limits, "REMOTE_CATCH_UP_SECONDS", 0.05)
        far = {"stream_id": first.stream.id, "epoch": first.stream.epoch, "after": 10**9}
        assert not (await client.request("chat.resume", **far))["recovered"]
        monkeypatch.setattr(limits, "REMOTE_SECONDS_MAX", 0.0)
        assert (await client.push("chat.failed"))["error"]["code"] == "INTERNAL_ERROR"
    for started in (first, second):
        await two.one.chat.stop(two.user, started.stream.id)
    await two.at_rest()


@pytest.mark.gen_test
async def test_a_hub_that_closes_settles_what_still_runs(two: Two) -> None:
    """Whoever closes the services without draining them: no task is left behind, and nothing is held."""
    started = await two.start(ENDLESS)
    await two.one.chat.close(two.one.broker)
    assert started.stream.outcome is not None and started.stream.outcome.receipt is not None
    await two.at_rest()
