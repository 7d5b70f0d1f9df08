"""Chat in the AI Playground's form: whole and streamed, its defaults and bounds, and how it fails, is cut and goes on."""

from typing import Any, Final

import orjson
import pytest

from tests.factories import grant
from tests.http_streams import DONE, Event, Face, Response
from tests.patience import until
from tests.stand_ins.base import Scenario
from tests.ws_client import Client

pytestmark = pytest.mark.gen_test

CHAT, GENERATE = "/api/v1/ai/chat", "/api/v1/ai/generate"
HELLO: Final = [{"role": "user", "content": "Hello"}]
GO_ON: Final = {"X-Hub-On-Disconnect": "continue"}
PAID: Final = {"cost", "receipt"}


async def data_of(answer: Response) -> Any:
    assert answer.status == 200, await answer.text()
    body = await answer.json()
    assert body["success"] is True and body["timestamp"].endswith("Z")
    return body["data"]


async def refused(answer: Response) -> tuple[int, str]:
    body = await answer.json()
    assert body["success"] is False and body["error"].keys() == {"message", "code", "details"}
    return answer.status, body["error"]["code"]


def said(events: list[Event]) -> str:
    return "".join(event.content for event in events)


# --- one answer -------------------------------------------------------------------------------------------------


async def test_a_whole_answer_tells_what_it_took(face: Face) -> None:
    answer = await face.complete(CHAT)
    data = await data_of(answer)
    stream = answer.headers["x-hub-stream-id"]
    assert data["id"] == f"chat-{stream.partition('_')[2]}"
    assert (data["model"], data["created"]) == ("gpt-4", int((await face.message(stream))["created_at"].timestamp()))
    message = {"role": "assistant", "content": " word" * 8}
    assert data["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert data["usage"] == {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}
    assert data["cost"] == data["receipt"]["charged"] == (9 * 30 + 8 * 60) / 10**6
    assert await face.charged() == 9 * 30 + 8 * 60
    assert answer.headers["x-hub-stream-epoch"] and answer.headers["x-ratelimit-endpoint"] == "ai"


async def test_what_is_not_said_is_as_documented(face: Face) -> None:
    sent = {"role": "user", "content": "Hello"}
    await data_of(await face.complete(CHAT, messages=[sent]))
    asked = face.provider.requests[0].body
    assert (asked["max_tokens"], asked["temperature"], asked["top_p"]) == (1_000, 0.7, 0.9)
    assert asked["messages"] == [sent] and not asked.get("stream")
    own = {"max_tokens": 5, "temperature": 0, "top_p": 1}
    await data_of(await face.complete(CHAT, **own))
    assert {name: face.provider.requests[1].body[name] for name in own} == own
    default = await face.post_raw(CHAT, b'{"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}')
    assert (await data_of(default))["model"] == "minimax"


async def test_a_question_by_websocket_has_the_same_defaults(face: Face) -> None:
    socket = await Client.open(face.port, f"/v1/ai/stream?token={face.token}")
    for own in ({"model": "gpt-4"}, {"model": "gpt-4", "max_tokens": 5, "temperature": 0, "top_p": 1}, {}):
        socket.send_json("bareChat", {"messages": HELLO, "stream": True, **own})
        await socket.answer_of((await socket.push("chat.started"))["stream_id"])
    listed = (await (await face.get("/api/v1/usage?sort=asc")).json())["data"]["items"]
    assert [item["model"] for item in listed] == ["gpt-4", "gpt-4", "minimax"]
    names = ("max_tokens", "temperature", "top_p")
    plain, said = ({name: request.body[name] for name in names} for request in face.provider.requests[:2])
    assert plain == {"max_tokens": 1_000, "temperature": 0.7, "top_p": 0.9}
    assert said == {"max_tokens": 5, "temperature": 0, "top_p": 1}
    socket.abort()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, "messages.0.content"),
        ({"temperature": 1.01}, "temperature"),
        ({"temperature": -0.01}, "temperature"),
        ({"top_p": 1.01}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "1000"}, "max_tokens"),
        ({"model": None}, "model"),
        ({"model": "text-embedding-3-small"}, "model"),
        ({"n": 2}, "n"),
    ],
)
async def test_what_breaks_a_rule_is_refused(face: Face, wrong: dict[str, Any], field: str, stream: bool) -> None:
    answer = await face.complete(CHAT, **{"stream": stream, **wrong})
    body = await answer.json()
    assert (answer.status, body["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert [failure["field"] for failure in body["error"]["details"]["errors"]] == [field]
    assert face.provider.requests == []


async def test_what_does_not_exist_and_who_cannot_pay(face: Face) -> None:
    assert await refused(await face.complete(CHAT, model="gpt-99")) == (404, "NOT_FOUND")
    assert await refused(await face.post_raw(CHAT, b"{")) == (400, "VALIDATION_ERROR")
    wallet = await face.services.ledger.wallet(face.user.user_id)
    await grant(face.services.ledger, face.user.user_id, -wallet.credits)
    for stream in (False, True):
        assert await refused(await face.complete(CHAT, stream=stream)) == (402, "INSUFFICIENT_CREDITS")


# --- events -----------------------------------------------------------------------------------------------------


async def test_a_streamed_answer_comes_piece_by_piece(face: Face) -> None:
    answer = await face.complete(CHAT, stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    *deltas, last, done = await answer.events()
    assert face.provider.requests[0].body["stream"] is True
    head = {"id": f"chat-{answer.headers['x-hub-stream-id'].partition('_')[2]}", "model": "gpt-4"}
    head["created"] = deltas[0].data["created"]
    choice = {"index": 0, "delta": {"content": " word"}, "finish_reason": None}
    assert [delta.data for delta in deltas] == [{**head, "choices": [choice]}] * 8
    end = {name: value for name, value in last.data.items() if name not in PAID}
    usage = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}
    assert end == {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    assert last.data["cost"] * 10**6 == await face.charged() == 9 * 30 + 8 * 60
    assert done.data == DONE


async def test_an_answer_that_breaks_off_ends_with_the_apis_own_error(face: Face) -> None:
    face.provider.script(Scenario("reset_mid", chunks=8))
    answer = await face.complete(CHAT, stream=True)
    *deltas, last, done = await answer.events()
    assert said(deltas) == " word" * 4 and done.data == DONE
    assert last.data.keys() == {"success", "error", "timestamp"} and last.data["success"] is False
    assert last.data["error"]["code"] == "SERVICE_UNAVAILABLE"
    await face.at_rest()
    assert (await face.message(answer.headers["x-hub-stream-id"]))["receipt"]["charged"] == await face.charged() > 0


@pytest.mark.parametrize("asked", [{"messages": HELLO}, {"messages": HELLO, "stream": True}, {"prompt": "Hello"}])
async def test_a_provider_that_fails_is_503_and_costs_nothing(face: Face, asked: dict[str, Any]) -> None:
    """As long as nothing was said; what it finds wrong with the request itself is the caller's mistake."""
    path = GENERATE if "prompt" in asked else CHAT
    for status, expected in ((500, (503, "SERVICE_UNAVAILABLE")), (400, (400, "VALIDATION_ERROR"))):
        face.provider.default = Scenario("error", status=status)
        answer = await face.post_raw(path, orjson.dumps({"model": "gpt-4", **asked}))
        assert ("retry-after" in answer.headers) == (status == 500)
        assert await refused(answer) == expected
    await face.at_rest()
    assert await face.charged() == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_credits_end_says_so(face: Face, stream: bool) -> None:
    wallet = await face.services.ledger.wallet(face.user.user_id)
    await grant(face.services.ledger, face.user.user_id, 3_000 - wallet.credits)
    face.provider.default = Scenario(chunks=2_000)
    if stream:
        *_, last, _ = await (await face.complete(CHAT, stream=True)).events()
        told = last.data
    else:
        told = await data_of(await face.complete(CHAT, model="claude-3"))
    assert (told["choices"][0]["finish_reason"], told["detail"]) == ("length", "insufficient_credits")
    assert told["cost"] + told["receipt"]["balance_after"] == 0.003
    await face.at_rest()


# --- cut, resumed, stopped --------------------------------------------------------------------------------------


async def test_what_was_begun_here_goes_on_by_any_transport(face: Face) -> None:
    face.provider.default = Scenario(chunks=120, interval_seconds=0.01)
    begun = await face.complete(CHAT, GO_ON, stream=True)
    stream, epoch = begun.headers["x-hub-stream-id"], begun.headers["x-hub-stream-epoch"]
    for _ in range(10):
        assert await begun.event() is not None
    begun.reset()
    socket = await Client.open(face.port, f"/v1/ai/stream?token={face.token}")
    await socket.request("chat.resume", stream_id=stream, epoch=epoch, after=10)
    parts = [(await socket.push("chat.delta", stream_id=stream))["content"]]
    offset = 10 + parts[0].count(" word")
    socket.abort()
    events = await (await face.get(f"/api/streams/{stream}/events", {"Last-Event-ID": f"{epoch}:{offset}"})).events()
    assert events[-1].data["type"] == "chat.completed"
    parts += [event.data["content"] for event in events[:-1]]
    assert " word" * 10 + "".join(parts) == " word" * 120
    await face.at_rest()


@pytest.mark.parametrize("stream", [False, True])
async def test_who_hangs_up_pays_for_what_was_said(face: Face, stream: bool) -> None:
    """After the grace the answer ends, unless it was asked to go on."""
    face.services.chat._grace_seconds = 0.1
    face.provider.default = Scenario(chunks=300, interval_seconds=0.01)
    for headers, whole in ((GO_ON, True), ({}, False)):
        connection = await face.begin(CHAT, headers, stream=stream)
        await until(lambda: any(running.admitted for running in face.services.streams.running))
        (running,) = face.services.streams.running
        await running.reached(5 if stream else 0)
        connection.reset()
        before = await face.charged()
        await face.at_rest()
        message = await face.message(running.id)
        assert (message["status"], message["content"].count(" word") == 300) == (
            ("complete", True) if whole else ("stopped", False)
        )
        assert message["receipt"]["charged"] == await face.charged() - before


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_its_user_stops_is_paid_as_far_as_it_came(face: Face, stream: bool) -> None:
    face.provider.default = Scenario(chunks=400, interval_seconds=0.01)
    begun = await face.begin(CHAT, stream=stream)
    await until(lambda: bool(face.provider.requests))
    (running,) = face.services.streams.running
    if stream:
        await running.reached(5)
    await face.services.chat.stop(face.user, running.id)
    answer = await begun.response()
    ended = (await answer.events())[-2].data if stream else await data_of(answer)
    assert ended["choices"][0]["finish_reason"] == "cancelled"
    assert ended["usage"]["completion_tokens"] == running.offset < 400
    await face.at_rest()
    assert ended["cost"] * 10**6 == await face.charged()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_repeat_gets_the_first_answer_and_is_paid_once(face: Face, other_port: int, stream: bool) -> None:
    key = {"Idempotency-Key": "order 66"}
    first = await face.complete(CHAT, key, stream=stream)
    text, charged = await first.text(), await face.charged()
    for port in (face.port, other_port):
        face.port = port
        again = await face.complete(CHAT, key, stream=stream)
        repeated = await again.text()
        assert again.headers["idempotency-hit"] == "true"
        assert repeated == text if stream else orjson.loads(repeated)["data"] == orjson.loads(text)["data"]
    assert (len(face.provider.requests), await face.charged()) == (1, charged)
    assert await refused(await face.complete(CHAT, key, stream=stream, max_tokens=7)) == (422, "VALIDATION_ERROR")
