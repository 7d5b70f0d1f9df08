"""The WebSocket protocol from a client's side: connecting, chatting, resuming, listing, and what is refused."""

from typing import Any

import pytest

from hub.realtime import close_codes
from tests.factories import tell
from tests.http_streams import abort_all, ask
from tests.integration.realtime.site import ORIGIN, Site
from tests.ws_client import Client, Refused

QUESTION = "Tell me about the sea."


async def _chat(client: Client, **fields: Any) -> dict[str, Any]:
    started = await client.request("chat.start", model="gpt-4", **({"message": QUESTION} | fields))
    assert started["type"] == "chat.started", started
    return started


def test_connect_by_first_frame(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        client, reply = await site.connect(login)
        assert reply["user"]["id"] == login.user["_id"]
        assert reply["balance"]["credits"] == 10
        assert reply["recovered"] is False
        assert (await client.request("ping"))["server_time"] >= reply["server_time"]
        await client.close()

    hub.run(scenario)


@pytest.mark.parametrize("way", ["bearer", "key header", "query", "cookie"])
def test_connect_by_the_upgrade(hub: Site, way: str) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        token = login.access_token
        path = f"/ws?token={token}" if way == "query" else "/ws"
        headers = {
            "bearer": {"Authorization": f"Bearer {token}", "Origin": "https://elsewhere.example"},
            "key header": {"X-API-Key": token},
            "query": {},
            "cookie": {"Cookie": f"auth_token={login.cookie}", "Origin": ORIGIN},
        }[way]
        client = await Client.open(site.port, path, headers)
        reply = await client.request("connect")
        assert reply["user"]["id"] == login.user["_id"]
        await client.close()

    hub.run(scenario)


def test_cookie_needs_an_allowed_origin(hub: Site) -> None:
    origins = ["https://evil.example", "null", f"{ORIGIN}.evil", "https://sub.hub.example", f"{ORIGIN}:444", None]

    async def scenario(site: Site) -> None:
        login = await site.user()
        for origin in origins:
            headers = {"Cookie": f"auth_token={login.cookie}"} | ({"Origin": origin} if origin else {})
            with pytest.raises(Refused) as refused:
                await Client.open(site.port, headers=headers)
            assert refused.value.status == 403

    hub.run(scenario)


def test_a_page_can_ask_whether_its_upgrade_is_refused(hub: Site) -> None:
    """Browsers keep the status of an upgrade to themselves."""

    async def scenario(site: Site) -> None:
        told = []
        for origin in ("https://evil.example", ORIGIN):
            answer = await ask(site.port, "OPTIONS", "/ws", headers={"Origin": origin})
            told.append((answer.status, answer.headers.get("access-control-allow-credentials")))
        await abort_all()
        assert told == [(200, None), (200, "true")]

    hub.run(scenario)


def test_invalid_credentials(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        with pytest.raises(Refused) as refused:
            await Client.open(site.port, headers={"Authorization": "Bearer nonsense"})
        assert refused.value.status == 401
        old_cookie = {"Cookie": "auth_token=old", "Origin": ORIGIN}
        client = await Client.open(site.port, headers=old_cookie)
        reply = await client.request("connect")
        assert reply["error"]["code"] == "AUTHENTICATION_FAILED"
        assert not reply["error"]["temporary"]
        reply = await client.request("connect", token="nonsense")
        assert reply["error"]["code"] == "AUTHENTICATION_FAILED"
        assert (await client.request("history", after=0))["error"]["code"] == "AUTHENTICATION_FAILED"
        assert (await client.request("connect", token=(await site.user()).access_token))["type"] == "connected"
        assert (await client.request("connect"))["error"]["code"] == "RESOURCE_CONFLICT"
        await client.close()

    hub.run(scenario)


def test_chat_streams_and_is_paid(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        client, connected = await site.connect(await site.user())
        started = await _chat(client, max_tokens=40, temperature=0.5, top_p=1, stop=["never"])
        text, end, deltas = await client.answer_of(started["stream_id"])
        assert end["type"] == "chat.completed" and end["message_id"] == started["message_id"]
        assert deltas[-1]["offset"] == end["offset"] and text
        assert deltas[-1]["cost"] > 0
        receipt = end["receipt"]
        assert receipt["balance_after"] == pytest.approx(connected["balance"]["credits"] - receipt["charged"])
        assert (await client.push("balance", credits=receipt["balance_after"]))["credits_held"] == 0
        event = await client.event("chat.completed")
        assert event["event"]["data"]["stream_id"] == started["stream_id"]
        assert event["offset"] > connected["position"]["offset"]
        await client.close()

    hub.run(scenario)


def test_resume_on_another_connection(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        first, _ = await site.connect(login)
        started = await _chat(first, max_tokens=200)
        cursor = {"stream_id": started["stream_id"], "epoch": started["epoch"]}
        delta = await first.push("chat.delta")
        first.abort()
        second, _ = await site.connect(login)
        resumed = await second.request("chat.resume", **cursor, after=delta["offset"])
        assert resumed["recovered"] and resumed["offset"] == delta["offset"]
        rest, end, deltas = await second.answer_of(started["stream_id"])
        whole = site.services.streams.get(started["stream_id"])
        assert whole is not None and delta["content"] + rest == whole.text()
        assert deltas[-1]["offset"] == end["offset"] == whole.offset
        for wrong in ({**cursor, "epoch": "other", "after": 3}, {**cursor, "after": whole.offset + 1}):
            resumed = await second.request("chat.resume", **wrong)
            assert not resumed["recovered"] and resumed["offset"] == 0
            text, _, _ = await second.answer_of(started["stream_id"])
            assert text == whole.text()
        await second.close()

    hub.run(scenario)


def test_stop_keeps_what_was_produced(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        started = await _chat(client)
        await client.push("chat.delta")
        await client.request("chat.stop", stream_id=started["stream_id"])
        _, end, _ = await client.answer_of(started["stream_id"])
        assert end["finish_reason"] == "cancelled" and end["receipt"]["charged"] > 0
        listed = await client.request("conversations.messages", conversation_id=started["conversation_id"])
        assert {one["role"]: one["status"] for one in listed["messages"]} == {
            "user": "complete",
            "assistant": "stopped",
        }
        await client.close()

    hub.run(scenario)


def test_same_idempotency_key_attaches(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        one, _ = await site.connect(login)
        two, _ = await site.connect(login)
        started = await _chat(one, idempotency_key="k1", max_tokens=60)
        again = await _chat(two, idempotency_key="k1", max_tokens=60)
        assert again["stream_id"] == started["stream_id"]
        answers = [await client.answer_of(started["stream_id"]) for client in (one, two)]
        assert answers[0][0] == answers[1][0]
        reply = await two.request("chat.start", model="gpt-4", message="something else", idempotency_key="k1")
        assert reply["error"]["code"] == "VALIDATION_ERROR"
        for client in (one, two):
            await client.close()

    hub.run(scenario)


def test_conversations(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        started = await _chat(client, max_tokens=30)
        conversation = started["conversation_id"]
        running = await client.request("conversations.messages", conversation_id=conversation)
        text, end, _ = await client.answer_of(started["stream_id"])
        listed = (await client.request("conversations.list", limit=5))["conversations"]
        assert [one["id"] for one in listed] == [conversation] and listed[0]["title"] == QUESTION
        assert (await client.request("conversations.list", before=conversation))["conversations"] == []
        stored = (await client.request("conversations.messages", conversation_id=conversation))["messages"]
        question, answer = (next(one for one in stored if one["role"] == role) for role in ("user", "assistant"))
        assert question["content"] == QUESTION and answer["content"] == text
        assert answer["receipt"] == end["receipt"] and answer["status"] == "complete"
        assert [one.get("stream_id") for one in running["messages"]].count(started["stream_id"]) == 1
        more = await client.request("chat.start", message="And then?", conversation_id=conversation, max_tokens=5)
        await client.answer_of(more["stream_id"])
        listed = (await client.request("conversations.list", limit=5))["conversations"]
        assert listed[0]["message_count"] == 4 and listed[0]["model"] == "gpt-4", "its last model answers again"
        await client.request("conversations.delete", conversation_id=conversation)
        gone = await client.request("conversations.delete", conversation_id=conversation)
        assert gone["error"]["code"] == "RESOURCE_NOT_FOUND"
        await client.close()

    hub.run(scenario)


def test_notifications_are_marked_on_every_connection(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        one, _ = await site.connect(login)
        two, _ = await site.connect(login)
        await tell(site.services, login.user["_id"], "Hello", "World")
        created = (await two.event("notification.created"))["event"]["data"]
        listed = await one.request("notifications.list", limit=10)
        assert listed["notifications"][0] == created and listed["unread"] == len(listed["notifications"])
        assert (await one.request("notifications.read", ids=[created["id"], "notif_unknown"]))["marked"] == 1
        assert (await two.event("notification.read"))["event"]["data"] == {"ids": [created["id"]]}
        assert (await one.request("notifications.read", ids=[created["id"]]))["marked"] == 0
        rest = await one.request("notifications.read_all")
        assert rest["marked"] == listed["unread"] - 1
        assert (await one.request("notifications.list"))["unread"] == 0
        older = (await one.request("notifications.list", before=created["id"]))["notifications"]
        assert [note["id"] for note in older] == [note["id"] for note in listed["notifications"][1:]]
        for client in (one, two):
            await client.close()

    hub.run(scenario)


def test_others_do_not_exist(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        owner, connected = await site.connect(await site.user())
        other, _ = await site.connect(await site.user())
        started = await _chat(owner, max_tokens=20)
        stream, conversation = started["stream_id"], started["conversation_id"]
        tries: list[tuple[str, dict[str, Any]]] = [
            ("chat.resume", {"stream_id": stream, "epoch": started["epoch"], "after": 0}),
            ("chat.stop", {"stream_id": stream}),
            ("chat.rate", {"stream_id": stream, "rating": "up"}),
            ("chat.rate", {"message_id": started["message_id"], "rating": None}),
            ("chat.start", {"model": "gpt-4", "message": "hi", "conversation_id": conversation}),
            ("conversations.messages", {"conversation_id": conversation}),
            ("conversations.delete", {"conversation_id": conversation}),
            ("subscribe", {"channel": f"user:{connected['user']['id']}"}),
        ]
        for name, fields in tries:
            assert (await other.request(name, **fields))["error"]["code"] == "RESOURCE_NOT_FOUND", name
        assert (await other.request("subscribe", channel="admin:metrics"))["error"]["code"] == "AUTHORIZATION_FAILED"
        await owner.answer_of(stream)
        assert not [frame for frame in other.frames if frame.get("stream_id") == stream]
        for client in (owner, other):
            await client.close()

    hub.run(scenario)


def test_playground_path(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        login = await site.user()
        client = await Client.open(site.port, "/v1/ai/stream", {"Authorization": f"Bearer {login.access_token}"})
        bare = {"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
        client.send_json("bareChat", bare)
        started = await client.push("chat.started")
        await client.answer_of(started["stream_id"])
        await client.close()
        nobody = await Client.open(site.port, "/v1/ai/stream")
        nobody.send_json("bareChat", bare)
        assert (await nobody.push("error"))["error"]["code"] == "AUTHENTICATION_FAILED"
        nobody.abort()

    hub.run(scenario)


def test_an_unpaid_model_fails_with_words(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        client, _ = await site.connect(await site.user())
        reply = await client.request("chat.start", model="no-such-model", message="hi")
        assert reply["error"]["code"] == "RESOURCE_NOT_FOUND"
        await client.close()

    hub.run(scenario)


def test_unauthenticated_sockets_are_closed(hub: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.limits.CONNECT_SECONDS", 0.05)

    async def scenario(site: Site) -> None:
        assert await (await Client.open(site.port)).close_code() == close_codes.NOT_AUTHENTICATED
        told = await Client.open(site.port, "/v1/ai/stream")
        assert (await told.push("error"))["error"]["code"] == "AUTHENTICATION_FAILED"
        assert await told.close_code() == close_codes.NOT_AUTHENTICATED

    hub.run(scenario)
