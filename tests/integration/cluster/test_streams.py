"""One answer, two nodes: begun on one, followed, resumed, stopped and finished on the other, by every transport."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from config import limits
from hub.chat import Started
from hub.identity import Credential, Identity
from hub.services import Services
from models import wallets
from models.database import Document
from tests.factories import ask, sign_up
from tests.http_streams import DONE, Response, abort_all, send
from tests.http_streams import ask as ask_http
from tests.length import length
from tests.patience import until, within
from tests.redis_server import RedisServer
from tests.stand_ins.base import Scenario
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.ws_client import Client

SLOW = Scenario(chunks=60, interval_seconds=0.02)
ENDLESS = Scenario(chunks=100_000, interval_seconds=0.01)
ONCE = {"model": "gpt-4", "messages": [{"role": "user", "content": "once"}]}


@dataclass
class Two:
    """Two nodes of a hub with one user, whose OpenAI is a stand-in. The stream begins on `one`."""

    provider: OpenAIStandIn
    redis: RedisServer
    nodes: tuple[Services, Services]
    ports: tuple[int, int]
    user: Identity
    token: str

    @property
    def one(self) -> Services:
        return self.nodes[0]

    @property
    def other(self) -> Services:
        return self.nodes[1]

    async def start(self, scenario: Scenario = SLOW, **fields: object) -> Started:
        """An answer on the first node, once it has some deltas."""
        self.provider.script(scenario)
        started = await self.one.chat.start(self.user, ask(**fields))
        await until(lambda: started.stream.offset > 3)
        return started

    async def connect(self, node: int) -> Client:
        client = await Client.open(self.ports[node])
        assert (await client.request("connect", token=self.token))["type"] == "connected"
        return client

    async def http(self, node: int, method: str, path: str, **options: Any) -> Response:
        return await ask_http(self.ports[node], method, path, token=self.token, **options)

    async def stored(self, stream_id: str) -> Document:
        message = await self.one.database["messages"].find_one({"stream": stream_id})
        assert message is not None
        return message

    async def at_rest(self) -> None:
        """Nothing is held by anybody, and no answer is followed any more."""
        await until(lambda: not len(self.one.streams) + len(self.other.streams))
        assert await wallets.holds_open(self.one.database) == 0


@pytest.fixture
def two(io_loop: IOLoop, open_hub: Callable[..., Services], serve_http: Callable[[Services], int]) -> Iterator[Two]:
    provider, redis = OpenAIStandIn(), RedisServer()
    redis.start()
    io_loop.run_sync(provider.start)
    environ = {
        "HUB_REDIS_URL": redis.url,
        "HUB_JWT_SECRET": secrets.token_urlsafe(48),
        "HUB_RATE_LIMITS": "off",
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": "sk-test",
    }
    nodes = (open_hub(**environ), open_hub(**environ))
    ports = (serve_http(nodes[0]), serve_http(nodes[1]))
    login = io_loop.run_sync(lambda: sign_up(nodes[0]))
    user = io_loop.run_sync(lambda: nodes[0].identities.resolve(Credential("bearer", login.access_token)))
    yield Two(provider, redis, nodes, ports, user, login.access_token)
    io_loop.run_sync(abort_all)
    io_loop.run_sync(provider.stop)
    redis.kill()


@asynccontextmanager
async def resumed(two: Two, started: Started, after: int) -> AsyncIterator[Client]:
    """A socket on the other node that goes on after so many deltas."""
    client = await two.connect(1)
    stream = started.stream
    reply = await client.request("chat.resume", stream_id=stream.id, epoch=stream.epoch, after=after)
    assert (reply["recovered"], reply["offset"]) == (True, after)
    yield client
    await client.close()


@pytest.mark.gen_test
async def test_a_socket_of_another_node_gets_the_rest_as_it_comes(two: Two) -> None:
    started = await two.start()
    stream = started.stream
    async with resumed(two, started, 3) as client:
        first = await client.push("chat.delta")
        assert stream.outcome is None, "it must not wait for the end"
        assert first["cost"] > 0
        client.pushes.insert(0, first)
        text, end, deltas = await client.answer_of(stream.id)
    assert stream.text(3) == text
    assert deltas[-1]["offset"] == end["offset"] == stream.offset
    assert stream.outcome is not None and stream.outcome.receipt is not None
    assert end["receipt"]["seq"] == stream.outcome.receipt.seq
    await two.at_rest()


@pytest.mark.gen_test
async def test_begun_by_sse_gone_on_by_socket_finished_by_rest(two: Two) -> None:
    """Three transports on two nodes, one cursor: put together it is the stored answer to the byte."""
    two.provider.script(SLOW)
    body = {"model": "gpt-4", "stream": True, "messages": [{"role": "user", "content": "Tell me something"}]}
    begun = await (await send(two.ports[0], "POST", "/v1/chat/completions", token=two.token, body=body)).response()
    stream_id, epoch = begun.headers["x-hub-stream-id"], begun.headers["x-hub-stream-epoch"]
    text, offset = "", 0
    while offset < 8:
        event = await begun.event()
        assert event is not None and event.data != DONE
        text, offset = text + event.content, offset + bool(event.content)
    begun.reset()
    client = await two.connect(1)
    assert (await client.request("chat.resume", stream_id=stream_id, epoch=epoch, after=offset))["recovered"]
    while offset < 30:
        delta = await client.push("chat.delta")
        text, offset = text + delta["content"], delta["offset"]
    client.reset()
    path = f"/api/streams/{stream_id}?epoch={epoch}&after={offset}"

    async def has_ended() -> bool:
        view = (await (await two.http(0, "GET", path)).json())["data"]
        return bool(
            view["status"] == "completed" and text + view["content"] == (await two.stored(stream_id))["content"]
        )

    await until(has_ended)
    assert text + (await (await two.http(1, "GET", path)).json())["data"]["content"] == " word" * SLOW.chunks
    await two.at_rest()


@pytest.mark.gen_test
async def test_events_of_another_node_resume_by_their_id(two: Two) -> None:
    started = await two.start()
    stream = started.stream
    cursor = {"Last-Event-ID": f"{stream.epoch}:2"}
    answer = await two.http(1, "GET", f"/api/streams/{stream.id}/events", headers=cursor)
    events = await answer.events()
    assert "".join(event.data["content"] for event in events[:-1]) == stream.text(2)
    assert events[-1].data["type"] == "chat.completed"
    assert events[-1].id == f"{stream.epoch}:{stream.offset}"


@pytest.mark.gen_test
async def test_what_has_ended_replays_on_the_other_node_by_every_transport(two: Two) -> None:
    started = await two.start(Scenario(chunks=12, interval_seconds=0.01))
    stream = started.stream
    await two.at_rest()
    async with resumed(two, started, 4) as client:
        text, end, _ = await client.answer_of(stream.id)
    events = await (await two.http(1, "GET", f"/api/streams/{stream.id}/events?after=4&epoch={stream.epoch}")).events()
    view = (await (await two.http(1, "GET", f"/api/streams/{stream.id}?after=4&epoch={stream.epoch}")).json())["data"]
    replayed = "".join(event.data["content"] for event in events[:-1])
    assert text == replayed == view["content"] == stream.text(4)
    assert end["receipt"] == events[-1].data["receipt"] == view["receipt"]


@pytest.mark.gen_test
@pytest.mark.parametrize("way", ["socket", "rest"])
async def test_a_stop_reaches_the_node_that_generates(two: Two, way: str) -> None:
    started = await two.start(ENDLESS)
    stream = started.stream
    async with resumed(two, started, 0) as client, within(1.0):
        if way == "socket":
            assert await client.request("chat.stop", stream_id=stream.id) == {"stream_id": stream.id}
        else:
            answer = await two.http(1, "DELETE", f"/api/streams/{stream.id}")
            assert (await answer.json())["data"]["status"] == "cancelled"
        end = await client.push("chat.completed")
    assert end["finish_reason"] == "cancelled"
    message = await two.stored(stream.id)
    assert (message["status"], len(message["lengths"])) == ("stopped", end["offset"])
    assert two.provider.cancelled == 1
    await two.at_rest()


@pytest.mark.gen_test
async def test_a_stop_without_redis_goes_by_the_database(two: Two) -> None:
    started = await two.start(ENDLESS)
    two.redis.kill()
    async with within(2.0):
        await two.other.chat.stop(two.user, started.stream.id)
        await until(lambda: started.stream.outcome)
    await two.at_rest()


@pytest.mark.gen_test
async def test_others_streams_do_not_exist_on_any_node(two: Two) -> None:
    started = await two.start(ENDLESS)
    stranger = await sign_up(two.other)
    client = await Client.open(two.ports[1])
    await client.request("connect", token=stranger.access_token)
    stream = started.stream
    commands: dict[str, dict[str, Any]] = {"chat.stop": {}, "chat.resume": {"epoch": stream.epoch, "after": 0}}
    for name, fields in commands.items():
        reply = await client.request(name, stream_id=stream.id, **fields)
        assert reply["error"]["code"] == "RESOURCE_NOT_FOUND"
    for method in ("GET", "DELETE"):
        answer = await ask_http(two.ports[1], method, f"/api/streams/{stream.id}", token=stranger.access_token)
        assert answer.status == 404
    assert not len(two.other.chat.remote)
    await client.close()
    await two.one.chat.stop(two.user, stream.id)
    await two.at_rest()


@pytest.mark.gen_test
async def test_an_answer_that_ends_without_a_reader_goes_on_while_one_follows_elsewhere(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FOLLOWED_SECONDS", 0.2)
    monkeypatch.setattr(limits, "REMOTE_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(limits, "REMOTE_LINGER_SECONDS", 0.2)
    two.one.chat._grace_seconds = 1.0
    started = await two.start(ENDLESS, on_disconnect="cancel")
    stream = started.stream
    async with resumed(two, started, 0) as client:
        two.one.chat.left(stream)
        before = stream.offset
        await until(lambda: stream.offset > before + 250)  # more than twice the grace
        assert stream.outcome is None
        client.reset()
        await until(lambda: stream.outcome)
    assert stream.outcome is not None and stream.outcome.finish_reason == "cancelled"
    await two.at_rest()


@pytest.mark.gen_test
async def test_a_repeat_on_the_other_node_attaches_and_is_charged_once(two: Two) -> None:
    two.provider.script(SLOW)
    body = {"model": "gpt-4", "stream": True, "messages": [{"role": "user", "content": "once"}]}
    key = {"Idempotency-Key": "one-answer"}
    first = await two.http(0, "POST", "/v1/chat/completions", body=body, headers=key)
    second = await two.http(1, "POST", "/v1/chat/completions", body=body, headers=key)
    assert second.headers["idempotency-hit"] == "true"
    assert first.headers["x-hub-stream-id"] == second.headers["x-hub-stream-id"]
    texts = ["".join(event.content for event in await answer.events()) for answer in (first, second)]
    assert texts == [" word" * SLOW.chunks] * 2
    assert len(two.provider.requests) == 1
    entries, _ = await wallets.entries(two.one.database, two.user.user_id, "credit", skip=0, limit=9)
    assert [entry["kind"] for entry in entries].count("usage") == 1


async def by_post(two: Two, key: str) -> list[tuple[int | str, str]]:
    """The status of each of fifty, and the id of the stream that answered it."""

    async def once(node: int) -> tuple[int, str]:
        answer = await two.http(node, "POST", "/v1/chat/completions", body=ONCE, headers={"Idempotency-Key": key})
        await answer.json()
        return answer.status, answer.headers["x-hub-stream-id"] if answer.status == 200 else ""

    return list(await asyncio.gather(*(once(number % 2) for number in range(50))))


async def by_socket(two: Two, key: str) -> list[tuple[int | str, str]]:
    """The same by `chat.start`."""
    sockets = [await two.connect(number) for number in range(2)]
    sent = [(socket, socket.send("chat.start", **ONCE, idempotency_key=key)) for _ in range(25) for socket in sockets]
    replies = [await socket.reply(command) for socket, command in sent]
    for socket in sockets:
        await socket.close()
    return [(reply["error"]["code"], "") if "error" in reply else (200, reply["stream_id"]) for reply in replies]


@pytest.mark.faults
@pytest.mark.gen_test
@pytest.mark.parametrize("way", ["post", "socket"])
async def test_fifty_at_once_with_one_key_on_two_nodes_pay_once(two: Two, way: str) -> None:
    """Whoever is late gets the stream, or is told to ask again; nobody starts a second one."""
    two.provider.default = Scenario(chunks=4)
    keys = length(3, 40)
    streams: set[str] = set()
    for key in range(keys):
        answers = await (by_post if way == "post" else by_socket)(two, f"key-{key}")
        assert {status for status, _ in answers} <= {200, 409, "RESOURCE_CONFLICT"}
        (stream,) = {stream for status, stream in answers if status == 200}
        streams.add(stream)
    assert len(streams) == keys
    await two.at_rest()
    assert len(two.provider.requests) == keys
    entries, _ = await wallets.entries(two.one.database, two.user.user_id, "credit", skip=0, limit=99)
    assert [entry["kind"] for entry in entries].count("usage") == keys


@pytest.mark.gen_test
async def test_without_redis_a_stream_is_followed_by_its_checkpoints(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHECKPOINT_SECONDS", 0.1)
    two.redis.kill()
    started = await two.start(ENDLESS)
    async with resumed(two, started, 0) as client:
        await client.push("chat.delta")
        assert started.stream.outcome is None, "it must not wait for the end"
        await client.request("chat.stop", stream_id=started.stream.id)
        end = await client.push("chat.completed")
    assert end["offset"] == started.stream.offset
    await two.at_rest()


@pytest.mark.gen_test
async def test_a_redis_that_comes_back_has_all_of_the_stream(two: Two) -> None:
    started = await two.start(ENDLESS)
    stream = started.stream
    await until(lambda: stream.logged > 0)
    two.redis.kill()
    before = stream.offset
    await until(lambda: stream.offset > before + 20)
    two.redis.start()
    async with resumed(two, started, 0) as client:
        got, offset = "", 0
        while offset < before + 40:
            delta = await client.push("chat.delta")
            got, offset = got + delta["content"], delta["offset"]
        assert got == " word" * offset
        await client.request("chat.stop", stream_id=stream.id)
        await client.push("chat.completed")


@pytest.mark.gen_test
async def test_what_nobody_follows_any_more_is_forgotten(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMOTE_LINGER_SECONDS", 0.2)
    monkeypatch.setattr(limits, "REMOTE_CHECK_SECONDS", 0.1)
    started = await two.start(ENDLESS)
    async with resumed(two, started, 0) as client:
        await client.push("chat.delta")
    await until(lambda: not len(two.other.chat.remote))
    await two.one.chat.stop(two.user, started.stream.id)
