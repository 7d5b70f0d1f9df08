"""What goes wrong with a message, told in Anthropic's form alone, and what it costs."""

from typing import Any

import pytest

from config import limits
from tests import bad_input
from tests.anthropic_events import content_of
from tests.factories import grant
from tests.http_streams import ask
from tests.integration.messages.parts import CLAUDE, GPT, KEY, PATH, Desk, refusal
from tests.stand_ins.base import Scenario


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"max_tokens": None}, ["max_tokens"]),
        ({"max_tokens": 0, "temperature": 1.1}, ["max_tokens", "temperature"]),
        ({"messages": [], "stream": "yes", "role": "admin"}, ["messages", "stream", "role"]),
        ({"messages": [{"role": "robot", "content": 5}]}, ["messages.0.role", "messages.0.content"]),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, ["messages.0.content.0.text"]),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, ["messages.0.content.0.source"]),
        ({"system": 5, "top_p": "0.5", "top_k": 1.5}, ["system", "top_p", "top_k"]),
        ({"tools": [{"name": "f"}], "tool_choice": {"type": "tool"}}, ["tools.0.input_schema", "tool_choice.name"]),
        ({"stop_sequences": ["", 5], "metadata": 1}, ["stop_sequences.0", "stop_sequences.1", "metadata"]),
        ({"thinking": {"type": "enabled"}}, ["thinking.budget_tokens"]),
        ({"messages": [{"role": "user", "content": "x " * 40_000}], "model": "gpt-4"}, ["messages"]),
        ({"model": "text-embedding-3-small"}, ["model"]),
    ],
)
@pytest.mark.gen_test
async def test_each_failure_is_named(desk: Desk, fields: dict[str, Any], named: list[str]) -> None:
    before = await bad_input.stored(desk.face.services.database)
    kind, message = await desk.refused(400, **{"model": GPT, **fields})
    assert kind == "invalid_request_error"
    assert sorted(part.partition(":")[0] for part in message.split("; ")) == sorted(named)
    assert await bad_input.stored(desk.face.services.database) == before
    assert desk.face.provider.requests == []


@pytest.mark.gen_test
async def test_wrong_headers_are_told_with_the_rest(desk: Desk) -> None:
    headers = {
        "anthropic-beta": "x" * (limits.BETAS_CHARS_MAX + 1),
        "Idempotency-Key": "",
        "X-Hub-On-Disconnect": "stay",
    }
    _, message = await refusal(await desk.send(GPT, headers, max_tokens=0), 400)
    for name in ("anthropic-beta", "Idempotency-Key", "X-Hub-On-Disconnect", "max_tokens"):
        assert f"{name}: " in message


@pytest.mark.gen_test
async def test_other_refusals(desk: Desk) -> None:
    face = desk.face
    assert await desk.refused(404, "gpt-99") == ("not_found_error", "The model 'gpt-99' does not exist")
    stranger = await ask(face.port, "POST", PATH, body={})
    assert (await refusal(stranger, 401))[0] == "authentication_error"
    assert (await refusal(await face.post_raw(PATH, b"{"), 400))[0] == "invalid_request_error"
    padded = b"{}".ljust(limits.COMPLETION_BODY_BYTES_MAX + 1)
    assert (await refusal(await face.post_raw(PATH, padded), 413))[0] == "request_too_large"
    assert (await refusal(await face.get(PATH), 405))[0] == "invalid_request_error"
    assert (await refusal(await face.get(f"{PATH}/batches"), 404))[0] == "not_found_error"
    assert (await face.get("/v1/messages2")).headers.get("request-id") is None
    await desk.message(GPT, headers=KEY)
    assert (await desk.refused(422, headers=KEY, max_tokens=5))[0] == "invalid_request_error"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.gen_test
async def test_without_credits_nobody_is_asked(desk: Desk, stream: bool) -> None:
    await grant(desk.face.services.ledger, desk.face.user.user_id, -10_000_000)
    answer = await desk.send(CLAUDE, stream=stream)
    assert answer.headers["x-should-retry"] == "false"
    assert (await refusal(answer, 402))[0] == "billing_error"
    assert desk.anthropic.requests == []


@pytest.mark.parametrize("model", [CLAUDE, GPT])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.gen_test
async def test_a_provider_that_fails_before_the_first_word(desk: Desk, model: str, stream: bool) -> None:
    desk.of(model).script(*[Scenario("error", status=500)] * 3, Scenario("error", status=400))
    assert (await desk.refused(502, model, stream=stream))[0] == "api_error"
    kind, message = await desk.refused(400, model, stream=stream)
    assert kind == "invalid_request_error" and "Stand-in error 400" in message
    assert await desk.face.charged() == 0
    await desk.assert_sound()


@pytest.mark.parametrize("model", [CLAUDE, GPT])
@pytest.mark.gen_test
async def test_a_provider_that_fails_in_the_middle(desk: Desk, model: str) -> None:
    desk.of(model).script(Scenario("error_chunk", chunks=8, interval_seconds=0.005))
    start, *events, last = await desk.events(model)
    assert start["type"] == "message_start"
    assert content_of([*events, {"type": "content_block_stop", "index": 0}]) == [{"type": "text", "text": " word" * 4}]
    assert (last["type"], last["error"]["type"], set(last)) == ("error", "api_error", {"type", "error", "request_id"})
    counted = start["message"]["usage"]["input_tokens"]
    tokens = 4 if model == GPT else 5 * 4 // 4  # Claude's are estimated, five bytes each
    assert desk.price(model, counted, tokens) <= await desk.face.charged() <= desk.price(model, counted, 2 * tokens)
    await desk.assert_sound()


@pytest.mark.gen_test
async def test_where_the_credits_end_the_message_says_so(desk: Desk) -> None:
    await grant(desk.face.services.ledger, desk.face.user.user_id, -10_000_000 + desk.price(GPT, 30, 40))
    desk.face.provider.script(Scenario(chunks=400, interval_seconds=0.001))
    *_, last, stop = await desk.events(GPT)
    assert (last["delta"]["stop_reason"], last["hub"]["detail"]) == ("max_tokens", "insufficient_credits")
    assert stop["type"] == "message_stop" and last["hub"]["receipt"]["balance_after"] >= 0
    await desk.assert_sound()
