"""Anthropic's wire form, both ways, from recorded bodies."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub.providers.anthropic import AnthropicConverter
from hub.providers.base import Delta, Finish, Native, ProviderCall, ProviderError, ProviderEvent, Usage

RECORDED = Path(__file__).parents[1] / "recorded"
CONVERTER = AnthropicConverter("anthropic", "Anthropic", "https://api.anthropic.com", "sk-ant-secret")
CALL = ProviderCall("claude", [], 77)


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def parse(stream: bytes, size: int = 1 << 20) -> list[ProviderEvent]:
    parser = CONVERTER.stream_parser(CALL)
    events: list[ProviderEvent] = []
    for at in range(0, len(stream), size):
        parser.feed(stream[at : at + size], events)
    parser.end(events)
    return events


def body_of(messages: list[dict[str, Any]], **parameters: Any) -> dict[str, Any]:
    sent = CONVERTER.request(ProviderCall("claude", messages, 100, parameters), stream=False)
    body: dict[str, Any] = orjson.loads(sent.body)
    return body


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def text(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": each} for each in texts]


def test_the_request() -> None:
    sent = CONVERTER.request(ProviderCall("claude", [user("Hi")], 100), stream=True)
    assert sent.url == "https://api.anthropic.com/v1/messages"
    assert (sent.headers["x-api-key"], sent.headers["anthropic-version"]) == ("sk-ant-secret", "2023-06-01")
    expected = {
        "model": "claude",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": text("Hi")}],
        "stream": True,
    }
    assert orjson.loads(sent.body) == expected


def test_system_is_lifted_and_turns_alternate() -> None:
    body = body_of(
        [
            {"role": "system", "content": "Be brief."},
            user("a"),
            user("b"),
            {"role": "developer", "content": text("Be kind.")},
            {"role": "assistant", "content": "c"},
            {"role": "assistant", "content": ""},
            user("d"),
        ]
    )
    assert body["system"] == "Be brief.\n\nBe kind."
    assert [(turn["role"], turn["content"]) for turn in body["messages"]] == [
        ("user", text("a", "b")),
        ("assistant", text("c")),
        ("user", text("d")),
    ]


def test_instructions_alone_become_the_question() -> None:
    body = body_of([{"role": "system", "content": "Say hello."}])
    assert "system" not in body and body["messages"] == [{"role": "user", "content": text("Say hello.")}]


def test_a_prefill_does_not_end_in_white_space() -> None:
    assert body_of([user("a"), {"role": "assistant", "content": "Sure: \n"}])["messages"][-1]["content"] == text(
        "Sure:"
    )


def test_tools_both_ways() -> None:
    call = {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    tool = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}}
    body = body_of(
        [
            user("Weather?"),
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "toolu_1", "content": "18 degrees"},
            user("And?"),
        ],
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        parallel_tool_calls=False,
    )
    assert body["tools"] == [{"name": "weather", "description": "d", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}
    use = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Paris"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": text("18 degrees")}
    assert body["messages"][1]["content"] == [use]
    assert body["messages"][2] == {"role": "user", "content": [result, *text("And?")]}


@pytest.mark.parametrize(("choice", "kind"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_tool_choices(choice: str, kind: str) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert body_of([user("a")], tools=tools, tool_choice=choice)["tool_choice"] == {"type": kind}
    assert "tool_choice" not in body_of([user("a")], tool_choice=choice)


def test_tools_that_are_strict_or_the_companys() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = body_of([user("a")], tools=[{"type": "function", "function": {"name": "f", "strict": True}}, search])
    assert body["tools"] == [
        {"name": "f", "strict": True, "input_schema": {"type": "object", "properties": {}}},
        search,
    ]


@pytest.mark.parametrize(("mode", "kind"), [("auto", "auto"), ("required", "any")])
def test_a_choice_among_some_of_the_tools(mode: str, kind: str) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in "fgh"]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [tools[0], tools[2]]}}
    body = body_of([user("a")], tools=tools, tool_choice=allowed)
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["f", "h"], {"type": kind})


def test_the_form_of_the_answer() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": schema}}
    form = {"type": "json_schema", "schema": schema}
    assert body_of([user("a")], response_format=wanted)["output_config"] == {"format": form}
    both = body_of([user("a")], response_format=wanted, output_config={"effort": "low"})
    assert both["output_config"] == {"effort": "low", "format": form}
    for other in ("text", "json_object"):
        assert not {"output_config", "response_format"} & set(body_of([user("a")], response_format={"type": other}))


def test_a_file_and_a_refusal_of_an_earlier_turn() -> None:
    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
    refused = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
    first, second = body_of([user([{"type": "file", "file": file}]), refused])["messages"]
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert first["content"] == [{"type": "document", "source": source, "title": "a.pdf"}]
    assert second["content"] == text("No.")


def test_who_asks_and_in_which_tier() -> None:
    assert body_of([user("a")], user="u1", service_tier="default") == {
        **body_of([user("a")]),
        "metadata": {"user_id": "u1"},
        "service_tier": "standard_only",
    }
    assert body_of([user("a")], metadata={"user_id": "u2"})["metadata"] == {"user_id": "u2"}
    assert body_of([user("a")], metadata={"tag": "x"}, service_tier="flex") == body_of([user("a")])


def test_unknown_parameters_go_through_and_openais_own_do_not() -> None:
    """Anthropic refuses a request for a field that it does not know."""
    unknown = {"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 50}, "cache_control": {}, "newer": [1]}
    openais = dict.fromkeys(("frequency_penalty", "seed", "logprobs", "top_logprobs", "reasoning_effort"), 1)
    openais |= {
        "stream_options": {},
        "store": True,
        "logit_bias": {"5": 1},
        "prompt_cache_key": "x",
        "verbosity": "low",
    }
    plain = body_of([user("a")])
    assert body_of([user("a")], **unknown, **openais, absent=None) == {**plain, **unknown}
    assert body_of([user("a")], n=1, max_tokens=9, max_completion_tokens=9, stream=True, system="x") == plain


def test_pictures() -> None:
    urls = ["data:image/png;base64,iVBORw0=", "https://example.com/a.png"]
    body = body_of([user([{"type": "image_url", "image_url": {"url": url}} for url in urls])])
    assert [block["source"] for block in body["messages"][0]["content"]] == [
        {"type": "base64", "media_type": "image/png", "data": "iVBORw0="},
        {"type": "url", "url": "https://example.com/a.png"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        user([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]),
        user([{"type": "image_url"}]),
        user([{"type": "image_url", "image_url": {"url": "data:application/pdf;base64,JVBERi0="}}]),
        user([{"type": "file"}]),
        user([{"type": "file", "file": {"file_id": "file-1"}}]),
        user([{"type": "file", "file": {"file_data": "data:image/png;base64,iVBORw0="}}]),
        user([{"type": "input_audio", "input_audio": {}}]),
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]},
    ],
)
def test_what_has_no_form_there_is_the_callers_error(message: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        body_of([message])
    assert caught.value.request_is_wrong and not caught.value.temporary


@pytest.mark.parametrize(
    "fields",
    [
        *({"tools": [7]}, {"stop": 7}, {"temperature": "hot"}, {"stop": [None]}, {"service_tier": ["auto"]}),
        *({"response_format": "json"}, {"response_format": {"type": "json_schema"}}, {"metadata": "x"}),
        *({"functions": [{"name": "f"}]}, {"tools": [{"function": {}}], "tool_choice": {"allowed_tools": 5}}),
    ],
)
def test_fields_of_another_form_are_the_callers_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        body_of([user("a")], **fields)
    assert caught.value.request_is_wrong


def test_sampling() -> None:
    body = body_of([user("a")], temperature=1.7, top_p=0.9, stop=["END", " "], presence_penalty=1, top_k=5)
    assert (body["temperature"], body["stop_sequences"], body["top_k"]) == (1, ["END"], 5)
    assert not {"top_p", "presence_penalty", "stop"} & set(body)
    assert body_of([user("a")], top_p=0.9, stop="END")["top_p"] == 0.9


@pytest.mark.parametrize("size", [1, 9, 1 << 20])
def test_a_plain_stream(size: int) -> None:
    """Cached input counts as input, and the output of message_start (1) is not believed."""
    expected = [Delta("Hello"), Delta(", wörld"), Delta("!"), Usage(135, 15, cached_tokens=100), Finish("stop")]
    assert parse(recorded("anthropic_text.sse"), size) == expected


def test_tool_use_becomes_tool_calls() -> None:
    events = parse(recorded("anthropic_tools.sse"))
    calls = [event.extra["tool_calls"][0] for event in events if isinstance(event, Delta) and event.extra]
    assert calls[0] == {
        "index": 0,
        "id": "toolu_01T1x1fJ34qAmk2tNTrN7Up6",
        "type": "function",
        "function": {"name": "get_weather", "arguments": ""},
    }
    assert orjson.loads("".join(call["function"]["arguments"] for call in calls)) == {"location": "San Francisco, CA"}
    assert events[-2:] == [Usage(472, 89), Finish("tool_calls")]


def test_thoughts_stand_beside_the_text() -> None:
    events = parse(recorded("anthropic_thinking.sse"))
    assert events == [Delta("", {"reasoning_content": "Step 1"}), Delta("453"), Usage(30, 20), Finish("length")]


def test_an_error_event_keeps_what_came_before_it() -> None:
    parser = CONVERTER.stream_parser(CALL)
    events: list[ProviderEvent] = []
    with pytest.raises(ProviderError, match="Overloaded") as caught:
        parser.feed(recorded("anthropic_error.sse"), events)
    assert events == [Delta("Hel")]
    assert caught.value.status == 529 and caught.value.temporary


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("model_context_window_exceeded", "length"),
        ("something_new", "stop"),
    ],
)
def test_finish_reasons(reason: str, finish: str) -> None:
    stream = recorded("anthropic_text.sse").replace(b'"end_turn"', b'"%b"' % reason.encode())
    assert parse(stream)[-1] == Finish(finish)


def test_the_end() -> None:
    stream = recorded("anthropic_text.sse")
    assert parse(stream[: stream.index(b"event: message_stop")])[-1] == Finish("stop")
    with pytest.raises(ProviderError, match="before the answer was finished"):
        parse(stream[: stream.index(b"event: message_delta")])
    with pytest.raises(ProviderError, match="not JSON"):
        parse(stream[: stream.index(b'"text_delta"')])


def test_missing_usage_is_absent_and_missing_fields_are_errors() -> None:
    stream = recorded("anthropic_text.sse").replace(b', "usage": {"output_tokens": 15}', b"")
    assert not any(isinstance(event, Usage) for event in parse(stream))
    for line in ('{"type":"content_block_delta"}', '{"type":"message_start"}', '{"type":"content_block_start"}', "7"):
        with pytest.raises(ProviderError):
            parse(f"data: {line}\n\n".encode() + stream)


def test_a_whole_answer() -> None:
    answer = CONVERTER.parse_completion(recorded("anthropic_message.json"), CALL)
    assert (answer.content, answer.finish_reason, answer.usage) == ("Hi! My name is Claude.", "stop", Usage(2100, 503))
    called = CONVERTER.parse_completion(recorded("anthropic_message_tools.json"), CALL)
    assert called.finish_reason == "tool_calls" and called.extra is not None
    function = called.extra["tool_calls"][0]["function"]
    assert function == {"name": "get_weather", "arguments": '{"location":"San Francisco, CA"}'}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"content":[],"stop_reason":null}', b'{"content":["x"],"stop_reason":"a"}']
)
def test_a_whole_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(ProviderError):
        CONVERTER.parse_completion(body, CALL)


def test_errors() -> None:
    assert "max_tokens: must be greater" in CONVERTER.parse_error(400, recorded("anthropic_error_400.json"))
    assert CONVERTER.parse_error(403, b"anything") == "Anthropic refused the hub's credentials"
    assert CONVERTER.parse_error(529, b"") == "Anthropic answered 529"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ["x"]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": 7}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": {"a": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": []}},
        {"type": "message_delta", "delta": ["x"], "usage": {}},
        {"type": ["message_stop"]},
    ],
)
@pytest.mark.parametrize("native", [None, Native({})])
def test_events_of_another_form_are_the_companys_failure(event: dict[str, Any], native: Native | None) -> None:
    parser = CONVERTER.stream_parser(replace(CALL, native=native))
    events: list[ProviderEvent] = []
    with pytest.raises(ProviderError):
        parser.feed(b"data: " + orjson.dumps(event) + b"\n\n", events)
        parser.end(events)


@pytest.mark.parametrize("block", [{"type": "text", "text": []}, {"type": "thinking", "thinking": 1}])
def test_blocks_of_another_form_are_the_companys_failure(block: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        CONVERTER.parse_completion(orjson.dumps({"content": [block], "stop_reason": "end_turn"}), CALL)
