"""The sandbox: the same answer each time, honest counts, its limits and its pace."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from hub import tokens
from hub.providers.base import Delta, Finish, ProviderCall, ProviderEvent, Usage
from hub.providers.sandbox import SandboxProvider
from hub.providers.sandbox_forms import example

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 3},
        "unit": {"enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city"],
}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": WEATHER}} for name in ("get_weather", "get_forecast")
]


def call(max_tokens: int = 1000, prompt: str = "Tell me a story", choices: int = 1, **parameters: Any) -> ProviderCall:
    return ProviderCall("gpt-4", [{"role": "user", "content": prompt}], max_tokens, parameters, choices)


async def collect(provider: SandboxProvider, asked: ProviderCall) -> list[ProviderEvent]:
    return [event async for batch in provider.stream(asked) for event in batch]


def text_of(events: list[ProviderEvent]) -> str:
    return "".join(event.content for event in events if isinstance(event, Delta))


@pytest.mark.parametrize("vocabulary", ["cl100k_base", None])
@pytest.mark.parametrize("max_tokens", [1, 2, 17, 399, 400, 1000])
def test_it_runs_to_its_limit_and_says_so(vocabulary: str | None, max_tokens: int) -> None:
    events = asyncio.run(collect(SandboxProvider(1e6, vocabulary), call(max_tokens)))
    usage = events[-2]
    whole = {"cl100k_base": 400, None: 393}[vocabulary]  # of this prompt's answer, whose last sentence is not cut
    least, most = (max_tokens - 1, max_tokens) if max_tokens < 400 else (whole, whole)
    assert isinstance(usage, Usage) and least <= usage.completion_tokens <= most
    assert text_of(events).endswith(".") or max_tokens < 400
    assert usage.completion_tokens == tokens.count_text(vocabulary, text_of(events))
    assert usage.prompt_tokens == tokens.count_messages(vocabulary, call().messages)
    assert events[-1] == Finish("length" if max_tokens < 400 else "stop")


def test_the_same_prompt_has_the_same_answer_and_another_prompt_another() -> None:
    provider = SandboxProvider(1e6, "cl100k_base")
    first, second = (asyncio.run(provider.complete(call())) for _ in range(2))
    other = asyncio.run(provider.complete(call(prompt="Tell me a joke")))
    assert first == second != other
    assert first.content == text_of(asyncio.run(collect(provider, call())))
    assert "```python" in first.content and "sandbox" in first.content


def test_broken_text_is_answered_too() -> None:
    assert asyncio.run(SandboxProvider(1e6, "cl100k_base").complete(call(prompt="\ud800"))).content


def test_its_pace() -> None:
    async def seconds() -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await collect(SandboxProvider(200, "cl100k_base"), call(max_tokens=60))
        return loop.time() - started

    assert 0.25 < asyncio.run(seconds()) < 5  # 60 tokens at 200 a second: 0.3 s


def test_a_whole_answer_does_not_wait() -> None:
    async def answered() -> str:
        return (await asyncio.wait_for(SandboxProvider(0.001).complete(call()), 5)).finish_reason

    assert asyncio.run(answered()) == "stop"


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (None, "get_weather"),
        ("auto", "get_weather"),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "get_forecast"}}, "get_forecast"),
    ],
)
def test_it_calls_a_tool_that_it_is_offered(choice: Any, name: str) -> None:
    asked = call(tools=TOOLS, tool_choice=choice)
    whole = asyncio.run(SandboxProvider(1e6).complete(asked))
    assert whole.extra is not None and whole.finish_reason == "tool_calls" and whole.content == ""
    (called,) = whole.extra["tool_calls"]
    assert called["function"]["name"] == name
    assert orjson.loads(called["function"]["arguments"]) == {"city": "sandbox", "days": 3, "unit": "celsius"}
    events = asyncio.run(collect(SandboxProvider(1e6), asked))
    pieces = [event.extra["tool_calls"][0] for event in events if isinstance(event, Delta) and event.extra]
    assert pieces[0]["id"] == called["id"] and pieces[0]["function"]["name"] == name
    assert "".join(piece["function"]["arguments"] for piece in pieces) == called["function"]["arguments"]
    usage = events[-2]
    assert isinstance(usage, Usage) and usage.completion_tokens > 0 and events[-1] == Finish("tool_calls")


def test_it_answers_in_words_where_no_tool_is_to_be_called() -> None:
    result = {"role": "tool", "tool_call_id": "call_1", "content": "21 degrees"}
    asked = call(tools=TOOLS)
    for without in (call(tools=TOOLS, tool_choice="none"), replace(asked, messages=[*asked.messages, result])):
        assert asyncio.run(SandboxProvider(1e6).complete(without)).content


@pytest.mark.parametrize("stop", ["sandbox", ["nowhere", "sandbox"]])
def test_it_stops_before_a_stop_sequence(stop: Any) -> None:
    whole = asyncio.run(SandboxProvider(1e6).complete(call(stop=stop)))
    assert (whole.content, whole.finish_reason) == ("This answer comes from the ", "stop")


def test_it_answers_in_json_where_that_is_asked_for() -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER}}
    for form, expected in (
        (schema, {"city": "sandbox", "days": 3, "unit": "celsius"}),
        ({"type": "json_object"}, None),
    ):
        whole = asyncio.run(SandboxProvider(1e6).complete(call(response_format=form)))
        answer = orjson.loads(whole.content)
        assert answer == expected or (expected is None and isinstance(answer, dict))
        assert whole.finish_reason == "stop"


def test_its_words_are_certain() -> None:
    for choices in (1, 2):
        events = asyncio.run(collect(SandboxProvider(1e6), call(20, choices=choices, logprobs=True)))
        said = [event for event in events if isinstance(event, Delta) and event.content]
        assert said
        for delta in said:
            assert delta.extra is not None
            (certain,) = delta.extra["choice"]["logprobs"]["content"]
            assert (certain["token"], certain["logprob"], bytes(certain["bytes"])) == (
                delta.content,
                0.0,
                delta.content.encode(),
            )


def test_several_answers_run_side_by_side() -> None:
    asked = call(30, choices=3)
    provider = SandboxProvider(1e6, "cl100k_base")
    events = asyncio.run(collect(provider, asked))
    said = {0: "", 1: "", 2: ""}
    ended: list[int] = []
    for event in events:
        if isinstance(event, Delta):
            choice = event.extra["choice"] if event.extra else {"index": 0}
            said[choice["index"]] += event.content
            ended += [choice["index"]] if choice.get("finish_reason") == "length" else []
    assert sorted(ended) == [1, 2] and events[-1] == Finish("length")
    whole = asyncio.run(provider.complete(asked))
    assert [whole.content, *(other.content for other in whole.others)] == list(said.values())
    assert len(set(said.values())) == 3
    assert whole.usage is not None and 85 <= whole.usage.completion_tokens <= 90


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, "sandbox"),
        ({"const": 7}, 7),
        ({"type": ["null", "string"]}, None),
        ({"anyOf": [{"type": "boolean"}]}, True),
        ({"type": "array", "items": {"type": "number"}}, [1]),
        ({"type": "array"}, []),
        ({"properties": {"a": {"default": "x"}, "b": 7}}, {"a": "x", "b": "sandbox"}),
        ({"type": "strange"}, "sandbox"),
        ({"type": 7, "enum": []}, "sandbox"),
    ],
)
def test_a_value_for_a_schema(schema: Any, value: Any) -> None:
    assert example(schema) == value


NO_SCHEMA: tuple[Any, ...] = (True, 7, 1.5, "x", None, [], ["x"], [{}])


@pytest.mark.parametrize("wrong", NO_SCHEMA)
def test_what_is_no_schema_is_answered_too(wrong: Any) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": wrong}}]
    form = {"type": "json_schema", "json_schema": {"schema": wrong}}
    for asked in (call(tools=tools), call(response_format=form)):
        assert asyncio.run(SandboxProvider(1e6).complete(asked)).usage is not None
    for kind in (wrong, [wrong]):
        orjson.dumps(example({"type": kind, "properties": {"x": wrong}}))
        orjson.dumps(example({"type": "object", "properties": {"x": {"type": kind}}}))


def test_a_schema_without_end_has_a_bound() -> None:
    schema: dict[str, Any] = {"type": "object"}
    schema["properties"] = {"again": schema}
    assert "again" in example(schema)
