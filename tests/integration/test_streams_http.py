"""A stream over HTTP, from outside: one cursor over three transports, broken lines, slow readers, silences."""

import asyncio
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from config import limits
from tests.factories import grant
from tests.http_streams import DONE, Face, Response, ask, make_face
from tests.stand_ins.base import Scenario
from tests.ws_client import Client

SANDBOX: dict[str, Any] = {"model": "claude-3", "max_tokens": 240}  # distinct words, about 0.6 s of them
GO_ON = {"X-Hub-On-Disconnect": "continue"}


async def take(response: Response, count: int) -> list[str]:
    """The next `count` deltas of a chunked answer."""
    found: list[str] = []
    while len(found) < count:
        event = await response.event()
        assert event is not None, "the answer ended early"
        if event.content:
            found.append(event.content)
    return found


@pytest.mark.gen_test
async def test_one_generation_three_transports_one_cursor(face: Face) -> None:
    begun = await face.complete(headers=GO_ON, stream=True, **SANDBOX)
    stream, epoch = begun.headers["x-hub-stream-id"], begun.headers["x-hub-stream-epoch"]
    parts = await take(begun, 25)
    begun.reset()

    socket = await Client.open(face.port)
    await socket.request("connect", token=face.token)
    resumed = await socket.request("chat.resume", stream_id=stream, epoch=epoch, after=25)
    assert (resumed["offset"], resumed["recovered"]) == (25, True)
    offset = 25
    while offset < 60:
        delta = await socket.push("chat.delta", stream_id=stream)
        parts.append(delta["content"])
        offset = delta["offset"]
    socket.abort()

    read = (await (await face.get(f"/api/streams/{stream}?after={offset}&epoch={epoch}")).json())["data"]
    assert (read["epoch"], read["status"]) == (epoch, "streaming")
    parts.append(read["content"])
    cursor, ended = f"{epoch}:{read['offset']}", False
    while not ended:  # the line is cut after every tenth event
        events = await face.get(f"/api/streams/{stream}/events", {"Last-Event-ID": cursor})
        for _ in range(10):
            event = await events.event()
            assert event is not None and event.id is not None
            cursor, ended = event.id, event.data["type"] == "chat.completed"
            if ended:
                receipt = event.data["receipt"]
                break
            parts.append(event.data["content"])
        events.reset()

    message = await face.message(stream)
    assert "".join(parts) == message["content"]
    assert cursor == f"{epoch}:{len(message['lengths'])}"
    whole = (await (await face.get(f"/api/streams/{stream}")).json())["data"]
    assert (whole["content"], whole["status"]) == (message["content"], "completed")
    assert whole["receipt"] == receipt
    await face.at_rest()


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/mcp/chat/completions"])
async def test_what_no_provider_said_is_marked(face: Face, path: str) -> None:
    """However it is asked for, and when it is replayed; a real provider's answer has no such mark."""
    for model, mark in (("claude-3", "true"), ("gpt-4", None)):
        key = {"Idempotency-Key": model}
        answers = [await face.complete(path, model=model, stream=streamed) for streamed in (False, True)]
        answers += [await face.complete(path, key, model=model) for _ in range(2)]
        assert [answer.status for answer in answers] == [200] * 4
        assert answers[-1].headers["idempotency-hit"] == "true"
        assert [answer.headers.get("x-hub-sandbox") for answer in answers] == [mark] * 4
        for number, answer in enumerate(answers):
            await (answer.events() if number == 1 else answer.json())
    await face.at_rest()


@pytest.mark.gen_test
async def test_a_finished_stream_replays_here_and_on_a_node_that_never_ran_it(face: Face, other_port: int) -> None:
    begun = await face.complete(stream=True, **SANDBOX)
    text = "".join(event.content for event in await begun.events())
    stream, epoch = begun.headers["x-hub-stream-id"], begun.headers["x-hub-stream-epoch"]
    for port in (face.port, other_port):
        face.port = port
        events = await (await face.get(f"/api/streams/{stream}/events")).events()
        assert "".join(event.data.get("content", "") for event in events) == text
        assert events[-1].data["type"] == "chat.completed"
        part = (await (await face.get(f"/api/streams/{stream}?after=100&epoch={epoch}")).json())["data"]
        assert text.endswith(part["content"]) and 0 < len(part["content"]) < len(text)


@pytest.mark.gen_test
async def test_a_cursor_into_another_log_starts_from_the_beginning(face: Face) -> None:
    face.provider.script(Scenario(chunks=9))
    begun = await face.complete(stream=True)
    await begun.events()
    stream, epoch = begun.headers["x-hub-stream-id"], begun.headers["x-hub-stream-epoch"]
    for cursor in ("abcdef:4", f"{epoch}:10"):
        events = await (await face.get(f"/api/streams/{stream}/events", {"Last-Event-ID": cursor})).events()
        assert "".join(event.data.get("content", "") for event in events) == " word" * 9
    for query in ("after=4&epoch=abcdef", f"after=10&epoch={epoch}", "after=0"):
        whole = (await (await face.get(f"/api/streams/{stream}?{query}")).json())["data"]
        assert (whole["content"], whole["offset"]) == (" word" * 9, 9)
    for garbage in (
        "x",
        "",
        ":",
        f"{epoch}:",
        f"{epoch}:-1",
        f"{epoch}:1e3",
        f"{epoch}:99999999999",
        "a b:1",
        "a:\u0663",
    ):
        refused = await face.get(f"/api/streams/{stream}/events", {"Last-Event-ID": garbage})
        assert refused.status == 400, garbage
        assert (await refused.json())["error"]["code"] == "VALIDATION_ERROR"


@pytest.mark.gen_test
async def test_a_stream_that_says_nothing_new_answers_at_once(face: Face) -> None:
    face.provider.script(Scenario("hang_mid", chunks=8))
    begun = await face.complete(headers=GO_ON, stream=True)
    await take(begun, 4)
    stream, epoch = begun.headers["x-hub-stream-id"], begun.headers["x-hub-stream-epoch"]
    events = await face.get(f"/api/streams/{stream}/events", {"Last-Event-ID": f"{epoch}:4"})
    assert (events.status, events.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    await face.services.chat.stop(face.user, stream)
    (event,) = await events.events()
    assert (event.data["type"], event.data["finish_reason"]) == ("chat.completed", "cancelled")
    assert (await begun.events())[-1].data == DONE


@pytest.mark.parametrize(
    "word", ["\n\nevent: x\ndata: y\n\n", "\r\n\r\nid: 7\r\n", "\u2028\u2029\x85\x00\U0001f600", ": ping\n\n"]
)
@pytest.mark.gen_test
async def test_no_content_splits_an_event(face: Face, word: str) -> None:
    face.provider.script(*[Scenario(chunks=5, word=word)] * 2)
    begun = await face.complete(stream=True)
    events = await begun.events()
    assert "".join(event.content for event in events) == word * 5
    assert b"\nid:" not in begun.raw and not begun.raw.startswith(b"id:")
    assert events[-1].data == DONE
    in_hub_form = await (await face.complete("/api/mcp/chat/completions", stream=True)).events()
    assert "".join(event.content for event in in_hub_form) == word * 5
    stream = begun.headers["x-hub-stream-id"]
    pushes = await (await face.get(f"/api/streams/{stream}/events")).events()
    assert "".join(event.data.get("content", "") for event in pushes) == word * 5
    assert (await face.message(stream))["content"] == word * 5


@pytest.mark.gen_test
async def test_silence_is_filled_with_comments_that_no_client_minds(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SSE_HEARTBEAT_SECONDS", 0.03)
    face.provider.script(*[Scenario(chunks=4, interval_seconds=0.15)] * 2)
    begun = await face.complete(stream=True)
    assert "".join(event.content for event in await begun.events()) == " word" * 4
    assert begun.comments >= 4
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{face.port}/v1", api_key=face.token) as client:
        messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
        chunks = await client.chat.completions.create(model="gpt-4", messages=messages, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in chunks]) == " word" * 4


@pytest.mark.gen_test
async def test_streams_of_others_do_not_exist(face: Face) -> None:
    face.provider.script(Scenario("hang_mid", chunks=8))
    begun = await face.complete(headers=GO_ON, stream=True)
    await take(begun, 4)
    stream = begun.headers["x-hub-stream-id"]
    stranger = await make_face(face.services, face.provider, face.port)
    for path in (f"/api/streams/{stream}", f"/api/streams/{stream}/events", "/api/streams/stream_1/events"):
        refused = await stranger.get(path)
        assert (refused.status, (await refused.json())["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")
    await face.services.chat.stop(face.user, stream)
    await face.at_rest()


@pytest.mark.gen_test
async def test_who_signs_out_gets_nothing_more(face: Face) -> None:
    """The answer ends, is paid for as far as it came, and no transport tells more of it."""
    face.provider.script(Scenario(chunks=400, interval_seconds=0.01))
    begun = await face.complete(headers=GO_ON, stream=True)
    await take(begun, 10)
    signed_out = await ask(face.port, "POST", "/api/auth/logout", token=face.token)
    assert signed_out.status == 200
    async with asyncio.timeout(3):  # a second, and some for a busy machine
        events = await begun.events()
    assert events[-1].data == DONE
    assert events[-2].data["error"]["code"] == "UNAUTHORIZED"
    await face.at_rest()
    assert (await face.message(begun.headers["x-hub-stream-id"]))["status"] == "interrupted"
    assert 10 <= len((await face.message(begun.headers["x-hub-stream-id"]))["lengths"]) < 200
    for response in (
        await face.complete(stream=True),
        await face.get(f"/api/streams/{begun.headers['x-hub-stream-id']}/events"),
    ):
        assert response.status == 401


@pytest.mark.gen_test
async def test_who_signs_out_reads_no_answer_of_another_login(face: Face) -> None:
    face.provider.default = Scenario(chunks=400, interval_seconds=0.01)
    begun = await face.complete(headers=GO_ON, stream=True)
    stream = begun.headers["x-hub-stream-id"]
    other = await face.services.identities.sign_in(face.user.user_id)
    reading = await ask(face.port, "GET", f"/api/streams/{stream}/events", token=other.access_token)
    assert await reading.event() is not None
    await ask(face.port, "POST", "/api/auth/logout", token=other.access_token)
    async with asyncio.timeout(3):  # a second, and some for a busy machine
        *_, last = await reading.events()
    assert last.data["error"]["code"] == "AUTHENTICATION_FAILED"
    assert last.data["receipt"] is None

    assert len(await take(begun, 100)) == 100  # the login that began it goes on
    await face.services.chat.stop(face.user, stream)
    await face.at_rest()
    assert len(face.services.readers) == 0


@pytest.mark.gen_test
async def test_an_answer_begun_by_sse_is_stopped_by_a_socket(face: Face) -> None:
    """The reader is told, what came is kept and charged, and nobody else's socket can do it."""
    face.provider.default = Scenario(chunks=400, interval_seconds=0.01)
    begun = await face.complete(headers=GO_ON, stream=True)
    stream = begun.headers["x-hub-stream-id"]
    parts = await take(begun, 5)
    stranger = await make_face(face.services, face.provider, face.port)
    sockets = [await Client.open(face.port) for _ in range(2)]
    for socket, token in zip(sockets, (stranger.token, face.token), strict=True):
        await socket.request("connect", token=token)
    refused = await sockets[0].request("chat.stop", stream_id=stream)
    assert refused["error"]["code"] == "RESOURCE_NOT_FOUND"
    parts += await take(begun, 5)
    assert "error" not in await sockets[1].request("chat.stop", stream_id=stream)

    *events, failure, done = await begun.events()
    assert done.data == DONE
    assert failure.data["error"]["code"] == "CONFLICT"
    await face.at_rest()
    message = await face.message(stream)
    assert (message["status"], message["finish_reason"]) == ("stopped", "cancelled")
    assert message["content"] == "".join(parts + [event.content for event in events])
    assert 10 <= len(message["lengths"]) < 400
    assert message["receipt"]["charged"] == await face.charged() > 0
    assert face.provider.cancelled == 1


@pytest.mark.gen_test
@pytest.mark.parametrize("streamed", [True, False])
async def test_an_answer_that_was_stopped_is_no_finished_one(face: Face, streamed: bool) -> None:
    """Its user stops it by another transport; OpenAI's form has no word for that but an error."""
    face.provider.default = Scenario(chunks=400, interval_seconds=0.01)
    begun = await face.begin(stream=streamed)
    async with asyncio.timeout(10):
        while not face.provider.requests:
            await asyncio.sleep(0.01)
    (stream,) = face.services.streams.running
    if not streamed:
        await face.services.chat.stop(face.user, stream.id)
        answer = await begun.response()
        assert (answer.status, answer.headers["x-should-retry"]) == (409, "false")
        assert (await answer.json())["error"]["code"] == "CONFLICT"
        return
    answer = await begun.response()
    await take(answer, 5)
    await face.services.chat.stop(face.user, stream.id)
    *events, failure, done = await answer.events()
    assert done.data == DONE
    assert failure.data["error"]["code"] == "CONFLICT"
    assert all(event.data["choices"][0]["finish_reason"] is None for event in events)
    await face.at_rest()


@pytest.mark.gen_test
@pytest.mark.parametrize("streamed", [True, False])
async def test_openais_form_tells_what_was_paid_and_why_the_answer_is_short(face: Face, streamed: bool) -> None:
    wallet = await face.services.ledger.wallet(face.user.user_id)
    await grant(face.services.ledger, face.user.user_id, 3_000 - wallet.credits)
    face.provider.default = Scenario(chunks=2_000)
    if streamed:
        *_, last, _ = await (await face.complete(stream=True)).events()
        told = last.data
    else:
        told = await (await face.complete(model="claude-3")).json()
    assert told["choices"][0]["finish_reason"] == "length"
    assert told["hub"]["detail"] == "insufficient_credits"
    assert told["hub"]["receipt"]["charged"] + told["hub"]["receipt"]["balance_after"] == 0.003
    await face.at_rest()


@pytest.mark.gen_test
async def test_the_hubs_form_tells_what_was_paid_and_why_the_answer_is_short(face: Face) -> None:
    path = "/api/mcp/chat/completions"
    whole = (await (await face.complete(path)).json())["data"]
    assert "detail" not in whole and whole["choices"][0]["finishReason"] == "stop"
    receipt = whole["receipt"]
    assert receipt["charged"] == whole["cost"] > 0 and receipt["balance_after"] == 10 - whole["cost"]

    face.provider.default = Scenario(chunks=2_000)
    wallet = await face.services.ledger.wallet(face.user.user_id)
    await grant(face.services.ledger, face.user.user_id, 3_000 - wallet.credits)  # enough for some of its words
    *_, last, done = await (await face.complete(path, stream=True)).events()
    assert done.data == DONE
    assert (last.data["choices"][0]["finishReason"], last.data["detail"]) == ("length", "insufficient_credits")
    assert last.data["receipt"]["charged"] == last.data["cost"] == 0.003
    assert last.data["receipt"]["balance_after"] == 0

    await grant(face.services.ledger, face.user.user_id, 3_000)
    whole = (await (await face.complete(path, model="claude-3", maxTokens=400)).json())["data"]
    assert (whole["choices"][0]["finishReason"], whole["detail"]) == ("length", "insufficient_credits")
    assert 0 < whole["receipt"]["charged"] == whole["cost"] <= 0.003
    await face.at_rest()
