"""Several choices of one completion (OpenAI's `n`): together in one stream, told apart, and paid for together."""

import json
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from config import limits
from tests.http_streams import DONE, Face, Response
from tests.ledger_parts import debit
from tests.stand_ins.base import Scenario

RECORDED: Final = Path(__file__).parents[1] / "recorded"

pytestmark = pytest.mark.gen_test


def texts(chunks: list[Any]) -> dict[int, str]:
    """What each choice says, by its index."""
    said: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            said[choice["index"]] = said.get(choice["index"], "") + (choice["delta"].get("content") or "")
    return said


def reasons(chunks: list[Any]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["finish_reason"]:
                found.setdefault(choice["index"], []).append(choice["finish_reason"])
    return found


async def chunks_of(answer: Response) -> list[Any]:
    *events, done = await answer.events()
    assert done.data == DONE
    return [event.data for event in events]


@pytest.mark.parametrize("stream", [False, True])
async def test_three_are_relayed_and_charged(face: Face, stream: bool) -> None:
    face.provider.default = Scenario(chunks=5)
    answer = await face.complete(n=3, stream=stream, stream_options={"include_usage": True} if stream else None)
    assert face.provider.requests[0].body["n"] == 3
    if stream:
        chunks = await chunks_of(answer)
        assert texts(chunks) == dict.fromkeys(range(3), " word" * 5)
        assert reasons(chunks) == {index: ["stop"] for index in range(3)}
        opened = [choice["index"] for chunk in chunks for choice in chunk["choices"] if "role" in choice["delta"]]
        assert sorted(opened) == [0, 1, 2], "each begins once"
        usage = chunks[-1]["usage"]
    else:
        whole = await answer.json()
        choices = whole["choices"]
        assert [choice["index"] for choice in choices] == [0, 1, 2]
        assert [choice["message"]["content"] for choice in choices] == [" word" * 5] * 3
        assert [choice["finish_reason"] for choice in choices] == ["stop"] * 3
        usage = whole["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (9, 15)
    await face.at_rest()
    assert await face.charged() == 9 * 30 + 15 * 60


async def test_probabilities_and_each_choices_end_are_relayed(face: Face) -> None:
    face.provider.default = Scenario(recorded="choices")
    chunks = await chunks_of(await face.complete(n=2, stream=True, logprobs=True, top_logprobs=1))
    assert face.provider.requests[0].body["top_logprobs"] == 1
    assert texts(chunks) == {0: "Yes", 1: "No"}
    assert reasons(chunks) == {0: ["stop"], 1: ["length"]}
    certain = [choice["logprobs"] for chunk in chunks for choice in chunk["choices"] if choice["logprobs"]]
    assert [each["content"][0]["token"] for each in certain] == ["Yes", "No"]
    *_, last = chunks
    assert "usage" not in last
    await face.at_rest()


async def test_a_whole_answer_has_each_choices_probabilities(face: Face) -> None:
    face.provider.default = Scenario(recorded="choices")
    asked = {"n": 2, "logprobs": True, "top_logprobs": 1}
    choices = (await (await face.complete(**asked)).json())["choices"]
    assert {name: face.provider.requests[0].body[name] for name in asked} == asked
    theirs = json.loads((RECORDED / "openai_choices_logprobs.json").read_bytes())["choices"]
    assert [choice["logprobs"] for choice in choices] == [choice["logprobs"] for choice in theirs]
    assert [choice["logprobs"]["content"][0]["token"] for choice in choices] == ["Yes", "No"]
    assert [choice["finish_reason"] for choice in choices] == ["stop", "length"]
    await face.at_rest()


async def test_what_was_cached_and_thought_is_told(face: Face) -> None:
    face.provider.default = Scenario(recorded="choices")
    chunks = await chunks_of(await face.complete(n=2, stream=True, stream_options={"include_usage": True}))
    usage = chunks[-1]["usage"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == 1024
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 192
    await face.at_rest()


async def test_the_other_transports_tell_the_first_choice(face: Face) -> None:
    face.provider.default = Scenario(chunks=5)
    answer = await face.complete(n=2, stream=True)
    await chunks_of(answer)
    await face.at_rest()
    state = await (await face.get(f"/api/streams/{answer.headers['x-hub-stream-id']}?after=0")).json()
    assert state["data"]["content"] == " word" * 5


@pytest.mark.parametrize("stream", [False, True])
async def test_the_hold_is_for_all_of_them(face: Face, stream: bool) -> None:
    """The wallet ends in the middle: every choice is told that it was cut, and the balance is never below zero."""
    face.provider.default = Scenario(chunks=4_000)
    wallet = await face.services.ledger.wallet(face.user.user_id)
    await _spend(face, wallet.credits - 12_000)  # 200 tokens of answer are left
    answer = await face.complete(n=4, stream=stream, max_tokens=4_000)
    if stream:
        chunks = await chunks_of(answer)
        assert reasons(chunks) == {index: ["length"] for index in range(4)}
    await face.at_rest()
    left = (await face.services.ledger.wallet(face.user.user_id)).credits
    assert 0 <= left < 12_000
    if not stream:
        sent = face.provider.requests[0].body
        assert sent["max_tokens"] * 4 * 60 <= 12_000 - 9 * 30, "four answers of it can be paid for"


async def _spend(face: Face, micro: int) -> None:
    await face.services.ledger.commit(debit(face.user.user_id, micro))


async def test_a_model_that_gives_one_answer_refuses_several(face: Face) -> None:
    refused = await face.complete(n=limits.CHOICES_MAX + 1)
    assert (refused.status, (await refused.json())["error"]["details"]["field"]) == (400, "n")


@pytest.mark.parametrize("tools", [[{"type": "function"}] * (limits.TOOLS_PER_REQUEST_MAX + 1), [0], {}, "x"])
async def test_so_many_tools_and_no_more(face: Face, tools: Any) -> None:
    """Counting eight million of them took a process two gigabytes and everybody's minute."""
    refused = await face.complete(tools=tools)
    assert (refused.status, (await refused.json())["error"]["details"]["field"].split(".")[0]) == (400, "tools")
    assert face.provider.requests == []
    assert (await face.complete(tools=[{"type": "new"}])).status == 200, "what each may be is the provider's matter"
    await face.at_rest()


@pytest.mark.parametrize("stream", [False, True])
async def test_the_sandbox_gives_different_answers(face: Face, stream: bool) -> None:
    answer = await face.complete(model="minimax", n=2, stream=stream, max_tokens=60)
    if stream:
        chunks = await chunks_of(answer)
        said, ended = texts(chunks), reasons(chunks)
        assert ended == {0: ["length"], 1: ["length"]}
    else:
        said = {choice["index"]: choice["message"]["content"] for choice in (await answer.json())["choices"]}
    assert said.keys() == {0, 1} and said[0] != said[1]
    await face.at_rest()


@pytest.mark.parametrize("stream", [False, True])
async def test_whatever_a_company_says_beside_the_text_is_relayed_kept_and_paid(
    face: Face, other_port: int, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """Keys, numbers and depths among it that no database takes."""
    odd: dict[str, Any] = {"$where": 2**64 - 1, "a.b": {"c\0d": "\0"}}
    for _ in range(150):
        odd = {"inner": odd}
    chunk = {"choices": [{"index": 0, "delta": {"content": "odd", "odd": odd}, "finish_reason": None}]}
    whole = {"choices": [{"index": 0, "message": {"content": "odd", "odd": odd}, "finish_reason": "stop"}]}
    frames = face.provider.frames

    def with_an_odd_one(scenario: Scenario, body: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
        opening, word, ending = frames(scenario, body)
        return opening + b"data: " + orjson.dumps(chunk) + b"\n\n", word, ending

    monkeypatch.setattr(face.provider, "frames", with_an_odd_one)
    monkeypatch.setattr(face.provider, "whole_body", lambda scenario, body: whole)
    key = {"Idempotency-Key": "odd"}

    async def said() -> Any:
        answer = await face.complete(stream=stream, headers=key)
        assert answer.status == 200
        return await chunks_of(answer) if stream else await answer.json()

    first = await said()
    await face.at_rest()
    told = [c["choices"][0]["delta"].get("odd") for c in first] if stream else [first["choices"][0]["message"]["odd"]]
    assert odd in told
    charged = await face.charged()
    assert charged > 0
    face.port = other_port  # which reads it from the database
    again = await said()
    assert again == first
    assert (await face.charged(), len(face.provider.requests)) == (charged, 1)
