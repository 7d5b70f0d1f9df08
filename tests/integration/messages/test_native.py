"""Anthropic's own models by Anthropic's form: the request goes as it came, and the answer comes back as it was."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from models.conversations import MESSAGES
from models.usage import USAGE
from tests.anthropic_events import events_of, message_of
from tests.integration.messages.parts import CLAUDE, KEY, PNG, WEATHER, Desk
from tests.stand_ins.base import Scenario

RECORDED: Final = Path(__file__).parents[2] / "recorded"
NATIVE: Final[dict[str, Any]] = {
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "thinking": {"type": "enabled", "budget_tokens": 200},
    "tools": [{"type": "web_search_20250305", "name": "web_search"}, WEATHER],
    "metadata": {"user_id": "u1"},
    "messages": [
        {"role": "user", "content": [{"type": "document", "source": {"type": "file", "file_id": "file_1"}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}]},
        {"role": "user", "content": [{"type": "image", "source": PNG}, {"type": "something_new", "a": [1]}]},
    ],
    "something_new": {"a": [None, 1.5]},
}


def recorded(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.gen_test
async def test_anthropics_own_models_get_the_body_as_it_came(desk: Desk, stream: bool) -> None:
    desk.anthropic.script(Scenario(recorded="blocks"))
    headers = {"anthropic-beta": "files-api-2025-04-14,new", "anthropic-version": "2023-06-01"}
    answer = await desk.send(CLAUDE, headers, stream=stream, **NATIVE)
    assert answer.status == 200, await answer.text()
    (request,) = desk.anthropic.requests
    expected = {"model": "claude-haiku-4-5", "max_tokens": 600, **NATIVE} | ({"stream": True} if stream else {})
    assert request.body == expected
    assert request.headers["anthropic-beta"] == "files-api-2025-04-14,new"
    assert (await answer.text()).count("redacted_thinking") == 1


@pytest.mark.gen_test
async def test_a_native_stream_has_the_blocks_and_the_usage_that_came(desk: Desk) -> None:
    desk.anthropic.script(Scenario(recorded="blocks"))
    message = message_of(await desk.events(CLAUDE, **NATIVE))
    theirs = message_of(events_of(recorded("anthropic_blocks.sse")))
    assert (message["content"], message["stop_reason"]) == (theirs["content"], "tool_use")
    for name, count in theirs["usage"].items():
        assert name in ("cache_creation", "service_tier", "output_tokens") or message["usage"][name] == count
    assert message["usage"]["output_tokens"] == 510 and message["model"] == CLAUDE
    assert await desk.face.charged() == desk.price(CLAUDE, 2_095 + 120 + 1_000, 510)
    await desk.assert_sound()


@pytest.mark.gen_test
async def test_a_native_message_is_the_one_that_came(desk: Desk) -> None:
    desk.anthropic.script(Scenario(recorded="blocks"))
    message = await desk.message(CLAUDE, **NATIVE)
    theirs = json.loads(recorded("anthropic_blocks.json"))
    hub = message.pop("hub")
    assert message == {**theirs, "id": message["id"], "model": CLAUDE}
    assert hub["receipt"]["usage_source"] == "provider"
    assert await desk.face.charged() == desk.price(CLAUDE, 2_095 + 120 + 1_000, 510)
    await desk.assert_sound()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.gen_test
async def test_a_repeat_with_the_same_key_has_the_same_blocks_on_any_node(desk: Desk, stream: bool) -> None:
    desk.anthropic.script(Scenario(recorded="blocks"))
    answers = []
    for port in (desk.face.port, desk.face.port, desk.other_port):
        desk.face.port = port
        answer = await desk.send(CLAUDE, KEY, stream=stream, **NATIVE)
        assert (answer.status, answer.headers.get("idempotency-hit")) == (200, "true" if answers else None)
        text = await answer.text()
        answers.append(message_of(events_of(text.encode())) if stream else json.loads(text))
    for name in ("content", "stop_reason", "stop_sequence", "id"):
        assert answers[0][name] == answers[1][name] == answers[2][name]
    assert len(desk.anthropic.requests) == 1
    assert await desk.face.charged() == desk.price(CLAUDE, 2_095 + 120 + 1_000, 510)


@pytest.mark.gen_test
async def test_the_same_stream_by_other_transports(desk: Desk) -> None:
    """They have its text, thoughts and tools in OpenAI's form, and the blocks beside them."""
    desk.anthropic.script(Scenario(recorded="blocks"))
    begun = await desk.send(CLAUDE, stream=True, **NATIVE)
    stream, blocks = begun.headers["x-hub-stream-id"], message_of(events_of((await begun.text()).encode()))["content"]
    read = (await (await desk.face.get(f"/api/streams/{stream}")).json())["data"]
    assert (read["content"], read["status"]) == ("Here is the weather: sunny, 18 degrees", "completed")
    pushes = [event.data for event in await (await desk.face.get(f"/api/streams/{stream}/events")).events()]
    extras = [push.get("extra", {}) for push in pushes]
    assert "".join(extra.get("reasoning_content", "") for extra in extras) == "The weather has to be searched."
    assert [call["id"] for extra in extras for call in extra.get("tool_calls", ()) if "id" in call] == [
        blocks[-1]["id"]
    ]
    kept = [json.loads(extra["anthropic"]) for extra in extras if "anthropic" in extra]
    assert [said["start"]["type"] for said in kept if "start" in said] == [block["type"] for block in blocks]
    desk.face.port = desk.other_port
    again = [event.data for event in await (await desk.face.get(f"/api/streams/{stream}/events")).events()]
    assert [push.get("extra") for push in again] == [push.get("extra") for push in pushes]


@pytest.mark.gen_test
async def test_claude_by_openais_form(desk: Desk) -> None:
    desk.anthropic.script(Scenario(recorded="blocks"))
    answer = await (await desk.face.complete(model=CLAUDE, max_tokens=600)).json()
    message = answer["choices"][0]["message"]
    assert message["content"] == "Here is the weather: sunny, 18 degrees"
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["note"]
    assert "anthropic" not in message and answer["usage"]["prompt_tokens_details"] == {"cached_tokens": 1_000}
    assert desk.anthropic.requests[0].body["messages"][0]["content"] == [{"type": "text", "text": "Tell me something"}]


@pytest.mark.gen_test
async def test_an_answer_is_stored_with_its_usage(desk: Desk) -> None:
    desk.anthropic.script(Scenario(recorded="blocks"))
    message = await desk.message(CLAUDE, **NATIVE)
    stream = message["id"].replace("msg_", "stream_")
    stored = await desk.face.services.database[MESSAGES].find_one({"stream": {"$eq": stream}})
    row = await desk.face.services.database[USAGE].find_one({"_id": {"$eq": stream}})
    assert stored is not None and stored["content"] == "Here is the weather: sunny, 18 degrees"
    assert row is not None and (row["prompt_tokens"], row["completion_tokens"]) == (3_215, 510)
