"""`Idempotency-Key` on completions: whatever is sent twice is answered once, paid once, and told truthfully."""

import asyncio
from typing import Any

import pytest

from tests.factories import grant
from tests.http_streams import DONE, Event, Face, Response, make_face
from tests.ledger_parts import fail_point
from tests.stand_ins.base import Scenario
from tests.ws_client import Client

KEY = {"Idempotency-Key": "order 66"}
V1, MCP = "/v1/chat/completions", "/api/mcp/chat/completions"


def text(events: list[Event]) -> str:
    return "".join(event.content for event in events)


def content(answer: Any) -> str:
    """The text of an unstreamed answer of either form."""
    return str((answer.get("data") or answer)["choices"][0]["message"]["content"])


@pytest.mark.gen_test
async def test_a_key_is_printable_and_short(face: Face) -> None:
    for key in ("x" * 256, "", "é", "\U0001f511", "a\tb"):
        for path, status in ((V1, 400), (MCP, 422)):
            refused = await face.complete(path, {"Idempotency-Key": key})
            answer = await refused.json()
            assert (refused.status, "Idempotency-Key" in answer["error"]["message"]) == (status, True), answer
    assert face.provider.requests == []


@pytest.mark.gen_test
async def test_a_key_with_a_nul_is_no_header_at_all(face: Face) -> None:
    assert (await face.complete(headers={"Idempotency-Key": "a\x00b"})).status == 400
    assert (await face.complete(headers={"Idempotency-Key": "x" * 255})).status == 200


@pytest.mark.parametrize("path", [V1, MCP])
@pytest.mark.gen_test
async def test_a_repeated_request_gets_the_same_answer_and_is_charged_once(
    face: Face, other_port: int, path: str
) -> None:
    first = await face.complete(path, KEY)
    answer = await first.json()
    charged = await face.charged()
    assert "idempotency-hit" not in first.headers and charged > 0
    for port in (face.port, other_port):
        face.port = port
        again = await face.complete(path, KEY)
        repeated = await again.json()
        assert again.headers["idempotency-hit"] == "true"
        assert again.headers["x-hub-stream-id"] == first.headers["x-hub-stream-id"]
        assert {**repeated, "meta": 0} == {**answer, "meta": 0}
    assert (len(face.provider.requests), await face.charged()) == (1, charged)


@pytest.mark.parametrize("path", [V1, MCP])
@pytest.mark.gen_test
async def test_a_repeated_stream_is_the_same_to_the_byte(face: Face, other_port: int, path: str) -> None:
    first = await face.complete(path, KEY, stream=True)
    events = await first.events()
    charged = await face.charged()
    for port in (face.port, other_port):
        face.port = port
        again = await face.complete(path, KEY, stream=True)
        await again.events()
        assert (again.headers["idempotency-hit"], again.raw) == ("true", first.raw)
    assert text(events) == " word" * 8
    assert (len(face.provider.requests), await face.charged()) == (1, charged)


@pytest.mark.gen_test
async def test_a_retry_attaches_to_the_running_stream_from_its_beginning(face: Face) -> None:
    face.provider.script(Scenario(chunks=40, interval_seconds=0.01))
    first = await face.complete(headers=KEY, stream=True)
    for _ in range(10):
        await first.event()
    first.reset()
    again = await face.complete(headers=KEY, stream=True)
    events = await again.events()
    assert (again.headers["idempotency-hit"], text(events)) == ("true", " word" * 40)
    assert events[-1].data == DONE
    assert len(face.provider.requests) == 1
    await face.at_rest()


@pytest.mark.gen_test
async def test_an_unstreamed_retry_waits_for_the_end(face: Face) -> None:
    face.provider.script(Scenario(chunks=30, interval_seconds=0.01))
    first = await face.begin(headers=KEY)
    again = await face.begin(headers=KEY)
    answers = [await (await connection.response()).json() for connection in (first, again)]
    assert content(answers[0]) == " word" * 30
    assert answers[0] == answers[1]
    assert len(face.provider.requests) == 1


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.gen_test
async def test_twenty_at_once_make_one_call(face: Face, other_port: int, stream: bool) -> None:
    face.provider.default = Scenario(chunks=20, interval_seconds=0.005)
    ports = [face.port, other_port] * 10

    async def one(port: int) -> Response:
        return await (await Face.begin(face_at(face, port), headers=KEY, stream=stream)).response()

    responses = await asyncio.gather(*map(one, ports))
    statuses = sorted(response.status for response in responses)
    assert set(statuses) <= {200, 409} and statuses[0] == 200
    assert sum("idempotency-hit" not in response.headers for response in responses if response.status == 200) == 1
    for response in responses:
        if response.status == 409:
            assert int(response.headers["retry-after"]) >= 1
        elif stream:
            assert text(await response.events()) == " word" * 20
        else:
            assert content(await response.json()) == " word" * 20
    assert len(face.provider.requests) == 1
    await face.at_rest()


def face_at(face: Face, port: int) -> Face:
    return Face(face.services, face.provider, port, face.user, face.token)


@pytest.mark.parametrize(("path", "code"), [(V1, "INVALID_REQUEST"), (MCP, "VALIDATION_ERROR")])
@pytest.mark.gen_test
async def test_another_request_with_the_key_is_refused(face: Face, path: str, code: str) -> None:
    await (await face.complete(path, KEY)).json()
    for other in ({"temperature": 1}, {"stream": True}):  # SSE after JSON is another request too
        refused = await face.complete(path, KEY, **other)
        assert (refused.status, (await refused.json())["error"]["code"]) == (422, code)
    elsewhere = await face.complete(MCP if path == V1 else V1, KEY)
    assert elsewhere.status == 422
    assert len(face.provider.requests) == 1


@pytest.mark.gen_test
async def test_the_order_of_fields_makes_no_other_request(face: Face) -> None:
    one = b'{"model":"gpt-4","max_tokens":5,"messages":[{"role":"user","content":"x"}]}'
    two = b'{"messages":[{"content":"x","role":"user"}], "max_tokens":5, "model":"gpt-4"}'
    for body, hit in ((one, None), (two, "true")):
        response = await face.post_raw(V1, body, KEY)
        assert (response.status, response.headers.get("idempotency-hit")) == (200, hit)
        await response.json()


@pytest.mark.gen_test
async def test_another_users_key_is_another_key(face: Face) -> None:
    first = await face.complete(headers=KEY)
    other = await (await make_face(face.services, face.provider, face.port)).complete(headers=KEY)
    assert "idempotency-hit" not in other.headers
    assert (await first.json())["id"] != (await other.json())["id"]
    assert len(face.provider.requests) == 2


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.gen_test
async def test_a_failure_that_delivered_nothing_frees_the_key(face: Face, stream: bool) -> None:
    face.provider.script(Scenario("error", status=400), Scenario(chunks=3))
    failed = await face.complete(headers=KEY, stream=stream)
    assert (failed.status, await face.charged()) == (400, 0)
    again = await face.complete(headers=KEY, stream=stream)
    assert (again.status, again.headers.get("idempotency-hit")) == (200, None)
    said = text(await again.events()) if stream else content(await again.json())
    assert said == " word" * 3


@pytest.mark.gen_test
async def test_without_credits_the_key_is_not_spent(face: Face) -> None:
    await grant(face.services.ledger, face.user.user_id, -10_000_000)
    assert (await face.complete(headers=KEY)).status == 402
    await grant(face.services.ledger, face.user.user_id, 10_000_000)
    assert (await face.complete(headers=KEY)).status == 200


@pytest.mark.gen_test
async def test_a_stream_that_broke_is_repeated_as_it_was(face: Face, other_port: int) -> None:
    face.provider.script(Scenario("error_chunk", chunks=8, interval_seconds=0.005))
    first = await face.complete(headers=KEY, stream=True)
    events = await first.events()
    charged = await face.charged()
    assert text(events) == " word" * 4 and events[-2].data["error"]["code"] == "PROVIDER_ERROR"
    for port in (face.port, other_port):
        face.port = port
        again = await face.complete(headers=KEY, stream=True)
        repeated = await again.events()
        assert (text(repeated), repeated[-2].data) == (text(events), events[-2].data)
    assert (len(face.provider.requests), await face.charged()) == (1, charged)


@pytest.mark.gen_test
async def test_a_socket_that_asks_again_follows_the_same_stream(face: Face) -> None:
    face.provider.script(Scenario(chunks=40, interval_seconds=0.01))
    command = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}], "idempotency_key": "k"}
    answers = []
    for _ in range(2):
        socket = await Client.open(face.port)
        await socket.request("connect", token=face.token)
        started = await socket.request("chat.start", **command)
        await socket.push("chat.delta")
        answers.append((started["stream_id"], started["epoch"]))
    _, last, _ = await socket.answer_of(answers[1][0])
    assert (answers[0], last["type"]) == (answers[1], "chat.completed")
    deltas = [frame["content"] for frame in socket.frames if frame.get("type") == "chat.delta"]
    assert "".join(deltas) == " word" * 40
    assert len(face.provider.requests) == 1


@pytest.mark.gen_test
async def test_fifty_commands_at_once_of_each_key_are_one_answer_and_one_debit(face: Face, other_port: int) -> None:
    """On ten sockets of two nodes. Who is not answered is told to ask again: it is under way, or there are too many."""
    face.provider.default = Scenario(chunks=20, interval_seconds=0.005)
    keys = [f"key {number}" for number in range(4)]
    sockets = [await Client.open(port) for port in (face.port, other_port) for _ in range(5)]
    for socket in sockets:
        await socket.request("connect", token=face.token)
    command = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}]}
    sent = [
        (key, socket, socket.send("chat.start", **command, idempotency_key=key))
        for _ in range(5)
        for key in keys
        for socket in sockets
    ]
    streams: dict[str, set[str]] = {key: set() for key in keys}
    followers: dict[str, Client] = {}
    for key, socket, command_id in sent:
        reply = await socket.reply(command_id)
        if "error" in reply:
            assert reply["error"]["code"] in ("RESOURCE_CONFLICT", "RATE_LIMIT_EXCEEDED"), reply
            assert reply["error"]["temporary"] and reply["error"]["retry_after_seconds"] >= 1
        else:
            streams[key].add(reply["stream_id"])
            followers[reply["stream_id"]] = socket
    assert [len(found) for found in streams.values()] == [1] * 4 and len(followers) == 4
    for stream, socket in followers.items():
        await socket.push("chat.completed", stream_id=stream)
    await face.at_rest()
    assert len(face.provider.requests) == 4
    entries = await face.services.database["entries"].find({"wallet": face.user.user_id, "kind": "usage"}, limit=300)
    assert sorted(entry["metadata"]["stream"] for entry in entries) == sorted(followers)


@pytest.mark.parametrize(
    ("times", "fault"),
    [
        (1, {"writeConcernError": {"code": 91, "errmsg": "the commit stands, its answer does not"}}),
        (2, {"writeConcernError": {"code": 91, "errmsg": "the commit stands, its answer does not"}}),
        (5, {"writeConcernError": {"code": 64, "errmsg": "the commit stands, its answer does not"}}),
        (2, {"closeConnection": True}),
    ],
)
@pytest.mark.gen_test
async def test_a_commit_whose_answer_was_lost_charges_once(
    face: Face, mongod_uri: str, times: int, fault: dict[str, Any]
) -> None:
    async with fail_point(mongod_uri, {"times": times}, ["commitTransaction"], at_least=times, **fault):
        first = await face.complete(headers=KEY)
        assert first.status == 200 or (first.status == 503 and int(first.headers["retry-after"]) >= 1)
        answer = await first.json()
    again = await (await face.complete(headers=KEY)).json()
    assert content(again) == " word" * 8
    assert first.status == 503 or again == answer
    await face.at_rest()
    message = await face.message(again["id"].replace("chatcmpl-", "stream_"))
    assert await face.charged() == message["receipt"]["charged"] > 0
