"""What providers say in OpenAI's form, shown in Anthropic's: the blocks of a stream, and of a whole message."""

from typing import Any

import orjson
import pytest
from anthropic.types import Message, RawMessageDeltaEvent

from handlers.ai_aggregator.anthropic_views import MessageEncoder, message_view
from hub.errors import Code, HubError
from hub.operations import Receipt
from hub.providers.base import Delta, Usage
from hub.streams import Outcome, Stream
from tests.anthropic_events import content_of, events_of, message_of

RECEIPT = Receipt(10, 5, 5, 95, 3)
USAGE = Usage(30, 20, cached_tokens=10)


def outcome(reason: str | None = "stop", **fields: Any) -> Outcome:
    return Outcome(reason, USAGE, "provider", RECEIPT, **fields)


def stream_of(deltas: list[Delta]) -> Stream:
    stream = Stream(id="stream_1", user="u", model="gpt-4", conversation=None, message="msg_x", prompt_tokens=8)
    stream.deltas = deltas
    return stream


def encoded(deltas: list[Delta], end: Outcome, at_once: int = 100) -> list[dict[str, Any]]:
    encoder = MessageEncoder(stream_of(deltas), request_id="req_1")
    written = encoder.begin()
    for at in range(0, len(deltas), at_once):
        written += encoder.deltas(deltas[at : at + at_once], at + at_once)
    return events_of(written + encoder.end(end))


def shown(deltas: list[Delta], end: Outcome) -> dict[str, Any]:
    return message_view(stream_of(deltas), end)


def call(number: int, **function: str) -> Delta:
    return Delta("", {"tool_calls": [{"index": number, "function": function}]})


def begun(number: int, name: str) -> Delta:
    function = {"name": name, "arguments": ""}
    return Delta(
        "", {"tool_calls": [{"index": number, "id": f"call_{number}", "type": "function", "function": function}]}
    )


def test_a_text_is_one_block() -> None:
    events = encoded([Delta("Hel"), Delta("lo"), Delta("")], outcome(), at_once=1)
    assert [event["type"] for event in events] == [
        *("message_start", "content_block_start", "content_block_delta", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    message = message_of(events)
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    assert (message["id"], message["role"], message["model"]) == ("msg_1", "assistant", "gpt-4")
    assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)


def test_usage_begins_with_our_count_and_ends_with_what_is_charged() -> None:
    start, *_, last, _ = encoded([Delta("Hello")], outcome())
    assert start["message"]["usage"]["input_tokens"] == 8
    counts = {"input_tokens": 20, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 10, "output_tokens": 20}
    assert last["usage"] == counts == shown([Delta("Hello")], outcome())["usage"]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_becomes_a_thinking_block(name: str) -> None:
    thoughts = [Delta("", {name: "Let "}), Delta("", {name: "me."})]
    blocks = [{"type": "thinking", "thinking": "Let me.", "signature": ""}, {"type": "text", "text": "42"}]
    assert message_of(encoded([*thoughts, Delta("42")], outcome()))["content"] == blocks
    assert shown([Delta("42", {name: "Let me."})], outcome())["content"] == blocks


def test_reasoning_and_text_in_one_delta_are_two_blocks() -> None:
    content = message_of(encoded([Delta("42", {"reasoning_content": "Hm."})], outcome()))["content"]
    assert [block["type"] for block in content] == ["thinking", "text"]


def test_tool_calls_become_blocks_of_their_own() -> None:
    deltas = [
        *(Delta("I look."), begun(0, "weather"), call(0, arguments='{"city":'), call(0, arguments='"Paris"}')),
        *(begun(1, "time"), call(1, arguments="{}")),
    ]
    blocks = [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_0", "name": "weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "call_1", "name": "time", "input": {}},
    ]
    message = message_of(encoded(deltas, outcome("tool_calls")))
    assert (message["content"], message["stop_reason"]) == (blocks, "tool_use")
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for number, name, arguments in ((0, "weather", '{"city":"Paris"}'), (1, "time", "{}"))
    ]
    whole = shown([Delta("I look.", {"tool_calls": calls})], outcome("tool_calls"))
    assert (whole["content"], whole["stop_reason"]) == (blocks, "tool_use")


def test_a_server_that_says_stop_of_a_call_is_understood() -> None:
    assert message_of(encoded([begun(0, "f"), call(0, arguments="{}")], outcome("stop")))["stop_reason"] == "tool_use"


@pytest.mark.parametrize("arguments", ['{"city":', "[1]", "null"])
def test_arguments_that_are_no_object_are_shown_as_they_are(arguments: str) -> None:
    cut = {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": arguments}}
    (block,) = shown([Delta("", {"tool_calls": [cut]})], outcome("length"))["content"]
    assert block["input"] == {"arguments": arguments}


def test_a_refusal_in_words_is_a_text() -> None:
    assert message_of(encoded([Delta("", {"refusal": "I cannot."})], outcome()))["content"] == [
        {"type": "text", "text": "I cannot."}
    ]
    assert shown([Delta("", {"refusal": "I cannot."})], outcome())["content"][0]["text"] == "I cannot."


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("something_new", "end_turn"),
    ],
)
def test_stop_reasons(reason: str, word: str) -> None:
    assert message_of(encoded([Delta("x")], outcome(reason)))["stop_reason"] == word
    assert shown([Delta("x")], outcome(reason))["stop_reason"] == word


def test_an_answer_without_a_word_is_an_empty_message() -> None:
    assert message_of(encoded([], outcome()))["content"] == []
    assert shown([], outcome())["content"] == []


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (outcome(None, error=HubError(Code.PROVIDER_FAILED, "It failed")), ("api_error", "It failed")),
        (outcome(None, error=HubError(Code.UNAVAILABLE, "Going")), ("overloaded_error", "Going")),
        (outcome("cancelled"), ("conflict_error", "This answer was stopped before its end")),
    ],
)
def test_a_failure_is_one_event_and_no_stop(end: Outcome, told: tuple[str, str]) -> None:
    *events, last = encoded([Delta("Hel")], end)
    assert last == {"type": "error", "error": {"type": told[0], "message": told[1]}, "request_id": "req_1"}
    assert [event["type"] for event in events] == ["message_start", "content_block_start", "content_block_delta"]
    assert content_of([*events[1:], {"type": "content_block_stop", "index": 0}]) == [{"type": "text", "text": "Hel"}]


def test_the_official_types_take_the_receipt() -> None:
    *_, last, _ = encoded([Delta("Hello")], outcome())
    event = RawMessageDeltaEvent.model_validate(last, strict=True)
    assert event.model_extra == {"hub": last["hub"]} and last["hub"]["receipt"]["balance_after"] == 0.000095
    message = Message.model_validate(orjson.loads(orjson.dumps(shown([Delta("Hello")], outcome()))), strict=True)
    assert message.model_extra == {"hub": last["hub"]}
