"""Clients that hang up or stop reading: what was delivered is charged, what is not wanted is cancelled, nothing piles up."""

import asyncio
from pathlib import Path

import pytest

from config import limits
from hub.prices import charge_micro
from hub.streams import Stream
from tests.http_streams import Face, abort_all, ask, make_face, send
from tests.running_hub import RunningHub
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.ws_client import Client

GRACE_SECONDS = 0.5
PATIENT_SECONDS = (
    2.0  # where who comes too late fails: shorter than the answer, longer than a busy machine looks elsewhere
)
INTERVAL_SECONDS = 0.01
TOKENS = 400
GRACE_TOKENS = int(GRACE_SECONDS / INTERVAL_SECONDS)
END_SECONDS_MAX = 3 * (GRACE_SECONDS + 1)  # three times what is promised: the machine is not ours alone
SLACK_TOKENS = 100  # what the provider says in the second that a busy machine may look elsewhere


@pytest.fixture
def hasty(face: Face) -> Face:
    face.services.chat._grace_seconds = GRACE_SECONDS
    face.provider.default = Scenario(chunks=TOKENS, interval_seconds=INTERVAL_SECONDS)
    return face


@pytest.fixture
def patient(hasty: Face) -> Face:
    hasty.services.chat._grace_seconds = PATIENT_SECONDS
    return hasty


async def asked(face: Face, count: int) -> None:
    """Wait until the provider has been asked so often."""
    async with asyncio.timeout(10):
        while len(face.provider.requests) < count:
            await asyncio.sleep(0.002)


async def assert_billed_as_stored(face: Face, stream_id: str) -> int:
    """The completion tokens of the stored message, which were charged."""
    message = await face.message(stream_id)
    usage, model = message["usage"], face.services.catalogue["gpt-4"]
    assert usage["completion_tokens"] == message["content"].count(" word") == len(message["lengths"])
    charge = charge_micro(model, usage["prompt_tokens"], usage["completion_tokens"])
    assert message["receipt"]["charged"] == charge == await face.charged()
    return int(usage["completion_tokens"])


async def hang_up(face: Face, path: str, read: int) -> int:
    """Read so many deltas of an answer, reset, and wait for its end; how many were billed."""
    response = await face.complete(path, stream=True)
    stream = running(face, response.headers["x-hub-stream-id"])
    heard = 0
    while heard < read:
        event = await response.event()
        assert event is not None
        heard += bool(event.content)
    response.reset()
    return await billed_after_cut(face, stream, heard)


async def hang_up_socket(face: Face, path: str, read: int) -> int:
    """The same by a socket; what waits for it comes as one frame, so it may hear a little more."""
    socket = await Client.open(face.port, path)
    await socket.request("connect", token=face.token)
    started = await socket.request("chat.start", model="gpt-4", message="Tell me", on_disconnect="cancel")
    stream = running(face, started["stream_id"])
    heard = 0
    while heard < read:
        heard = (await socket.push("chat.delta"))["offset"]
    socket.abort()
    return await billed_after_cut(face, stream, heard)


def running(face: Face, stream_id: str) -> Stream:
    stream = face.services.streams.get(stream_id)
    assert stream is not None and stream.task is not None
    return stream


async def billed_after_cut(face: Face, stream: Stream, heard: int) -> int:
    """How many were billed: all that had been heard, and no more than had come by then and comes within the grace."""
    cut, said = asyncio.get_running_loop().time(), stream.offset
    assert stream.task is not None
    await asyncio.wait([stream.task])
    assert asyncio.get_running_loop().time() - cut < END_SECONDS_MAX
    billed = await assert_billed_as_stored(face, stream.id)
    assert heard <= billed <= min(TOKENS, said + GRACE_TOKENS + SLACK_TOKENS)
    return billed


@pytest.mark.gen_test
async def test_who_hangs_up_pays_for_what_was_said(hasty: Face) -> None:
    faces = ((hang_up, "/v1/chat/completions"), (hang_up, "/api/mcp/chat/completions"), (hang_up_socket, "/ws"))
    cases = [(leave, path, read) for leave, path in faces for read in (0, 1, 17, 200, 399)]
    users = [await make_face(hasty.services, hasty.provider, hasty.port) for _ in cases]
    leaving = [leave(user, path, read) for user, (leave, path, read) in zip(users, cases, strict=True)]
    billed = await asyncio.gather(*leaving)
    await hasty.at_rest()
    assert hasty.provider.cancelled == sum(tokens < TOKENS for tokens in billed) >= 12


@pytest.mark.gen_test
async def test_who_hangs_up_before_the_first_word_cancels_the_call(hasty: Face) -> None:
    """At once, when the hold may not stand yet, or a little later."""
    hasty.provider.default = Scenario("hang_first")
    for number, (stream, pause_seconds) in enumerate([(True, 0.0), (True, 0.05), (False, 0.0), (False, 0.05)], 1):
        connection = await hasty.begin(stream=stream)
        await asked(hasty, number)
        await asyncio.sleep(pause_seconds)
        connection.reset()
        async with asyncio.timeout(END_SECONDS_MAX):
            while hasty.provider.cancelled < number:
                await asyncio.sleep(0.01)
    await hasty.at_rest()


@pytest.mark.gen_test
async def test_who_comes_back_within_the_grace_cancels_nothing(patient: Face) -> None:
    response = await patient.complete(stream=True)
    stream, epoch = response.headers["x-hub-stream-id"], response.headers["x-hub-stream-epoch"]
    for _ in range(5):
        await response.event()
    response.reset()
    await asyncio.sleep(PATIENT_SECONDS / 2)
    events = await (await patient.get(f"/api/streams/{stream}/events", {"Last-Event-ID": f"{epoch}:4"})).events()
    assert "".join(event.data.get("content", "") for event in events) == " word" * (TOKENS - 4)
    assert events[-1].data["finish_reason"] == "stop"
    assert await assert_billed_as_stored(patient, stream) == TOKENS
    assert patient.provider.cancelled == 0


@pytest.mark.gen_test
async def test_who_asks_again_and_again_keeps_the_answer_alive(patient: Face) -> None:
    response = await patient.complete(stream=True)
    stream = response.headers["x-hub-stream-id"]
    response.reset()
    state = {"status": "streaming"}
    while state["status"] == "streaming":
        await asyncio.sleep(PATIENT_SECONDS / 4)
        state = (await (await patient.get(f"/api/streams/{stream}")).json())["data"]
    assert (state["status"], state["content"]) == ("completed", " word" * TOKENS)
    assert await assert_billed_as_stored(patient, stream) == TOKENS
    assert patient.provider.cancelled == 0


@pytest.mark.gen_test
async def test_an_answer_that_is_to_continue_outlives_its_reader(hasty: Face) -> None:
    response = await hasty.complete(headers={"X-Hub-On-Disconnect": "continue"}, stream=True)
    response.reset()
    await hasty.at_rest()
    assert await assert_billed_as_stored(hasty, response.headers["x-hub-stream-id"]) == TOKENS
    refused = await hasty.complete(headers={"X-Hub-On-Disconnect": "perhaps"}, stream=True)
    assert (refused.status, (await refused.json())["error"]["param"]) == (400, "X-Hub-On-Disconnect")


@pytest.mark.gen_test
@pytest.mark.parametrize("wish", [{}, {"on_disconnect": "continue"}])
async def test_a_sockets_answer_outlives_it_unless_it_asked_otherwise(hasty: Face, wish: dict[str, str]) -> None:
    """The line is lost early on, and the answer lasts several times the grace that an abandoned one would have."""
    socket = await Client.open(hasty.port)
    await socket.request("connect", token=hasty.token)
    started = await socket.request("chat.start", model="gpt-4", message="Tell me", **wish)
    stream = running(hasty, started["stream_id"])
    await socket.push("chat.delta")
    socket.abort()
    async with asyncio.timeout(5):
        while stream.followers:
            await asyncio.sleep(0.01)
    assert stream.offset < TOKENS - 2 * GRACE_TOKENS, "it has to go on without a reader for longer than the grace"
    await hasty.at_rest()
    message = await hasty.message(stream.id)
    assert (message["status"], message["content"]) == ("complete", " word" * TOKENS)
    assert await assert_billed_as_stored(hasty, stream.id) == TOKENS
    assert hasty.provider.cancelled == 0


@pytest.mark.gen_test
async def test_who_reads_nothing_is_cut_off(hasty: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRITE_SECONDS_MAX", 0.2)
    hasty.provider.default = Scenario(chunks=2_000, word=" word" * 1_000)
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}], "stream": True}
    path = "/v1/chat/completions"
    connection = await send(hasty.port, "POST", path, token=hasty.token, body=body, receive_buffer=4_096)
    stream_id = (await connection.response()).headers["x-hub-stream-id"]
    stream = hasty.services.streams.get(stream_id)
    assert stream is not None
    async with asyncio.timeout(10):
        while stream.followers:
            await asyncio.sleep(0.01)
    await hasty.at_rest()


READERS = 40


async def growth_bytes(hub: RunningHub, token: str) -> int:
    """What it costs that many ask for one long answer anew, by its idempotency key, and read only its head."""
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}], "stream": True}
    head = {"Idempotency-Key": "one long answer"}
    path = "/v1/chat/completions"
    await (await ask(hub.port, "POST", path, token=token, body=body, headers=head)).events()
    before = hub.memory_bytes()
    for _ in range(READERS):
        connection = await send(hub.port, "POST", path, token=token, body=body, headers=head, receive_buffer=4_096)
        assert (await connection.response()).headers["idempotency-hit"] == "true"
    after = hub.memory_bytes()
    await abort_all()
    return after - before


def test_slow_readers_cost_no_memory(mongod_uri: str, tmp_path: Path) -> None:
    with OpenAIStandIn(Scenario(chunks=16_000)).in_thread() as provider:
        environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.base_url}
        hub = RunningHub(tmp_path, mongod_uri, HUB_MONGODB_DATABASE="test_slow_readers", **environ)
        hub.start()
        try:
            grown = asyncio.run(growth_bytes(hub, hub.register()))
        finally:
            hub.kill()
    assert len(provider.requests) == 1
    assert grown < 30 << 20, "3 MB of events for each of them would be 120 MB"
