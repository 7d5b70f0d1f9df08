"""An answer stopped by REST: kept and charged as far as it came, whichever transport it began on and is read by."""

import pytest

from tests.factories import sign_up
from tests.http_streams import DONE, Face, ask
from tests.stand_ins.base import Scenario
from tests.ws_client import Client

GO_ON = {"X-Hub-On-Disconnect": "continue"}
TOKENS = 400


@pytest.fixture
def slow(face: Face) -> Face:
    face.provider.default = Scenario(chunks=TOKENS, interval_seconds=0.01)
    return face


@pytest.mark.gen_test
async def test_who_reads_by_server_sent_events_is_told(slow: Face) -> None:
    begun = await slow.complete("/api/mcp/chat/completions", headers=GO_ON, stream=True)
    stream = begun.headers["x-hub-stream-id"]
    assert await begun.event() is not None
    stopped = await ask(slow.port, "DELETE", f"/api/streams/{stream}", token=slow.token)
    state = (await stopped.json())["data"]
    assert (stopped.status, state["status"], state["stream_id"]) == (200, "cancelled", stream)
    assert 0 < state["content"].count(" word") == state["offset"] < TOKENS
    assert state["receipt"]["charged"] * 1_000_000 == pytest.approx(await slow.charged())
    *_, last, done = await begun.events()
    assert (last.data["choices"][0]["finishReason"], done.data) == ("cancelled", DONE)
    message = await slow.message(stream)
    assert (message["status"], message["content"]) == ("stopped", state["content"])
    await slow.at_rest()


@pytest.mark.gen_test
async def test_who_reads_by_websocket_is_told(slow: Face) -> None:
    socket = await Client.open(slow.port)
    await socket.request("connect", token=slow.token)
    started = await socket.request("chat.start", model="gpt-4", message="Hello")
    await socket.push("chat.delta")
    stopped = await ask(slow.port, "DELETE", f"/api/streams/{started['stream_id']}", token=slow.token)
    state = (await stopped.json())["data"]
    ended = await socket.push("chat.completed", stream_id=started["stream_id"])
    assert (ended["finish_reason"], ended["receipt"]) == (state["finish_reason"], state["receipt"])
    await slow.at_rest()


@pytest.mark.gen_test
async def test_what_has_ended_stays_as_it_is(face: Face) -> None:
    begun = await face.complete()
    await begun.json()
    path = f"/api/streams/{begun.headers['x-hub-stream-id']}"
    stopped = await ask(face.port, "DELETE", path, token=face.token)
    assert (await stopped.json())["data"] == (await (await face.get(path)).json())["data"]
    assert stopped.status == 200


@pytest.mark.gen_test
async def test_nobody_stops_what_is_anothers(slow: Face) -> None:
    begun = await slow.complete(headers=GO_ON, stream=True)
    stream = begun.headers["x-hub-stream-id"]
    stranger = await sign_up(slow.services)
    refused = await ask(slow.port, "DELETE", f"/api/streams/{stream}", token=stranger.access_token)
    assert refused.status == 404
    assert slow.services.streams.running
    await slow.services.chat.stop(slow.user, stream)
    await slow.at_rest()
