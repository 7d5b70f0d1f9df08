"""Quotas over HTTP and the WebSocket: what is served is exactly what is allowed, on one node or two."""

import asyncio
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from config import limits
from hub.audit import audit
from hub.quotas import quota_of
from models import wallets
from models.clock import now, timestamp
from tests.factories import ask
from tests.http_streams import Face
from tests.http_streams import ask as ask_http
from tests.integration.quotas.parts import (
    DAILY,
    MESSAGES,
    at_noon,
    chat,
    chat_at_once,
    use,
    used,
    warnings,
)
from tests.ledger_parts import place
from tests.patience import until
from tests.stand_ins.base import Scenario
from tests.ws_client import Client

CALLERS = 200

pytestmark = pytest.mark.gen_test


def assert_refused(headers: dict[str, str], body: str, resets_at: str) -> None:
    """A 429 in the form of the AI Playground that says when the day ends, and nothing of the minute."""
    error = json.loads(body)["error"]
    assert (error["code"], error["message"]) == (
        "RATE_LIMIT_EXCEEDED",
        f"The quota of 50 requests a day is used up. It begins anew at {resets_at}.",
    )
    assert error["details"] == {"quota_type": "daily", "used": 50, "limit": 50, "resets_at": resets_at}
    told = [headers[f"x-ratelimit-{name}"] for name in ("limit", "remaining", "reset", "endpoint", "identifier")]
    assert told == ["50", "0", resets_at, "ai", "user"]
    wait = timedelta(seconds=int(headers["retry-after"]))
    assert abs(now() + wait - datetime.fromisoformat(resets_at)) < timedelta(minutes=2)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("nodes", [1, 2])
async def test_of_200_at_once_exactly_50_are_served(face: Face, other_port: int, nodes: int, stream: bool) -> None:
    """And the provider is asked for no other: who is refused has cost nobody anything."""
    user, database = face.user.user_id, face.services.database
    await at_noon(face.services, user)
    ports = [face.port, other_port][:nodes]
    answers = await chat_at_once(ports, face.token, CALLERS, stream=stream)
    assert Counter(answer.status for answer, _ in answers) == {200: DAILY, 429: CALLERS - DAILY}
    await until(lambda: is_at_rest(face))
    assert await used(database, user) == (DAILY, DAILY, DAILY)
    assert len(face.provider.requests) == DAILY
    quota = (await (await face.get("/api/v1/ai/usage")).json())["data"]["quota"]
    assert [(quota[period]["used"], quota[period]["limit"]) for period in quota] == [(50, 50), (50, 350), (50, 1_500)]
    for answer, body in answers:
        if answer.status == 429:
            assert_refused(answer.headers, body, quota["daily"]["resets_at"])
    assert [warning["used"] for warning in await warnings(database, user)] == [40, 45]
    assert [difference async for difference in audit(database)] == []


async def is_at_rest(face: Face) -> bool:
    return await wallets.holds_open(face.services.database) == 0


async def test_quotas_bind_the_ai_playgrounds_own_paths_alone(face: Face) -> None:
    user = face.user.user_id
    await at_noon(face.services, user)
    said: dict[str, Any] = {"messages": MESSAGES}
    elsewhere = {
        "/v1/chat/completions": said,
        "/v1/messages": said | {"max_tokens": 8},
        "/api/mcp/chat/completions": said,
    }
    for path, fields in {**elsewhere, "/api/v1/ai/generate": {"prompt": "Hello"}}.items():
        body = {"model": "gpt-4", **fields}
        assert (await ask_http(face.port, "POST", path, token=face.token, body=body)).status == 200, path
    await face.at_rest()
    assert await used(face.services.database, user) == (1, 1, 1)
    await use(face.services, user, DAILY - 1)
    assert (await chat(face.port, face.token)).status == 429
    assert (await face.complete(max_tokens=5)).status == 200
    assert (await face.get("/api/v1/ai/models")).status == 200  # asks no model
    assert await used(face.services.database, user) == (DAILY, DAILY, DAILY)


async def test_a_warning_is_seen_live_and_by_who_comes_later(face: Face) -> None:
    user = face.user.user_id
    await at_noon(face.services, user)
    watching = await Client.open(face.port)
    connected = await watching.request("connect", token=face.token)
    await use(face.services, user, 39)
    before = now()
    answers = await chat_at_once([face.port], face.token, 11)
    assert Counter(answer.status for answer, _ in answers) == {200: 11}
    events = [(await watching.event("quota.warning"))["event"]["data"] for _ in range(2)]
    for event, (count, percentage) in zip(events, ((40, 80), (45, 90)), strict=True):
        assert timestamp(before) <= event.pop("timestamp") <= timestamp(now())
        assert event == {
            "user_id": user,
            "quota_type": "daily",
            "used": count,
            "limit": 50,
            "percentage": percentage,
        }
    later = await Client.open(face.port)
    recovered = await later.request("connect", token=face.token, recover=connected["position"])
    assert recovered["recovered"] is True
    assert [(await later.event("quota.warning"))["event"]["data"]["used"] for _ in range(2)] == [40, 45]
    assert len(await warnings(face.services.database, user)) == 2


async def test_the_stream_by_websocket_counts_and_is_refused_with_the_time(face: Face) -> None:
    user = face.user.user_id
    await at_noon(face.services, user)
    await use(face.services, user, DAILY - 1)
    head = {"Authorization": f"Bearer {face.token}"}
    socket, other = await Client.open(face.port, "/v1/ai/stream", head), await Client.open(face.port, "/ws", head)
    await socket.request("connect")
    await other.request("connect")
    fields = {"model": "gpt-4", "messages": MESSAGES, "max_tokens": 5}
    for client in (other, socket):
        started = await client.request("chat.start", **fields)
        await client.answer_of(started["stream_id"])
    assert await used(face.services.database, user) == (DAILY, DAILY, DAILY)
    error = (await socket.request("chat.start", **fields))["error"]
    quota = (await (await face.get("/api/v1/ai/usage")).json())["data"]["quota"]
    assert (error["code"], error["temporary"]) == ("RATE_LIMIT_EXCEEDED", True)
    assert error["resets_at"] == quota["daily"]["resets_at"] and error["retry_after_seconds"] > 3_600
    assert "stream_id" in await other.request("chat.start", **fields)


async def test_another_tier_goes_on_from_what_is_used(face: Face) -> None:
    user = face.user.user_id
    await at_noon(face.services, user)
    await use(face.services, user, DAILY)
    assert (await chat(face.port, face.token)).status == 429
    await face.services.identities.change_user(user, {"tier": "basic"})
    assert (await chat(face.port, face.token)).status == 200
    await face.at_rest()
    quota = (await (await face.get("/api/v1/ai/usage")).json())["data"]["quota"]
    assert (quota["daily"]["used"], quota["daily"]["limit"]) == (51, 500)
    await face.services.identities.change_user(user, {"tier": "business"})
    quota = (await (await face.get("/api/v1/ai/usage")).json())["data"]["quota"]
    assert (quota["daily"]["used"], quota["daily"]["limit"]) == (51, None)


async def test_days_end_by_the_users_own_clock(face: Face) -> None:
    for zone, midnight in (("Asia/Tokyo", "15:00:00.000Z"), ("Asia/Kolkata", "18:30:00.000Z")):
        await face.services.identities.change_user(face.user.user_id, {"timezone": zone})
        quota = (await (await face.get("/api/v1/ai/usage")).json())["data"]["quota"]
        assert {quota[period]["resets_at"][11:] for period in quota} == {midnight}


# --- what counts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("scenario", "counted"),
    [
        (Scenario("error", status=500), 0),
        (Scenario("error", status=400), 1),  # the request itself is wrong
        (Scenario("error_chunk"), 1),  # after some of the answer
        (Scenario("empty"), 0),  # it ended without saying that it had
    ],
)
async def test_what_came_to_nothing_by_the_providers_fault_does_not_count(
    face: Face, scenario: Scenario, counted: int, stream: bool
) -> None:
    await at_noon(face.services, face.user.user_id)
    face.provider.default = scenario
    answer = await chat(face.port, face.token, stream=stream)
    await answer.text()
    await face.at_rest()
    assert face.provider.requests
    assert await used(face.services.database, face.user.user_id) == (counted,) * 3


async def test_who_ends_an_answer_before_it_began_has_asked_for_it(face: Face) -> None:
    face.provider.default = Scenario("hang_first")
    stream = (await face.services.chat.start(face.user, ask(api="ai_playground"))).stream
    await until(lambda: face.provider.requests)
    await face.services.chat.stop(face.user, stream.id)
    await face.at_rest()
    assert await used(face.services.database, face.user.user_id) == (1, 1, 1)


async def test_an_end_of_ours_before_the_answer_began_gives_the_request_back(face: Face) -> None:
    face.provider.default = Scenario("hang_first")
    await face.services.chat.start(face.user, ask(api="ai_playground"))
    await until(lambda: face.provider.requests)
    assert await used(face.services.database, face.user.user_id) == (1, 1, 1)
    await face.services.chat.drain(0)
    assert await used(face.services.database, face.user.user_id) == (0, 0, 0)


async def test_a_hold_that_nobody_settles_gives_the_request_back(face: Face) -> None:
    """As where whoever asked was cut off before they were told that it stands."""
    user, services = face.user.user_id, face.services
    quota = quota_of(services.plans, "free", "UTC")
    with pytest.raises(ZeroDivisionError):
        async with services.ledger.hold(place(user, 5, quota=quota)):
            assert await used(services.database, user) == (1, 1, 1)
            raise ZeroDivisionError
    assert await used(services.database, user) == (0, 0, 0)


async def test_answers_at_once_are_bounded_beside_the_quota(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "QUOTA_STREAMS_PER_USER_MAX", 2)
    face.provider.default = Scenario("hang_mid")
    answers = await asyncio.gather(*(chat(face.port, face.token, stream=True) for _ in range(5)))
    assert Counter(answer.status for answer in answers) == {200: 2, 429: 3}
    refused = next(answer for answer in answers if answer.status == 429)
    assert "At most 2 answers at once" in await refused.text() and refused.headers["retry-after"] == "1"
    assert await used(face.services.database, face.user.user_id) == (2, 2, 2)


async def test_a_repeated_request_counts_once_and_is_answered_when_nothing_is_left(face: Face) -> None:
    user = face.user.user_id
    await at_noon(face.services, user)
    key = {"Idempotency-Key": "once"}
    first = await (await chat(face.port, face.token, headers=key)).text()
    await face.at_rest()
    await use(face.services, user, DAILY - 1)
    again = await chat(face.port, face.token, headers=key)
    assert again.status == 200 and again.headers["idempotency-hit"] == "true"
    told = [json.loads(text)["data"]["choices"] for text in (first, await again.text())]
    assert told[0] == told[1]
    assert (await chat(face.port, face.token, headers={"Idempotency-Key": "another"})).status == 429
    assert await used(face.services.database, user) == (DAILY, DAILY, DAILY)
