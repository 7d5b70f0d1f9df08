"""Finished streams are kept for a while, within a bound of memory; streams know who follows them."""

import pytest

from config import limits
from hub.providers.base import Delta, Usage
from hub.streams import Outcome, Stream, Streams
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
