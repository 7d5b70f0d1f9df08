"""`generate` of the AI Playground: one text or several choices, which are told apart and paid for together."""

from typing import Any

import orjson
import pytest

from config import limits
from tests.factories import grant
from tests.http_streams import Face, Response
from tests.stand_ins.base import Scenario

pytestmark = pytest.mark.gen_test


async def generated(face: Face, headers: dict[str, str] | None = None, **fields: Any) -> Response:
    body = {"prompt": "Tell me something", "model": "gpt-4", **fields}
    return await face.post_raw("/api/v1/ai/generate", orjson.dumps(body), headers)


async def data_of(answer: Response) -> Any:
    assert answer.status == 200, await answer.text()
    return (await answer.json())["data"]


async def test_a_text_tells_what_it_took(face: Face) -> None:
    answer = await generated(face)
    data = await data_of(answer)
    assert data["id"] == f"gen-{answer.headers['x-hub-stream-id'].partition('_')[2]}"
    assert data["choices"] == [{"text": " word" * 8, "index": 0, "finish_reason": "stop"}]
    assert data["usage"] == {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}
    assert data["cost"] * 10**6 == await face.charged() == 9 * 30 + 8 * 60
    asked = face.provider.requests[0].body
    assert asked["messages"] == [{"role": "user", "content": "Tell me something"}]
    assert (asked["max_tokens"], asked["temperature"], asked["top_p"]) == (1_000, 0.7, 0.9)
    assert "stop" not in asked and asked.get("n", 1) == 1


async def test_where_it_is_to_stop_is_told_to_the_provider(face: Face) -> None:
    await generated(face, stop=["\n\n", "END"], temperature=0.8, top_p=0.95)
    asked = face.provider.requests[0].body
    assert (asked["stop"], asked["temperature"], asked["top_p"]) == (["\n\n", "END"], 0.8, 0.95)
    whole = (await data_of(await generated(face, model="minimax")))["choices"][0]["text"]
    word = whole.split()[10]
    (choice,) = (await data_of(await generated(face, model="minimax", stop=word)))["choices"]
    assert choice == {"text": whole.partition(word)[0], "index": 0, "finish_reason": "stop"}


async def test_each_choice_is_paid_for(face: Face) -> None:
    face.provider.default = Scenario(chunks=5)
    data = await data_of(await generated(face, n=3))
    assert face.provider.requests[0].body["n"] == 3
    assert data["choices"] == [{"text": " word" * 5, "index": index, "finish_reason": "stop"} for index in range(3)]
    assert data["usage"] == {"prompt_tokens": 9, "completion_tokens": 15, "total_tokens": 24}
    assert data["cost"] * 10**6 == await face.charged() == 9 * 30 + 15 * 60
    await face.at_rest()


async def test_the_model_that_is_asked_by_default_gives_different_texts(face: Face) -> None:
    answer = await face.post_raw("/api/v1/ai/generate", b'{"prompt": "Tell me something", "n": 2, "max_tokens": 60}')
    data = await data_of(answer)
    assert data["model"] == "minimax"
    first, second = data["choices"]
    assert first["text"] != second["text"]
    assert [choice["index"] for choice in data["choices"]] == [0, 1]
    assert data["usage"]["completion_tokens"] == 120


async def test_all_choices_together_cost_no_more_than_there_is(face: Face) -> None:
    wallet = await face.services.ledger.wallet(face.user.user_id)
    await grant(face.services.ledger, face.user.user_id, 12_000 - wallet.credits)
    face.provider.default = Scenario(chunks=4_000)
    await data_of(await generated(face, n=4, max_tokens=4_000))
    assert face.provider.requests[0].body["max_tokens"] * 4 * 60 <= 12_000 - 9 * 30
    await face.at_rest()
    assert 0 <= (await face.services.ledger.wallet(face.user.user_id)).credits < 12_000


async def test_a_repeat_gets_all_choices_of_the_first(face: Face, other_port: int) -> None:
    key = {"Idempotency-Key": "order 66"}
    first = await data_of(await generated(face, key, n=3))
    charged = await face.charged()
    for port in (face.port, other_port):
        face.port = port
        again = await generated(face, key, n=3)
        assert again.headers["idempotency-hit"] == "true"
        assert await data_of(again) == first
    assert (len(face.provider.requests), await face.charged()) == (1, charged)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x" * (limits.MESSAGE_CHARS_MAX + 1)}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": limits.CHOICES_MAX + 1}, "n"),
        ({"n": 1.0}, "n"),
        ({"stop": []}, "stop"),
        ({"stop": ["x"] * 5}, "stop"),
        ({"temperature": 1.5}, "temperature"),
        ({"stream": True}, "stream"),
        ({"messages": []}, "messages"),
    ],
)
async def test_what_breaks_a_rule_is_refused(face: Face, wrong: dict[str, Any], field: str) -> None:
    answer = await generated(face, **wrong)
    body = await answer.json()
    assert (answer.status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [failure["field"] for failure in body["error"]["details"]["errors"]] == [field]
    assert face.provider.requests == []
