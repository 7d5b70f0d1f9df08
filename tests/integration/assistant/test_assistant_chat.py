"""Chat in the AI Assistant's form: conversations that go on, their models, one answer or events, and what is refused."""

from typing import Any, Final

import pytest

from tests.factories import grant
from tests.http_streams import DONE, Face, Response, ask
from tests.patience import until
from tests.stand_ins.base import Scenario

pytestmark = [pytest.mark.gen_test, pytest.mark.usefixtures("nothing_left_open")]

CHAT, HISTORY = "/api/ai/chat", "/api/history"


async def say(face: Face, message: str = "Hello", headers: dict[str, str] | None = None, **fields: Any) -> Response:
    body = {"message": message, **fields}
    return await ask(face.port, "POST", CHAT, token=face.token, body=body, headers=headers)


async def told(answer: Response) -> Any:
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def refused(answer: Response) -> tuple[int, str]:
    body = await answer.json()
    assert body.keys() == {"error", "request_id"}
    return answer.status, body["error"]["code"]


async def test_a_conversation_begins_and_goes_on(face: Face) -> None:
    answer = await say(face, model="gpt-4", temperature=0.7, max_tokens=500)
    assert answer.headers["x-hub-stream-id"] and answer.headers["x-hub-stream-epoch"]
    first = await told(answer)
    assert (first["response"], first["model"], first["tokens_used"]) == (" word" * 8, "gpt-4", 17)
    assert first["credits_consumed"] == (9 * 30 + 8 * 60) / 10**6 and first["finish_reason"] == "stop"
    second = await told(await say(face, "And then?", conversation_id=first["conversation_id"]))
    assert second["conversation_id"] == first["conversation_id"] and second["message_id"] != first["message_id"]
    asked = [request.body for request in face.provider.requests]
    assert (asked[0]["temperature"], asked[0]["max_tokens"], asked[0].get("stream", False)) == (0.7, 500, False)
    roles = [(turn["role"], turn["content"]) for turn in asked[1]["messages"]]
    assert roles == [("user", "Hello"), ("assistant", " word" * 8), ("user", "And then?")]
    (row, _) = await face.services.database["usage"].find({}, limit=3)
    assert (row["api"], row["endpoint"]) == ("ai_assistant", CHAT)


async def test_the_model_is_the_conversations_last(face: Face) -> None:
    begun = await told(await say(face))
    assert begun["model"] == "gpt-4", "of the hub, where nobody says"
    of = {"conversation_id": begun["conversation_id"]}
    assert (await told(await say(face, model="gpt-3.5-turbo", **of)))["model"] == "gpt-3.5-turbo"
    assert (await told(await say(face, **of)))["model"] == "gpt-3.5-turbo"


async def test_a_repeat_with_the_same_key_gets_the_same_answer_and_is_paid_once(face: Face) -> None:
    key = {"Idempotency-Key": "once"}
    first = await told(await say(face, headers=key))
    again = await say(face, headers=key)
    assert again.headers["idempotency-hit"] == "true" and await again.json() == first
    assert len(face.provider.requests) == 1
    assert await face.charged() == round(first["credits_consumed"] * 10**6)
    assert await refused(await say(face, "Another", headers=key)) == (422, "INVALID_INPUT")


async def test_events_bring_the_same_answer_piece_by_piece(face: Face) -> None:
    answer = await say(face, stream=True)
    assert answer.headers["content-type"].startswith("text/event-stream")
    *deltas, last, end = await answer.events()
    assert "".join(event.content for event in deltas) == " word" * 8 and end.data == DONE
    assert {event.data["conversation_id"] for event in (*deltas, last)} == {last.data["conversation_id"]}
    assert last.data["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert last.data["tokens_used"] == 17 and last.data["credits_consumed"] == await face.charged() / 10**6


async def test_a_stream_that_breaks_ends_in_the_apis_error(face: Face) -> None:
    face.provider.script(Scenario("error_chunk"))
    *_, last, end = await (await say(face, stream=True)).events()
    assert last.data["error"]["code"] == "SERVICE_UNAVAILABLE" and last.data["request_id"] and end.data == DONE
    face.provider.script(*[Scenario("error", status=500)] * 9)
    failed = await say(face)
    assert failed.headers["retry-after"] and await refused(failed) == (503, "SERVICE_UNAVAILABLE")


REFUSED: Final = (
    ({"model": "gpt-99"}, 404, "RESOURCE_NOT_FOUND"),
    ({"model": "text-embedding-3-small"}, 400, "INVALID_INPUT"),
    ({"conversation_id": "conv_nobody"}, 404, "RESOURCE_NOT_FOUND"),
    ({"project_id": 99}, 404, "RESOURCE_NOT_FOUND"),
    ({"message": ""}, 400, "INVALID_INPUT"),
    ({"message": None}, 400, "INVALID_INPUT"),
    ({"message": "more words than it can read " * 2_000}, 400, "INVALID_INPUT"),
    ({"temperature": 2.1}, 400, "INVALID_INPUT"),
    ({"temperature": "0.5"}, 400, "INVALID_INPUT"),
    ({"max_tokens": 0}, 400, "INVALID_INPUT"),
    ({"surplus": 1}, 400, "INVALID_INPUT"),
)


async def test_what_is_wrong_is_refused_by_name_and_costs_nothing(face: Face) -> None:
    for wrong, status, code in REFUSED:
        answer = await ask(face.port, "POST", CHAT, token=face.token, body={"message": "Hello", **wrong})
        body = await answer.json()
        assert (answer.status, body["error"]["code"]) == (status, code), wrong
        if status == 400 and "model" not in wrong:
            assert body["error"]["details"]["field"] in wrong
    assert await refused(await ask(face.port, "POST", CHAT, body={"message": "Hello"})) == (
        401,
        "AUTHENTICATION_REQUIRED",
    )
    assert await face.charged() == 0 and not face.provider.requests
    await grant(face.services.ledger, face.user.user_id, -10_000_000)
    poor = await say(face)
    assert poor.headers["x-should-retry"] == "false" and await refused(poor) == (402, "INSUFFICIENT_CREDITS")
    assert await face.services.database["conversations"].count({}) == 0


async def test_an_answer_ends_with_its_conversation_and_what_came_of_it_is_paid(face: Face) -> None:
    begun = await told(await say(face))
    face.provider.script(Scenario("slow", chunks=400, interval_seconds=0.05))
    running = await say(face, "Go on", stream=True, conversation_id=begun["conversation_id"])
    first = await running.event()
    assert first is not None and first.content
    path = f"{HISTORY}/{begun['conversation_id']}"
    assert await told(await ask(face.port, "DELETE", path, token=face.token))
    *rest, last, end = await running.events()
    assert len(rest) < 100 and end.data == DONE
    assert last.data["choices"][0]["finish_reason"] == "cancelled" and last.data["credits_consumed"] > 0
    await face.at_rest()
    assert await face.services.database["messages"].count({}) == 0
    assert (await told(await ask(face.port, "GET", HISTORY, token=face.token)))["total"] == 0
    assert await face.services.database["usage"].count({}) == 2
    assert await refused(await say(face, conversation_id=begun["conversation_id"])) == (404, "RESOURCE_NOT_FOUND")


async def test_what_is_being_written_stands_in_the_history_as_far_as_it_has_come(face: Face) -> None:
    face.provider.script(Scenario("slow", chunks=8, interval_seconds=0.05))
    running = await say(face, stream=True)
    first = await running.event()
    assert first is not None
    path = f"{HISTORY}?conversation_id={first.data['conversation_id']}"
    _, written = (await told(await ask(face.port, "GET", path, token=face.token)))["messages"]
    assert (written["status"], written["stream_id"]) == ("streaming", running.headers["x-hub-stream-id"])
    assert written["content"].startswith(first.content) and len(written["content"]) < len(" word" * 8)
    await running.events()


async def test_an_answer_without_a_reader_ends_after_its_grace_unless_it_is_to_go_on(face: Face) -> None:
    face.services.chat._grace_seconds = 0.05
    for word, chunks in (("cancel", 400), ("continue", 20)):
        face.provider.script(Scenario("slow", chunks=chunks, interval_seconds=0.02))
        answer = await say(face, stream=True, headers={"X-Hub-On-Disconnect": word})
        await answer.event()
        answer.reset()
        stream = answer.headers["x-hub-stream-id"]

        async def ended(stream: str = stream) -> bool:
            return (await face.message(stream))["status"] != "streaming"

        await until(ended)
        assert ((await face.message(stream))["status"] == "complete") == (word == "continue")
    await face.at_rest()
