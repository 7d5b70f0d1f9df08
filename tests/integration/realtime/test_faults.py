"""What a connection survives, and how it ends: bad frames, floods, slow readers, dead peers, nine ways of closing."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from config import limits
from hub.identity import LoginResult
from hub.providers.base import Delta, Usage
from hub.realtime import close_codes
from hub.realtime.broker import Publication, user_channel
from hub.realtime.commands import COMMANDS
from hub.realtime.connection import Connection
from hub.streams import Outcome, Stream
from tests.integration.realtime.site import Site, until
from tests.length import length
from tests.ws_client import BINARY, CLOSE, PING, PONG, TEXT, Client

DONE = Outcome("stop", Usage(1, 1), "provider", None)

MALFORMED = {
    "empty": "",
    "not json": "{",
    "trailing data": '{"id":1,"type":"ping"} {}',
    "byte order mark": '\ufeff{"id":1,"type":"ping"}',
    "twin keys": '{"id":1,"id":2,"type":"ping"}',
    "NaN": '{"id":1,"type":"ping","x":NaN}',
    "Infinity": '{"id":1,"type":"ping","x":-Infinity}',
    "1e400": '{"id":1,"type":"ping","x":1e400}',
    "deep": "[" * 60_000,
    "deep object": '{"a":' * 33 + "1" + "}" * 33,
    "many digits": '{"id":' + "9" * 5_000 + "}",
    "2^64": '{"id":18446744073709551616,"type":"ping"}',
    "half a character": '{"id":1,"type":"ping","x":"\\ud800"}',
    "NUL": '{"id":1,"type":"ping","x":"\\u0000"}',
    "array": '[{"id":1,"type":"ping"}]',
    "string": '"ping"',
    "null": "null",
    "unterminated strings": '"\\"' * 20_000,
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_frames_get_an_error_and_the_connection_stays(hub: Site, text: str) -> None:
    async def scenario(site: Site) -> None:
        client = await Client.open(site.port)
        client.send_text(text)
        assert (await client.orphan())["error"]["code"] == "VALIDATION_ERROR"
        await client.request("ping")
        await client.close()

    hub.run(scenario)


ADDRESSED_WRONGLY: list[dict[str, Any]] = [
    {"type": "ping"},
    {"id": None, "type": "ping"},
    {"id": True, "type": "ping"},
    {"id": 1.5, "type": "ping"},
    {"id": 2**53 + 1, "type": "ping"},
    {"id": "", "type": "ping"},
    {"id": "x" * 65, "type": "ping"},
    {"id": [1], "type": "ping"},
    {"id": {"$gt": ""}, "type": "ping"},
]


def test_ids_and_types(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        client = await Client.open(site.port)
        for frame in ADDRESSED_WRONGLY:
            client.send_text(orjson.dumps(frame).decode())
            assert (await client.orphan())["error"]["details"][0]["field"] == "id"
        for number, name in enumerate((None, 1, ["ping"], {"$ne": None}, "no.such", "__class__", "x" * 1_000)):
            client.send_text(orjson.dumps({"id": f"t{number}", "type": name}).decode())
            assert (await client.reply(f"t{number}"))["error"]["details"][0]["field"] == "type"
        await client.close()

    hub.run(scenario)


WRONG_VALUES: list[Any] = [
    None,
    True,
    -1,
    2**63 - 1,
    0.5,
    "",
    "5",
    "x" * 5_000,
    [],
    [None],
    {},
    {"$gt": ""},
    {"a.b": 1},
]
# What is wrong for one field may be right for another.
RIGHT: dict[str, Any] = {
    "filters": [{}],
    "temperature": [0.5, True, 2],
    "top_p": [0.5],
    "message": ["5", "x" * 5_000],
    "before": ["5"],
    "epoch": ["5"],
    "model": ["5"],
    "channel": ["5"],
    "stream_id": ["5"],
    "conversation_id": ["5"],
    "idempotency_key": ["5"],
    "token": ["5"],
    "stop": ["5"],
    "rating": [None],
    "stream": [True],
    "execution_id": ["5"],
    "node": ["5"],
    "approved": [True],
    "comment": ["", "5"],
}
VALID: dict[str, dict[str, Any]] = {
    "refresh": {"token": "t"},
    "subscribe": {"channel": "c"},
    "unsubscribe": {"channel": "c"},
    "history": {"after": 0},
    "chat.start": {"model": "gpt-4", "message": "hi"},
    "chat.stop": {"stream_id": "s"},
    "chat.resume": {"stream_id": "s", "epoch": "e", "after": 0},
    "chat.rate": {"stream_id": "s", "rating": "up"},
    "conversations.messages": {"conversation_id": "c"},
    "conversations.delete": {"conversation_id": "c"},
    "notifications.read": {"ids": ["n"]},
    "workflow.approve": {"execution_id": "e", "node": "n", "approved": True},
}


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_types_and_unknown_fields(hub: Site, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COMMAND_BURST", 10_000)
    fields = [*COMMANDS[name].schema.fields, "role", "user_id", "_id", "$where"]

    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        number = 0
        for field in fields:
            for value in WRONG_VALUES:
                if any(type(value) is type(right) and value == right for right in RIGHT.get(field, [])):
                    continue
                number += 1
                frame = {"id": f"f{number}", "type": name, **VALID.get(name, {}), field: value}
                if field == "messages":
                    frame.pop("message", None)
                client.send_text(orjson.dumps(frame).decode())
                error = (await client.reply(f"f{number}"))["error"]
                assert error["code"] == "VALIDATION_ERROR", (field, value, error)
                assert error["details"][0]["field"].split(".")[0] == field, (field, value, error)
        await client.close()

    hub.run(scenario)


def test_the_tenth_unreadable_frame_closes(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        for _ in range(limits.BAD_FRAMES_PER_MINUTE_MAX - 1):
            client.send_raw(BINARY, b'{"id":1,"type":"ping"}')
            assert (await client.orphan())["error"]["code"] == "VALIDATION_ERROR"
        await client.request("ping")
        client.send_text("{")
        assert await client.close_code() == close_codes.NOT_A_FRAME

    hub.run(scenario)


@pytest.mark.parametrize("opcode", [TEXT, PING, PONG])
def test_a_flood_closes_its_own_connection_only(hub: Site, opcode: int) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        flooder, _ = await site.connect(login)
        other, _ = await site.connect(login)
        for _ in range(limits.COMMAND_BURST * 3):
            flooder.send_raw(opcode, b'{"id":1,"type":"ping"}')
        assert await flooder.close_code() in (close_codes.TOO_MANY_MESSAGES, None)
        await other.request("ping")
        await other.close()

    hub.run(scenario)


@pytest.mark.parametrize("kind", [("send", "ping"), ("send_raw", PING, b"x"), ("send_raw", PONG, b"x")])
def test_a_little_too_much_is_told_by_its_close_code(hub: Site, kind: Any) -> None:
    """A little less than the burst is allowed. What comes beyond it is read too, so that no reset takes the code away."""

    async def scenario(site: Site) -> None:
        login = await site.user()
        polite, hasty = [(await site.connect(login))[0] for _ in range(2)]
        for client, number in ((polite, limits.COMMAND_BURST - 20), (hasty, limits.COMMAND_BURST + 20)):
            for _ in range(number):  # without a pause: the hub, on the same loop, sees them together
                getattr(client, kind[0])(*kind[1:])
        assert await hasty.close_code() == close_codes.TOO_MANY_MESSAGES
        await polite.request("ping")
        await polite.close()

    hub.run(scenario)


def test_many_commands_at_once_are_answered_in_turn(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        client = await Client.open(site.port)
        connect = client.send("connect", token=login.access_token)
        ids = [client.send("conversations.list") for _ in range(100)]
        assert (await client.reply(connect))["type"] == "connected"
        for command_id in ids:
            assert (await client.reply(command_id))["result"] == {"conversations": []}
        await client.close()

    hub.run(scenario)


async def _followed(site: Site, login: Any, client: Client, name: str) -> Stream:
    """A stream that the test itself feeds."""
    stream = Stream(id=name, user=login.user["_id"], model="gpt-4", conversation=None, message="msg_x")
    site.services.streams.add(stream)
    await client.request("chat.resume", stream_id=name, epoch=stream.epoch, after=0)
    return stream


def test_a_slow_reader_costs_no_memory_and_loses_nothing(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        slow, _ = await site.connect(login, receive_buffer=4_096)
        fast, _ = await site.connect(login)
        stream = await _followed(site, login, slow, "stream_slow")
        await fast.request("chat.resume", stream_id=stream.id, epoch=stream.epoch, after=0)
        words = [f"word-{number} " for number in range(200_000)]
        for start in range(0, len(words), 100):
            stream.append([Delta(word) for word in words[start : start + 100]], 1)
            if start % 10_000 == 0:
                await fast.request("ping")
            assert site.services.connections.queued_bytes < 10_000
        stream.finish(DONE)
        text, end, deltas = await fast.answer_of(stream.id)
        assert text == "".join(words)
        text, end, deltas = await slow.answer_of(stream.id)
        assert text == "".join(words) and end["offset"] == len(words) and len(deltas) < 3_000
        site.services.streams.discard(stream)
        for client in (slow, fast):
            await client.close()

    hub.run(scenario)


def test_a_reader_too_slow_for_its_events_is_cut(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        deaf, reply = await site.connect(login, receive_buffer=4_096)
        healthy, _ = await site.connect(login)
        epoch, offset = reply["position"]["epoch"], reply["position"]["offset"]
        queued = 0
        for number in range(1, 400):
            event = Publication("event", "big", {"fill": "x" * 10_000}, epoch, offset + number)
            site.services.broker.publish(user_channel(login.user["_id"]), event)
            queued = max(queued, site.services.connections.queued_bytes)
            await healthy.push("event")
        assert queued <= limits.QUEUE_BYTES_MAX + 20_000
        await until(lambda: len(site.services.connections) == 1)
        assert await deaf.close_code() is None
        await healthy.close()

    hub.run(scenario)


def test_pongs_come_while_busy_both_ways(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        site.ping(0.2, 0.16)
        login = await site.user()
        client, _ = await site.connect(login)
        stream = await _followed(site, login, client, "stream_busy")

        async def feed() -> None:
            for _ in range(200):
                stream.append([Delta("x" * 500) for _ in range(20)], 1)
                await asyncio.sleep(0.01)
            stream.finish(DONE)

        feeding = asyncio.create_task(feed())
        client.send_raw(PING, b"are you there")
        _, end, _ = await client.answer_of(stream.id)
        await feeding
        assert end["type"] == "chat.completed" and client.pongs == [b"are you there"] and client.pings >= 5
        site.services.streams.discard(stream)
        client.answers_pings = False
        assert await client.close_code() == close_codes.PING_LOST
        site.ping(25, 20)

    hub.run(scenario)


def test_oversized_and_forbidden_frames_close(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        for way in ("big", "announced", "fragments", "empty fragments", "compressed", "continuation", "long ping"):
            client, _ = await site.connect(login)
            if way == "big":
                client.send_raw(TEXT, b"x" * (limits.FRAME_BYTES_MAX + 1))
            elif way == "announced":
                client.writer.write(b"\x81\xff" + struct.pack("!Q", 2**63 - 1))
            elif way in ("fragments", "empty fragments"):
                payload = b"x" if way == "fragments" else b""
                client.send_raw(TEXT, payload, fin=False)
                for _ in range(limits.FRAGMENTS_PER_MESSAGE_MAX + 5):
                    client.send_raw(0, payload, fin=False)
            elif way == "compressed":
                client.send_raw(TEXT, b"{}", rsv=0x40)
            elif way == "continuation":
                client.send_raw(0, b"{}")
            else:
                client.send_raw(PING, b"x" * 126)
            assert await client.close_code() in (1009, None), way

    hub.run(scenario)


BREAK = "a frame at which the connection breaks"
ROUNDS = length(20, 200)
AT_ONCE = 10  # of one user's sockets

# Each way to end a socket, and with which code the hub closes it: that tells that it ended for this reason.
WAYS: dict[str, tuple[Callable[[Client], Any], int | None]] = {
    "clean": (lambda client: client.send_raw(CLOSE, struct.pack("!H", 1000)), 1000),
    "no close frame": (lambda client: client.writer.write_eof(), None),
    "reset": (Client.reset, None),
    "bad utf-8 reason": (lambda client: client.send_raw(CLOSE, struct.pack("!H", 1000) + b"\xff\xfe"), None),
    "bad frame": (lambda client: client.send_raw(TEXT, b"{}", rsv=0x70), None),
    "oversize": (lambda client: client.send_raw(TEXT, b"x" * 70_000), 1009),
    "ping loss": (lambda client: setattr(client, "answers_pings", False), close_codes.PING_LOST),
    "exception in open": (lambda client: None, 1011),
    "exception in on_message": (lambda client: client.send_text(BREAK), None),
}
LOGGED = {"exception in open": "a socket could not be opened", "exception in on_message": "request failed"}


def _break_at(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Have the connection fail where it never does by itself."""
    receive = Connection.receive

    def breaking(connection: Connection, text: str | bytes) -> None:
        if text == BREAK:
            raise LookupError("broken on purpose")
        receive(connection, text)

    monkeypatch.setattr(Connection, "receive", breaking)
    if way == "exception in open":
        monkeypatch.setattr(Connection, "open", lambda connection: 1 / 0)


async def _leave(site: Site, way: str, login: LoginResult) -> int | None:
    """The code with which the hub closed."""
    client = await Client.open(site.port)
    if way != "exception in open":
        assert (await client.request("connect", token=login.access_token))["type"] == "connected"
    WAYS[way][0](client)
    return await client.close_code()


@pytest.mark.faults
@pytest.mark.parametrize("way", WAYS)
def test_however_a_socket_ends_nothing_stays_registered(hub: Site, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _break_at(monkeypatch, way)

    async def scenario(site: Site) -> None:
        tasks, login = len(site.services.tasks), await site.user()
        if way == "ping loss":
            site.ping(0.25, 0.2)
        for _ in range(0, ROUNDS, AT_ONCE):
            codes = await asyncio.gather(*(_leave(site, way, login) for _ in range(AT_ONCE)))
            assert set(codes) == {WAYS[way][1]}
            await site.settled()
        site.ping(25, 20)
        await until(lambda: len(site.services.tasks) == tasks)

    with capture_logs() as logs:
        hub.run(scenario)
    if way in LOGGED:
        assert [entry["event"] for entry in logs].count(LOGGED[way]) == ROUNDS


def test_a_command_that_breaks_is_answered(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise LookupError("broken on purpose")

    monkeypatch.setattr("models.conversations.conversations", broken)

    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        error = (await client.request("conversations.list"))["error"]
        assert error["code"] == "INTERNAL_ERROR" and "purpose" not in error["message"]
        await client.request("ping")
        await client.close()

    with capture_logs() as logs:
        hub.run(scenario)
    assert "a command failed" in [entry["event"] for entry in logs]
