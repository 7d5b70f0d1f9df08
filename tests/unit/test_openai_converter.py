"""OpenAI's wire form, from recorded bodies of OpenAI and of servers that differ from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.providers.base import Delta, Finish, ProviderCall, ProviderError, ProviderEvent, Usage
from hub.providers.openai import OpenAIConverter

RECORDED = Path(__file__).parents[1] / "recorded"
KEY = "topsecret-key-value"
CONVERTER = OpenAIConverter("openai", "OpenAI", "http://10.1.2.3:8000/v1", KEY)
CALL = ProviderCall("gpt-4", [], 77)


def parse(stream: bytes, size: int = 1 << 20, choices: int = 1) -> list[ProviderEvent]:
    parser = CONVERTER.stream_parser(replace(CALL, choices=choices))
    events: list[ProviderEvent] = []
    for at in range(0, len(stream), size):
        parser.feed(stream[at : at + size], events)
    parser.end(events)
    return events


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def request(stream: bool = False, model: str = "gpt-4", **parameters: Any) -> dict[str, Any]:
    call = ProviderCall(model, [{"role": "user", "content": "Hi"}], 77, parameters)
    body: dict[str, Any] = orjson.loads(CONVERTER.request(call, stream=stream).body)
    return body


def test_a_request_carries_the_call_and_always_asks_for_usage() -> None:
    sent = CONVERTER.request(ProviderCall("gpt-4", [{"role": "user", "content": "Hi"}], 77), stream=True)
    assert sent.url == "http://10.1.2.3:8000/v1/chat/completions"
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert orjson.loads(sent.body) == {
        "model": "gpt-4",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 77,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize("given", [{"include_usage": False, "include_obfuscation": False}, "x", None])
def test_other_options_of_a_stream_go_through(given: Any) -> None:
    sent = request(stream=True, stream_options=given)["stream_options"]
    others = {"include_obfuscation": False} if isinstance(given, dict) else {}
    assert sent == {"include_usage": True, **others}


def test_what_the_hub_decides_cannot_be_passed_through() -> None:
    body = request(
        n=5, max_tokens=10**6, stream_options={"include_usage": False}, model_="x", temperature=0.5, top_p=None
    )
    assert body["max_tokens"] == 77 and body["temperature"] == 0.5
    assert not {"n", "stream_options", "stream", "top_p"} & set(body)


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("gpt-4", "max_tokens"),
        ("gpt-4o", "max_tokens"),
        ("gpt-oss:20b", "max_tokens"),
        ("olmo-2", "max_tokens"),
        ("o1", "max_completion_tokens"),
        ("o3-mini", "max_completion_tokens"),
        ("openai/o4-mini", "max_completion_tokens"),
        ("gpt-5", "max_completion_tokens"),
        ("gpt-5.1-mini", "max_completion_tokens"),
    ],
)
def test_the_name_of_the_limit(model: str, field: str) -> None:
    body = request(model=model)
    assert body[field] == 77
    assert len({"max_tokens", "max_completion_tokens"} & set(body)) == 1


def test_text_without_a_form_is_the_callers_error() -> None:
    for messages in ([{"role": "user", "content": "\ud800"}], [{"role": "user", "content": 10**30}]):
        with pytest.raises(ProviderError) as caught:
            CONVERTER.request(ProviderCall("gpt-4", messages, 1), stream=True)
        assert caught.value.request_is_wrong


def test_no_key_sends_no_credential() -> None:
    keyless = OpenAIConverter("openai", "OpenAI", "http://localhost:11434/v1", None)
    assert "Authorization" not in keyless.request(ProviderCall("llama", [], 1), stream=False).headers


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_a_plain_stream(size: int) -> None:
    expected = [Delta("Hello"), Delta(", wörld"), Delta("!"), Usage(19, 3), Finish("stop")]
    assert parse(recorded("openai_text.sse"), size) == expected
    assert parse(recorded("openai_text.sse").replace(b"\n", b"\r\n"), size) == expected


def test_tool_calls_travel_in_extra() -> None:
    events = parse(recorded("openai_tools.sse"))
    calls = [event.extra["tool_calls"][0] for event in events if isinstance(event, Delta) and event.extra]
    assert calls[0]["function"]["name"] == "get_weather"
    assert "".join(call["function"]["arguments"] for call in calls) == '{"location":"Paris"}'
    assert events[-1] == Finish("tool_calls")


def test_a_refusal_travels_in_extra_and_usage_may_be_absent() -> None:
    events = parse(recorded("openai_refusal.sse"))
    assert "".join(event.extra["refusal"] for event in events if isinstance(event, Delta) and event.extra) == (
        "I can't help with that."
    )
    assert not any(isinstance(event, Usage) for event in events)


def test_usage_on_the_last_chunk() -> None:
    expected = [Delta("Hi"), Delta(" there"), Usage(26, 2), Finish("length")]
    assert parse(recorded("ollama_usage_last_chunk.sse")) == expected


def test_reasoning_and_comments() -> None:
    expected = [Delta("", {"reasoning_content": "Let me"}), Delta("42"), Usage(5, 9), Finish("stop")]
    assert parse(recorded("deepseek_reasoning.sse")) == expected


def test_an_end_without_done_is_an_end_once_a_reason_was_given() -> None:
    stream = recorded("openai_text.sse").replace(b"data: [DONE]\n\n", b"")
    assert parse(stream)[-2:] == [Usage(19, 3), Finish("stop")]
    assert parse(stream[:-40])[-1] == Finish("stop")  # half of the usage chunk: we count ourselves


@pytest.mark.parametrize("ending", [b"", b"data: [DONE]\n\n"])
def test_an_end_without_a_reason_is_an_error(ending: bytes) -> None:
    stream = recorded("openai_text.sse").split(b'data: {"id":"chatcmpl-123"')
    with pytest.raises(ProviderError, match="before the answer was finished"):
        parse(b'data: {"id":"chatcmpl-123"'.join(stream[:4]) + ending)


def test_an_error_chunk_keeps_what_came_before_it() -> None:
    parser = CONVERTER.stream_parser(CALL)
    events: list[ProviderEvent] = []
    with pytest.raises(ProviderError, match="The server had an error processing") as caught:
        parser.feed(recorded("openai_error_chunk.sse"), events)
    assert events == [Delta("Hel")]
    assert caught.value.temporary and caught.value.status is None


def test_half_a_line_is_an_error() -> None:
    stream = recorded("openai_text.sse")
    with pytest.raises(ProviderError, match="not JSON"):
        parse(stream[: stream.index(b", w")])


@pytest.mark.parametrize("usage", ["null", "{}", '{"prompt_tokens":"9","completion_tokens":1}', "[1]", '"x"'])
def test_unreadable_usage_is_absent(usage: str) -> None:
    chunk = '{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":' + usage + "}"
    assert parse(f"data: {chunk}\n\n".encode()) == [Delta("a"), Finish("stop")]


@pytest.mark.parametrize("line", ["[]", "1", '{"choices":7}', '{"choices":[[]]}', '{"choices":[{"delta":null}]}', "{}"])
def test_odd_json_never_raises_anything_else(line: str) -> None:
    with pytest.raises(ProviderError):
        parse(f"data: {line}\n\n".encode())


def test_another_choice_is_not_ours() -> None:
    other = b'data: {"choices":[{"index":1,"delta":{"content":"no"},"finish_reason":null}]}\n\n'
    assert Delta("no") not in parse(other + recorded("openai_text.sse"))


def test_choices_with_their_probabilities_and_the_parts_of_the_usage() -> None:
    events = parse(recorded("openai_choices_logprobs.sse"), size=100, choices=2)
    assert [event.content for event in events if isinstance(event, Delta)] == ["Yes", "No", ""]
    yes, no, ended = (event.extra["choice"] for event in events if isinstance(event, Delta) and event.extra)
    assert yes["logprobs"]["content"][0]["logprob"] == -0.31725305 and "index" not in yes
    assert no["index"] == 1 and no["logprobs"]["content"][0]["token"] == "No"
    assert ended == {"index": 1, "finish_reason": "length"}
    assert events[-2:] == [Usage(1119, 202, cached_tokens=1024, reasoning_tokens=192), Finish("stop")]


def test_a_connection_that_ends_before_the_last_choice_did_is_an_error() -> None:
    stream = recorded("openai_choices_logprobs.sse")
    cut = stream[: stream.index(b'"finish_reason":"length"')].rpartition(b"data: ")[0]
    with pytest.raises(ProviderError, match="before the answer was finished"):
        parse(cut, choices=2)
    assert parse(cut, choices=1)[-1] == Finish("stop"), "nobody asked for the other one"


@pytest.mark.parametrize(
    "details", ["null", "7", '{"cached_tokens": -1}', '{"cached_tokens": 99}', '{"cached_tokens": "1"}']
)
def test_a_part_that_cannot_be_is_not_told(details: str) -> None:
    usage = '{"prompt_tokens":9,"completion_tokens":1,"prompt_tokens_details":' + details + "}"
    chunk = '{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":' + usage + "}"
    assert parse(f"data: {chunk}\n\n".encode())[-2] == Usage(9, 1)


def test_choices_of_a_whole_answer() -> None:
    whole = orjson.loads(recorded("openai_completion.json"))
    first = whole["choices"][0]
    whole["choices"] += [
        first | {"index": 1, "finish_reason": "length", "logprobs": {"content": [1]}},
        first | {"index": 2},
    ]
    answer = CONVERTER.parse_completion(orjson.dumps(whole), replace(CALL, choices=2))
    (other,) = answer.others
    assert other.content == answer.content
    assert other.extra is not None
    assert other.extra["choice"] == {"index": 1, "finish_reason": "length", "logprobs": {"content": [1]}}


def test_a_whole_answer() -> None:
    answer = CONVERTER.parse_completion(recorded("openai_completion.json"), CALL)
    assert (answer.content, answer.finish_reason) == ("Hello! How can I assist you today?", "stop")
    assert answer.usage == Usage(19, 10) and answer.extra is None
    called = CONVERTER.parse_completion(recorded("openai_completion_tools.json"), CALL)
    assert called.content == "" and called.finish_reason == "tool_calls"
    assert called.extra is not None and called.extra["tool_calls"][0]["id"] == "call_abc123"


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b'{"choices":[]}', b'{"error":{"message":"no"}}', b"[]"])
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(ProviderError):
        CONVERTER.parse_completion(body, CALL)


def test_errors_name_no_key_and_no_address() -> None:
    refused = CONVERTER.parse_error(401, recorded("openai_error_401.json"))
    assert refused == "OpenAI refused the hub's credentials"
    assert "maximum context length is 8192" in CONVERTER.parse_error(400, recorded("openai_error_400.json"))
    leaky = orjson.dumps({"error": {"message": f"{KEY} at http://10.1.2.3:8000/v1/x, sk-abc1*****wxyz, Bearer abc"}})
    message = CONVERTER.parse_error(500, leaky)
    assert all(secret not in message for secret in (KEY, "10.1.2.3", "sk-abc", "abc"))
    assert CONVERTER.parse_error(502, b"<html>Bad Gateway</html>") == "OpenAI answered 502"
    assert len(CONVERTER.parse_error(400, orjson.dumps({"error": {"message": "x" * 10**6}}))) < 600


@pytest.mark.parametrize(
    "calls",
    [
        "x",
        7,
        {"index": 0},
        [None],
        ["x"],
        [{"index": -1}],
        [{"index": "0"}],
        [{"id": 7}],
        [{"function": []}],
        [{"function": {"name": {}}}],
        [{"function": {"arguments": 1}}],
    ],
)
def test_tool_calls_that_cannot_be_read_are_the_companys_failure(calls: Any) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": None}]}
    whole = {"choices": [{"index": 0, "message": {"tool_calls": calls}, "finish_reason": "stop"}]}
    with pytest.raises(ProviderError, match="tool calls"):
        parse(b"data: " + orjson.dumps(chunk) + b"\n\n")
    with pytest.raises(ProviderError, match="tool calls"):
        CONVERTER.parse_completion(orjson.dumps(whole), CALL)


def test_a_choice_before_the_first_is_not_ours() -> None:
    chunk = {"choices": [{"index": -1, "delta": {"content": "x"}, "finish_reason": None}]}
    events: list[ProviderEvent] = []
    CONVERTER.stream_parser(CALL).feed(b"data: " + orjson.dumps(chunk) + b"\n\n", events)
    assert events == []
