"""Requests and answers in Anthropic's own form: nothing is dropped, nothing mangled, and OpenAI's terms stay as they are."""

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from handlers.ai_aggregator.anthropic_views import MessageEncoder, message_view
from hub.operations import Receipt
from hub.providers.anthropic import AnthropicConverter
from hub.providers.anthropic_native import KEY, told
from hub.providers.base import Completion, Delta, Finish, Native, ProviderCall, ProviderEvent, Usage
from hub.streams import Outcome, Stream
from tests.anthropic_events import content_of, events_of, message_of

RECORDED = Path(__file__).parents[1] / "recorded"
CONVERTER = AnthropicConverter("anthropic", "Anthropic", "https://api.anthropic.com", "sk-ant-secret")
BODY: dict[str, Any] = {
    "model": "claude-3",
    "max_tokens": 9_999,
    "stream": True,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}]},
    ],
    "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}],
    "thinking": {"type": "enabled", "budget_tokens": 1_024},
    "something_new": {"a": [1]},
}
CALL = ProviderCall("claude-sonnet-4-6", [], 77, native=Native(BODY, "files-api-2025-04-14"))
USAGE = Usage(3_215, 510, cached_tokens=1_000, reasoning_tokens=40)
RECEIPT = Receipt(10, 5, 5, 95, 3)


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def parsed(stream: bytes, call: ProviderCall = CALL, size: int = 1 << 20) -> list[ProviderEvent]:
    parser = CONVERTER.stream_parser(call)
    events: list[ProviderEvent] = []
    for at in range(0, len(stream), size):
        parser.feed(stream[at : at + size], events)
    parser.end(events)
    return events


def deltas_of(events: list[ProviderEvent]) -> list[Delta]:
    return [event for event in events if isinstance(event, Delta)]


def stream_of(deltas: list[Delta]) -> Stream:
    stream = Stream(id="stream_1", user="user_1", model="claude-3", conversation=None, message="msg_1")
    stream.deltas = deltas
    return stream


def outcome(reason: str = "tool_calls", usage: Usage = USAGE, **fields: Any) -> Outcome:
    return Outcome(reason, usage, fields.pop("usage_source", "provider"), RECEIPT, **fields)


def encoded(deltas: list[Delta], end: Outcome) -> list[dict[str, Any]]:
    stream = stream_of(deltas)
    encoder = MessageEncoder(stream, request_id="req_1")
    return events_of(encoder.begin() + encoder.deltas(deltas, len(deltas)) + encoder.end(end))


@pytest.mark.parametrize("stream", [True, False])
def test_the_body_goes_as_it_came_but_for_what_the_hub_decides(stream: bool) -> None:
    sent = CONVERTER.request(CALL, stream=stream)
    expected = {**BODY, "model": "claude-sonnet-4-6", "max_tokens": 77}
    del expected["stream"]
    assert orjson.loads(sent.body) == expected | ({"stream": True} if stream else {})
    assert sent.headers["anthropic-beta"] == "files-api-2025-04-14"
    assert BODY["model"] == "claude-3" and BODY["stream"] is True


def test_a_request_in_openais_form_names_no_betas() -> None:
    sent = CONVERTER.request(ProviderCall("claude", [{"role": "user", "content": "Hi"}], 5), stream=False)
    assert "anthropic-beta" not in sent.headers
    without = CONVERTER.request(ProviderCall("claude", [], 5, native=Native(BODY)), stream=False)
    assert "anthropic-beta" not in without.headers


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_the_blocks_of_a_stream_come_back_as_they_were(size: int) -> None:
    stream = recorded("anthropic_blocks.sse")
    events = parsed(stream, size=size)
    assert events[-2:] == [USAGE, Finish("tool_calls")]
    theirs, ours = message_of(events_of(stream)), message_of(encoded(deltas_of(events), outcome()))
    assert ours["content"] == theirs["content"]
    for name in ("stop_reason", "stop_sequence", "container"):
        assert ours[name] == theirs[name]
    assert ours["usage"] == {**theirs["usage"], **{n: v for n, v in ours["usage"].items() if n not in theirs["usage"]}}
    assert (ours["usage"]["server_tool_use"], ours["usage"]["output_tokens"]) == ({"web_search_requests": 1}, 510)


def test_what_stands_beside_the_last_delta_comes_back_too() -> None:
    *_, last, _ = encoded(deltas_of(parsed(recorded("anthropic_blocks.sse"))), outcome())
    assert last["context_management"] == {"applied_edits": []}
    assert last["hub"]["receipt"]["charged"] == 0.000005


def test_openais_terms_are_the_same_with_and_without() -> None:
    """What others see of a stream: texts, thoughts and the caller's tools."""
    for name in ("anthropic_text.sse", "anthropic_thinking.sse", "anthropic_tools.sse"):
        plain = deltas_of(parsed(recorded(name), ProviderCall("claude", [], 77)))
        kept = deltas_of(parsed(recorded(name)))
        seen = [(delta.content, {k: v for k, v in (delta.extra or {}).items() if k != KEY}) for delta in kept]
        assert [pair for pair in seen if pair != ("", {})] == [(delta.content, delta.extra or {}) for delta in plain]


def test_a_plain_text_has_one_block_and_its_deltas_carry_little() -> None:
    deltas = deltas_of(parsed(recorded("anthropic_text.sse")))
    assert [delta.content for delta in deltas] == ["Hello", ", wörld", "!", ""]
    assert [delta.extra for delta in deltas[1:3]] == [None, None]
    assert told(deltas[0]) == {"start": {"type": "text", "text": ""}}
    message = message_of(encoded(deltas, outcome("stop", Usage(135, 15, 100))))
    assert message["content"] == [{"type": "text", "text": "Hello, wörld!"}]
    assert message["stop_reason"] == "end_turn"


def test_a_failure_before_the_first_word_leaves_no_delta() -> None:
    """So that it is answered with a status."""
    stream = recorded("anthropic_text.sse")
    parser = CONVERTER.stream_parser(CALL)
    events: list[ProviderEvent] = []
    parser.feed(stream[: stream.index(b"event: content_block_delta")], events)
    assert events == []


def whole() -> Completion:
    return CONVERTER.parse_completion(recorded("anthropic_blocks.json"), CALL)


def test_a_whole_answer_comes_back_as_it_was() -> None:
    answer = whole()
    assert answer.content == "Here is the weather: sunny, 18 degrees"
    assert answer.extra is not None and answer.extra["reasoning_content"] == "The weather has to be searched."
    assert [call["id"] for call in answer.extra["tool_calls"]] == ["toolu_01D7FLrfh4GYq7yT1ULFeyMV"]
    message = message_view(stream_of([Delta(answer.content, answer.extra)]), outcome("stop"))
    theirs = json.loads(recorded("anthropic_blocks.json"))
    assert message.pop("hub")["receipt"]["seq"] == 3
    assert message == {**theirs, "id": "msg_1", "model": "claude-3"}


def test_what_is_kept_is_text_that_any_database_takes() -> None:
    for delta in (*deltas_of(parsed(recorded("anthropic_blocks.sse"))), Delta("", whole().extra)):
        assert isinstance((delta.extra or {}).get(KEY, ""), str)


def test_usage_that_was_not_believed_is_not_told() -> None:
    usage = encoded(
        deltas_of(parsed(recorded("anthropic_blocks.sse"))), outcome(usage=Usage(7, 9), usage_source="counted")
    )
    assert usage[-2]["usage"] == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 9,
    }


def test_where_the_credits_end_the_word_is_ours() -> None:
    deltas = deltas_of(parsed(recorded("anthropic_blocks.sse")))
    last = encoded(deltas, outcome("length", detail="insufficient_credits"))[-2]
    assert (last["delta"], last["hub"]["detail"]) == (
        {"stop_reason": "max_tokens", "stop_sequence": None},
        "insufficient_credits",
    )


def test_a_stream_that_is_cut_anywhere_has_whole_blocks() -> None:
    deltas = deltas_of(parsed(recorded("anthropic_blocks.sse")))
    for length in range(len(deltas)):
        events = encoded(deltas[:length], outcome("length", detail="insufficient_credits"))
        started = [event for event in events if event["type"] == "content_block_start"]
        closed = [event for event in events if event["type"] == "content_block_stop"]
        assert len(started) == len(closed)
        assert events[-1] == {"type": "message_stop"}


def test_a_block_of_the_company_without_a_delta_is_told_when_it_ends() -> None:
    stream = recorded("anthropic_blocks.sse")
    until = stream.index(b'event: content_block_start\ndata: {"type": "content_block_start", "index": 2')
    parser = CONVERTER.stream_parser(CALL)
    events: list[ProviderEvent] = []
    parser.feed(stream[:until], events)
    *_, last = deltas_of(events)
    assert last.content == "" and told(last)["start"]["type"] == "redacted_thinking"
    encoder = MessageEncoder(stream_of([]), request_id="req_1")
    written = events_of(encoder.deltas(deltas_of(events), 9))
    assert content_of([*written, {"type": "content_block_stop", "index": 1}])[1]["data"].startswith("EmwK")
