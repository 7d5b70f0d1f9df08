"""Every model by Anthropic's form: answers, tools, pictures and parameters, and the count of tokens."""

from typing import Any, Final

import pytest

from tests import bad_input
from tests.anthropic_events import message_of
from tests.http_streams import ask
from tests.integration.messages.parts import CLAUDE, GPT, PATH, PNG, SANDBOX, WEATHER, Desk, refusal
from tests.stand_ins.base import Scenario

TOOL_TURNS: Final = [
    {"role": "user", "content": "How is the weather?"},
    {
        "role": "assistant",
        "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Paris"}}],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "18 degrees"}]},
]


@pytest.mark.parametrize("model", [CLAUDE, GPT])
@pytest.mark.gen_test
async def test_an_answer_streamed_and_whole(desk: Desk, model: str) -> None:
    desk.of(model).script(Scenario(chunks=5, interval_seconds=0.005), Scenario(chunks=5))
    streamed, whole = message_of(await desk.events(model)), await desk.message(model)
    for message in (streamed, whole):
        assert message["content"] == [{"type": "text", "text": " word" * 5}]
        assert (message["type"], message["role"], message["model"]) == ("message", "assistant", model)
        assert (message["stop_reason"], message["stop_sequence"]) == ("end_turn", None)
        assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (9, 5)
    assert whole["hub"]["receipt"]["charged"] * 10**6 == pytest.approx(desk.price(model, 9, 5))
    assert await desk.face.charged() == 2 * desk.price(model, 9, 5)
    assert [request.body["max_tokens"] for request in desk.of(model).requests] == [600, 600]
    await desk.assert_sound()


@pytest.mark.gen_test
async def test_the_sandbox_speaks_it_too(desk: Desk) -> None:
    message = await desk.message(SANDBOX, max_tokens=30)
    assert (message["stop_reason"], message["usage"]["output_tokens"]) == ("max_tokens", 30)
    streamed = message_of(await desk.events(SANDBOX, max_tokens=30))
    assert streamed["content"] == message["content"]
    called = message_of(
        await desk.events(SANDBOX, tools=[WEATHER], tool_choice={"type": "tool", "name": "get_weather"})
    )
    assert (called["stop_reason"], called["content"][0]["name"]) == ("tool_use", "get_weather")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.gen_test
async def test_tools_both_ways_with_a_model_of_openai(desk: Desk, stream: bool) -> None:
    desk.face.provider.script(Scenario(recorded="tools"))
    fields = {"messages": TOOL_TURNS, "tools": [WEATHER], "tool_choice": {"type": "any"}, "system": "Be brief."}
    message = message_of(await desk.events(GPT, **fields)) if stream else await desk.message(GPT, **fields)
    (use,) = message["content"]
    name, city = ("get_weather", "Paris") if stream else ("get_current_weather", "Boston, MA")
    assert (use["type"], use["name"], use["input"]) == ("tool_use", name, {"location": city})
    assert message["stop_reason"] == "tool_use"
    body = desk.face.provider.requests[0].body
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    assert body["messages"][3] == {"role": "tool", "tool_call_id": "t1", "content": "18 degrees"}
    assert (body["tools"][0]["function"]["name"], body["tool_choice"]) == ("get_weather", "required")


@pytest.mark.gen_test
async def test_a_picture_goes_to_either(desk: Desk) -> None:
    turn = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image", "source": PNG}]}
    for model in (GPT, CLAUDE):
        await desk.message(model, messages=[turn])
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    assert desk.face.provider.requests[0].body["messages"][0]["content"][1] == url
    assert desk.anthropic.requests[0].body["messages"] == [turn]


@pytest.mark.gen_test
async def test_parameters_of_the_other_form_and_unknown_ones(desk: Desk) -> None:
    fields = {"temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"], "metadata": {"user_id": "u1"}, "new": [1]}
    await desk.message(GPT, thinking={"type": "enabled", "budget_tokens": 200}, **fields)
    body = desk.face.provider.requests[0].body
    assert {name: body[name] for name in ("temperature", "top_p", "stop", "user", "new")} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "user": "u1",
        "new": [1],
    }
    assert not {"thinking", "metadata", "stop_sequences", "system"} & set(body)


@pytest.mark.gen_test
async def test_headers_and_credentials_are_anthropics_and_ours(desk: Desk) -> None:
    body = {"model": GPT, "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    answer = await ask(desk.face.port, "POST", PATH, body=body, headers={"x-api-key": desk.face.token})
    assert answer.status == 200
    for name in ("request-id", "x-request-id", "x-hub-stream-id", "x-hub-stream-epoch", "x-ratelimit-limit"):
        assert answer.headers[name], name
    assert answer.headers["x-hub-route"] == "openai/gpt-4o"


@pytest.mark.gen_test
async def test_tokens_are_counted_for_nothing_and_nothing_is_kept(desk: Desk) -> None:
    before = await bad_input.stored(desk.face.services.database)
    body = {"model": GPT, "messages": [{"role": "user", "content": "Hello"}]}

    async def counted(**fields: Any) -> int:
        answer = await ask(
            desk.face.port, "POST", f"{PATH}/count_tokens", token=desk.face.token, body={**body, **fields}
        )
        found = await answer.json()
        assert (answer.status, set(found)) == (200, {"input_tokens"}), found
        return int(found["input_tokens"])

    plain = await counted()
    assert plain == 8 and await counted(system="Be brief.") > plain and await counted(tools=[WEATHER]) > plain + 10
    assert await counted(model=CLAUDE) > 0
    schema = {"type": "object", "properties": {"answer": {"type": "string", "description": "very long " * 100}}}
    assert await counted(output_config={"format": {"type": "json_schema", "schema": schema}}) > plain + 100
    source = {"type": "base64", "media_type": "application/pdf", "data": "A" * 400_000}
    pdf = {"role": "user", "content": [{"type": "document", "source": source}]}
    assert await counted(messages=[pdf]) > 12_000
    for wrong in (-1, "x", [{}], {"user_id": 7}):
        assert await counted(metadata=wrong, stop_sequences=wrong) == plain, "what no prompt has is not looked at"
    refused = await ask(desk.face.port, "POST", f"{PATH}/count_tokens", token=desk.face.token, body={"model": GPT})
    assert (await refusal(refused, 400))[1].startswith("messages: ")
    unknown = {**body, "model": "gpt-99"}
    refused = await ask(desk.face.port, "POST", f"{PATH}/count_tokens", token=desk.face.token, body=unknown)
    assert (await refusal(refused, 404))[0] == "not_found_error"
    assert await desk.face.charged() == 0 and desk.face.provider.requests == desk.anthropic.requests == []
    assert await bad_input.stored(desk.face.services.database) == before
