"""`/v1/ai/stream`: each way to say who one is, and a question without an envelope, whose pieces have `content`."""

from typing import Any, Final

import orjson
import pytest

from models.conversations import MESSAGES
from tests.site import Site
from tests.ws_client import Client

pytestmark = pytest.mark.gen_test

PATH: Final = "/v1/ai/stream"
QUESTION: Final[dict[str, Any]] = {"model": "minimax", "messages": [{"role": "user", "content": "Hello"}]}


async def opened(site: Site, way: str, token: str, key: str) -> Client:
    if way == "first frame":
        client = await Client.open(site.port, PATH)
        client.send("connect", token=token)
        return client
    query = {"token": f"?token={token}", "key as token": f"?token={key}", "api_key": f"?api_key={key}"}.get(way, "")
    headers = {"bearer": {"Authorization": f"Bearer {token}"}, "x-api-key": {"X-API-Key": key}}.get(way, {})
    return await Client.open(site.port, PATH + query, headers)


@pytest.mark.parametrize("way", ["token", "api_key", "key as token", "bearer", "x-api-key", "first frame"])
async def test_a_question_is_answered_piece_by_piece(site: Site, way: str) -> None:
    """At once: what comes behind `connect` waits for it, and with a credential at the upgrade none is needed."""
    token = await site.token()
    made = await site.client("ai_aggregator", token=token).post("/v1/auth/api-keys", {"name": "A key"}, status=201)
    client = await opened(site, way, token, made.data["key"])
    client.send_json("bareChat", {**QUESTION, "max_tokens": 40, "temperature": 0.7, "top_p": 0.9})
    started = await client.push("chat.started")
    text, end, deltas = await client.answer_of(started["stream_id"])
    assert (end["type"], end["usage"]["completion_tokens"]) == ("chat.completed", 40)
    assert all(delta["content"] for delta in deltas)
    stored = await site.services.database[MESSAGES].find({"stream": started["stream_id"]}, limit=2)
    assert [message["content"] for message in stored] == [text]
    assert not any("content" in frame for frame in client.frames if frame["type"] != "chat.delta")
    client.abort()


@pytest.mark.parametrize("stream", [False, 1, "true"])
async def test_an_answer_that_is_not_to_be_streamed_is_asked_elsewhere(site: Site, stream: Any) -> None:
    client = await Client.open(site.port, f"{PATH}?token={await site.token()}")
    client.send_text(orjson.dumps({**QUESTION, "stream": stream}).decode())
    refused = (await client.orphan())["error"]
    assert refused["code"] == "VALIDATION_ERROR" and [detail["field"] for detail in refused["details"]] == ["stream"]
    client.abort()


async def test_a_key_that_may_not_write_gets_no_answer(site: Site) -> None:
    token = await site.token()
    reader = {"name": "A reader", "permissions": ["ai:read"]}
    made = await site.client("ai_aggregator", token=token).post("/v1/auth/api-keys", reader, status=201)
    client = await Client.open(site.port, f"{PATH}?api_key={made.data['key']}")
    client.send_json("bareChat", QUESTION)
    assert (await client.orphan())["error"]["code"] == "AUTHORIZATION_FAILED"
    client.abort()


async def test_what_is_asked_here_counts_against_the_quota(site: Site) -> None:
    token = await site.token()
    client = await Client.open(site.port, f"{PATH}?token={token}")
    client.send_json("bareChat", {**QUESTION, "max_tokens": 5})
    await client.answer_of((await client.push("chat.started"))["stream_id"])
    client.abort()
    told = (await site.client("ai_playground", token=token).get("/api/v1/ai/usage")).data
    assert (told["quota"]["daily"]["used"], told["usage"]["total_requests"]) == (1, 1)
