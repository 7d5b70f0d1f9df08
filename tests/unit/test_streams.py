"""Finished streams are kept for a while, within a bound of memory; streams know who follows them."""

import orjson
import pytest

from config import limits
from hub.providers.base import Delta, Usage
from hub.streams import Outcome, Stream, Streams, deltas_of
from models.ids import new_id


def finished(streams: Streams, *texts: str) -> Stream:
    stream = Stream(new_id("stream"), "user_1", "gpt-4", None, new_id("msg"))
    streams.add(stream)
    stream.append([Delta(text) for text in texts], 0)
    stream.finish(Outcome("stop", Usage(1, 1), "counted", None))
    streams.retire(stream)
    return stream


def test_finished_streams_are_kept_within_a_bound_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAM_MEMORY_BYTES_MAX", 50_000)
    streams = Streams()
    kept = [finished(streams, "x" * 10_000) for _ in range(10)]
    assert [stream for stream in kept if streams.get(stream.id)] == kept[-4:]


def test_what_stands_beside_the_text_has_its_size_too() -> None:
    """Measured: probabilities take seven times their JSON."""
    content = [{"token": " word", "logprob": -0.5 * n, "bytes": [32, 119], "top_logprobs": []} for n in range(200)]
    extra = {"choice": {"logprobs": {"content": content, "refusal": None}}}
    stream = Stream(new_id("stream"), "user_1", "gpt-4", None, new_id("msg"))
    stream.append([Delta("", extra)], 0)
    stream.finish(Outcome("stop", Usage(1, 1), "counted", None))
    Streams().retire(stream)
    assert stream.size_bytes > 7 * len(orjson.dumps(extra))


def test_a_stored_message_gives_each_delta_back() -> None:
    """Whatever it has beside its text; messages of the time before have that as an object."""
    extra = {"$ref": 2**64 - 1, "a\0b": [[{"x.y": "\0"}]]}
    message = {"content": "abc", "lengths": [1, 0, 2], "extras": {"1": orjson.dumps(extra).decode(), "2": {"old": 1}}}
    assert deltas_of(message) == [Delta("a"), Delta("", extra), Delta("bc", {"old": 1})]
    assert deltas_of(message, after=1) == [Delta("", extra), Delta("bc", {"old": 1})]


def test_a_stream_without_a_word_has_its_size_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAM_MEMORY_BYTES_MAX", 50_000)
    streams = Streams()
    kept = [finished(streams) for _ in range(1_000)]
    assert 0 < sum(streams.get(stream.id) is not None for stream in kept) <= 25


def test_a_finished_stream_is_forgotten_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    streams = Streams()
    old = finished(streams, "one")
    monkeypatch.setattr(limits, "STREAM_REPLAY_SECONDS", -1)
    finished(streams, "two")
    assert streams.get(old.id) is None


def test_a_users_running_streams_are_counted() -> None:
    streams = Streams()
    stream = Stream("stream_1", "user_1", "gpt-4", None, "msg_1")
    streams.add(stream)
    assert (streams.running_by("user_1"), streams.running_of("user_1")) == (1, [stream])
    streams.retire(stream)
    assert (streams.running_by("user_1"), streams.running_of("user_1")) == (0, [])
