"""Thumbs up and down: one vote for each answer, its user's alone, and totals that are always the sum of the messages'."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from config import assistant
from hub.errors import Code, HubError
from hub.services import Services
from models.conversations import MESSAGES
from models.database import Database
from models.model_days import MODEL_DAYS
from tests.integration.insight.people import Person
from tests.site import Site
from tests.ws_client import Client

pytestmark = pytest.mark.gen_test
HISTORY: Final = "/api/history/messages"


async def _votes(database: Database) -> tuple[int, int]:
    days = await database[MODEL_DAYS].find({"up": {"$exists": True}}, limit=100)
    return sum(day["up"] for day in days), sum(day["down"] for day in days)


async def _kept(database: Database) -> tuple[int, int]:
    return await database[MESSAGES].count({"rating": "up"}), await database[MESSAGES].count({"rating": "down"})


async def _rate(who: Person, message: str, rating: str | None, **options: Any) -> Any:
    return (await who.client.post(f"{HISTORY}/{message}/rating", {"rating": rating}, **options)).body


async def test_a_vote_is_kept_changed_and_withdrawn(site: Site) -> None:
    user, database = await Person.at(site), site.services.database
    answer = await user.answer("gpt-4")
    for rating, votes in (
        ("up", (1, 0)),
        ("up", (1, 0)),
        ("down", (0, 1)),
        (None, (0, 0)),
        (None, (0, 0)),
        ("up", (1, 0)),
    ):
        told = await _rate(user, answer["_id"], rating)
        assert told == {
            "message_id": answer["_id"],
            "stream_id": answer["stream"],
            "conversation_id": None,
            "rating": rating,
        }
        assert await _votes(database) == await _kept(database) == votes


async def test_a_vote_moves_the_models_satisfaction_and_one_alone_not_far(site: Site) -> None:
    user, rankings = await Person.at(site), site.services.insight.rankings
    for rating in (None, "down", "down"):
        await _rate(user, (await user.answer("gpt-4"))["_id"], rating)
    await _rate(user, (await user.answer("minimax"))["_id"], "up")
    stars = {model.model: model.stars for model in (await rankings.made()).models}
    assert stars == {"minimax": round(1 + 4 * 8.5 / 11, 2), "gpt-4": round(1 + 4 * 7.5 / 12, 2)}


@pytest.fixture
def two_nodes(serve: Callable[..., Site]) -> tuple[Site, Services]:
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="100000"), serve().services


async def test_votes_of_many_at_once_are_counted_exactly(two_nodes: tuple[Site, Services]) -> None:
    """From two nodes, on the same answers and on others of the same model and day."""
    site, two = two_nodes
    one, user = site.services, await Person.at(site)
    answers = [await user.answer("gpt-4") for _ in range(4)]
    ratings: list[Any] = ["up", "down", None, "up", "down"]
    await asyncio.gather(
        *(
            node.insight.ratings.rate_message(user.id, answer["_id"], rating)
            for rating in ratings
            for answer in answers
            for node in (one, two)
        )
    )
    assert await _votes(one.database) == await _kept(one.database)
    assert sum(await _votes(one.database)) <= len(answers)


async def test_a_socket_rates_by_message_or_stream_and_all_tabs_hear_of_it(site: Site) -> None:
    user = await Person.at(site)
    here, there = await Client.open(site.port), await Client.open(site.port)
    for socket in (here, there):
        await socket.request("connect", token=user.token)
    started = await here.request("chat.start", model="gpt-4", message="Hello", max_tokens=5)
    await here.answer_of(started["stream_id"])
    told = await here.request("chat.rate", stream_id=started["stream_id"], rating="down")
    assert told["rating"] == "down" and told["conversation_id"] == started["conversation_id"]
    assert (await there.event("chat.rated"))["event"]["data"] == told
    listed = await there.request("conversations.messages", conversation_id=started["conversation_id"])
    question, answer = listed["messages"]
    assert "rating" not in question and answer["rating"] == "down"
    await there.request("chat.rate", message_id=started["message_id"], rating=None)
    await here.event("chat.rated")  # its own
    assert (await here.event("chat.rated"))["event"]["data"]["rating"] is None
    for number, both in enumerate(({}, {"stream_id": started["stream_id"], "message_id": started["message_id"]}), 900):
        here.send_text(json.dumps({"id": number, "type": "chat.rate", "rating": "up", **both}))
        assert (await here.reply(number))["error"]["code"] == "VALIDATION_ERROR"
    for socket in (here, there):
        await socket.close()


async def test_votes_that_change_something_are_bounded_and_others_cost_nothing(limited_site: Site) -> None:
    user, services = await Person.at(limited_site), limited_site.services
    answer = await user.answer("gpt-4")
    ratings: list[Any] = ["up", None] * (assistant.RATINGS_PER_MINUTE // 2)
    for rating in ratings:
        await services.insight.ratings.rate_message(user.id, answer["_id"], rating)
    for _ in range(3):
        await services.insight.ratings.rate_message(user.id, answer["_id"], None)
    with pytest.raises(HubError) as refused:
        await services.insight.ratings.rate_message(user.id, answer["_id"], "up")
    assert refused.value.code is Code.RATE_LIMITED and refused.value.retry_after_seconds


async def test_only_ones_own_finished_answers_are_rated(site: Site) -> None:
    user, other, database = await Person.at(site), await Person.at(site), site.services.database
    answer = await user.answer("gpt-4")
    await _rate(other, answer["_id"], "up", status=404)
    conversation = {"_id": "msg_asked", "user": user.id, "role": "user", "content": "Hello", "status": "complete"}
    await database[MESSAGES].insert_one({**conversation, "conversation": "conv_1"})
    await _rate(user, "msg_asked", "up", status=404)
    await database[MESSAGES].update_one({"_id": answer["_id"]}, {"$set": {"status": "streaming"}})
    refused = await _rate(user, answer["_id"], "up", status=409)
    assert refused["error"]["message"] == "This answer is still being written"
    assert await _votes(database) == (0, 0)


async def test_an_answer_that_was_stopped_or_broke_off_is_rated_as_well(site: Site) -> None:
    user, database = await Person.at(site), site.services.database
    for status in ("stopped", "interrupted", "failed"):
        answer = await user.answer("gpt-4")
        await database[MESSAGES].update_one({"_id": answer["_id"]}, {"$set": {"status": status}})
        await _rate(user, answer["_id"], "down")
    assert await _votes(database) == (0, 3)
