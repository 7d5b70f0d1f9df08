"""Anthropic's form of a request, said in OpenAI's."""

import json
from typing import Any

import pytest

from hub.messages_form import openai_messages, openai_parameters

PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0="}}


def request(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4", "max_tokens": 5, "messages": list(messages), **fields}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


def said(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return openai_messages(request(*messages, **fields))


@pytest.mark.parametrize("system", ["Be brief.\n\nBe kind.", [text("Be brief.", cache_control={}), text("Be kind.")]])
def test_the_system_prompt_is_the_first_message(system: Any) -> None:
    assert said(user("Hi"), system=system) == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "Hi"},
    ]


def test_without_a_system_prompt_there_is_none() -> None:
    assert said(user("Hi"), system=None) == said(user("Hi"), system="") == [{"role": "user", "content": "Hi"}]


def test_a_system_message_stays_in_its_place() -> None:
    assert said(user("Hi"), {"role": "system", "content": [text("a"), text("b")]})[1] == {
        "role": "system",
        "content": "a\n\nb",
    }


def test_texts_and_pictures() -> None:
    url = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    assert said(user([text("See", cache_control={"type": "ephemeral"}), {"type": "image", "source": PNG}, url])) == [
        user([text("See"), PICTURE, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}])
    ]
    assert said(user([text("Hi")])) == [user("Hi")]


def test_documents() -> None:
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Words"}}
    pdf = {"type": "document", "title": "a.pdf", "source": {**PNG, "media_type": "application/pdf"}}
    elsewhere = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,iVBORw0="}
    assert said(user([plain, pdf, elsewhere])) == [user([text("Words"), {"type": "file", "file": file}, elsewhere])]


def test_what_has_no_counterpart_goes_through() -> None:
    block = {"type": "search_result", "title": "t", "source": "s", "content": []}
    assert said(user([text("a"), block])) == [user([text("a"), block])]
    asked = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    assert said(assistant([text("a"), asked])) == [assistant([text("a"), asked])]


def test_tool_results_come_first_and_their_pictures_after_them() -> None:
    results = [
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [text("18"), {"type": "image", "source": PNG}, text("C")],
        },
        {"type": "tool_result", "tool_use_id": "t2", "content": "No such city", "is_error": True},
        {"type": "tool_result", "tool_use_id": "t3"},
    ]
    assert said(user([text("And?"), *results])) == [
        {"role": "tool", "tool_call_id": "t1", "content": "18\nC"},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: No such city"},
        {"role": "tool", "tool_call_id": "t3", "content": ""},
        user([PICTURE, text("And?")]),
    ]
    assert said(user(results[1:2])) == [{"role": "tool", "tool_call_id": "t2", "content": "Error: No such city"}]


def test_tool_calls_and_thoughts_of_the_assistant() -> None:
    use = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}}
    thought = {"type": "thinking", "thinking": "Hm.", "signature": ""}
    hidden = {"type": "redacted_thinking", "data": "x"}
    (turn,) = said(assistant([thought, hidden, text("I "), text("look."), use]))
    (call,) = turn.pop("tool_calls")
    assert turn == assistant("I look.")
    assert (call["id"], call["type"], call["function"]["name"]) == ("t1", "function", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert said(assistant([use]))[0]["content"] is None
    assert said(user("a"), assistant([thought])) == [user("a")]
    assert said(assistant("Sure")) == [assistant("Sure")]


TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}
FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {}),
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "f"}, {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
)
def test_tools(choice: Any, expected: dict[str, Any]) -> None:
    assert openai_parameters(request(user("a"), tools=[TOOL], tool_choice=choice)) == {"tools": [FUNCTION], **expected}


def test_tools_that_are_strict_or_the_companys() -> None:
    own, theirs = {**TOOL, "type": "custom", "strict": True}, {"type": "web_search_20250305", "name": "web_search"}
    strict = {**FUNCTION, "function": {**FUNCTION["function"], "strict": True}}
    assert openai_parameters(request(user("a"), tools=[own, theirs]))["tools"] == [strict, theirs]
    assert openai_parameters(request(user("a"), tools=[], tool_choice={"type": "auto"})) == {}


def test_sampling_and_what_is_passed_on() -> None:
    fields = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "something_new": 1, "seed": None}
    assert openai_parameters(
        request(user("a"), stop_sequences=["END"], metadata={"user_id": "u1"}, stream=True, system="x", **fields)
    ) == {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "something_new": 1, "stop": ["END"], "user": "u1"}


def test_the_form_of_the_answer() -> None:
    schema = {"type": "object"}
    form = {"format": {"type": "json_schema", "schema": schema}, "effort": "low"}
    assert openai_parameters(request(user("a"), output_config=form)) == {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        }
    }


def test_what_only_tells_anthropic_how_to_work_is_left_out() -> None:
    fields = {"thinking": {"type": "adaptive"}, "service_tier": "auto", "cache_control": {"type": "ephemeral"}, "n": 3}
    assert openai_parameters(request(user("a"), stop_sequences=[], metadata={}, **fields)) == {}
