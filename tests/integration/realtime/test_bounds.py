"""The bounds of connections, commands, streams and replies: each is met, said, and leaves what is within it alone."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from config import limits
from hub.identity import LoginResult
from hub.realtime import close_codes
from hub.streams import Stream
from tests.integration.realtime.site import Site
from tests.ws_client import Client

CROWD = 200


def _running(site: Site, login: LoginResult, name: str) -> Stream:
    """An answer under way, which nobody will end."""
    stream = Stream(id=name, user=login.user["_id"], model="gpt-4", conversation=None, message=f"msg_{name}")
    site.services.streams.add(stream)
    return stream


async def _code(client: Client, command: str, **fields: Any) -> str | None:
    """The error code of a command's reply, None when it succeeds."""
    error = (await client.request(command, **fields)).get("error")
    return None if error is None else str(error["code"])


def test_connections_of_the_whole_hub(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONNECTIONS_MAX", 2)

    async def scenario(site: Site) -> None:
        login = await site.user()
        within = [(await site.connect(login))[0] for _ in range(2)]
        over = await Client.open(site.port)
        assert (await over.push("error"))["error"]["code"] == "RESOURCE_CONFLICT"
        assert await over.close_code() == close_codes.TOO_MANY_CONNECTIONS
        for client in within:
            await client.request("ping")

    hub.run(scenario)


def test_connections_of_one_user_that_come_at_once(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.CONNECT_SECONDS <= 5 and limits.CONNECTIONS_PENDING_PER_ADDRESS_MAX <= 50, "few, and not for long"
    monkeypatch.setattr(limits, "CONNECT_SECONDS", 60.0)
    monkeypatch.setattr(limits, "CONNECTIONS_PENDING_PER_ADDRESS_MAX", CROWD)

    async def scenario(site: Site) -> None:
        login = await site.user()
        clients = [await Client.open(site.port) for _ in range(CROWD)]

        async def enter(client: Client) -> str | int | None:
            reply = await client.request("connect", token=login.access_token)
            if "error" not in reply:
                return str(reply["type"])
            assert reply["error"]["code"] == "RESOURCE_CONFLICT"
            return await client.close_code()

        ends = Counter(await asyncio.gather(*map(enter, clients)))
        assert ends == {"connected": 20, close_codes.TOO_MANY_CONNECTIONS: CROWD - 20}
        registered = site.services.connections
        assert len(registered.of_user(login.user["_id"])) == len(registered) == 20
        assert registered.pending == 0

    hub.run(scenario)


def test_answers_of_the_whole_hub(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_RUNNING_MAX", 1)

    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        other = _running(site, await site.user(), "stream_other")
        ask = {"model": "gpt-4", "message": "hello", "max_tokens": 5}
        assert await _code(client, "chat.start", **ask) == "SERVICE_UNAVAILABLE"
        site.services.streams.discard(other)
        started = await client.request("chat.start", **ask)
        assert (await client.answer_of(started["stream_id"]))[1]["type"] == "chat.completed"

    hub.run(scenario)


def test_streams_that_one_connection_follows(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STREAMS_PER_CONNECTION_MAX", 2)

    async def scenario(site: Site) -> None:
        login = await site.user()
        client, _ = await site.connect(login)
        streams = [_running(site, login, f"stream_{number}") for number in range(3)]
        codes = [
            await _code(client, "chat.resume", stream_id=stream.id, epoch=stream.epoch, after=0)
            for stream in (*streams, streams[0])
        ]
        assert codes == [None, None, "RATE_LIMIT_EXCEEDED", None]
        assert await _code(client, "chat.start", model="gpt-4", message="hello") == "RATE_LIMIT_EXCEEDED"
        for stream in streams:
            site.services.streams.discard(stream)

    hub.run(scenario)


@pytest.mark.parametrize(("bound", "value"), [("COMMANDS_WAITING_MAX", 3), ("COMMANDS_WAITING_BYTES_MAX", 80)])
def test_commands_that_wait(hub: Site, bound: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those behind a `connect` wait for it: three pings of 22 to 26 bytes fit, by number or by size."""
    monkeypatch.setattr(limits, bound, value)

    async def scenario(site: Site) -> None:
        client = await Client.open(site.port)
        connect = client.send("connect", token=(await site.user()).access_token)
        pings = [client.send("ping") for _ in range(5)]
        assert (await client.reply(connect))["type"] == "connected"
        errors = [(await client.reply(ping)).get("error", {}).get("code") for ping in pings]
        assert errors == [None] * 3 + ["RATE_LIMIT_EXCEEDED"] * 2
        await client.request("ping")

    hub.run(scenario)


def test_the_size_of_a_reply(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        started = await client.request("chat.start", model="gpt-4", message="hello", max_tokens=5)
        await client.answer_of(started["stream_id"])
        conversation = started["conversation_id"]
        whole = (await client.request("conversations.messages", conversation_id=conversation))["messages"]
        assert [message["role"] for message in whole] == ["user", "assistant"]
        monkeypatch.setattr(limits, "REPLY_BYTES_MAX", 1)
        cut = (await client.request("conversations.messages", conversation_id=conversation))["messages"]
        assert cut == whole[1:], "the newest always comes"

    hub.run(scenario)


def test_channels_of_one_connection(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CHANNELS_PER_CONNECTION_MAX", 1)

    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user("admin"))
        channels = ("admin:metrics", "admin:events", "admin:metrics")
        codes = [await _code(client, "subscribe", channel=channel) for channel in channels]
        assert codes == [None, "RATE_LIMIT_EXCEEDED", None]
        await client.request("unsubscribe", channel="admin:metrics")
        assert await _code(client, "subscribe", channel="admin:events") is None

    hub.run(scenario)
