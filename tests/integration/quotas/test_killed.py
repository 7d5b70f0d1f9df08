"""SIGKILL while requests are counted: afterwards exactly those count that were answered in part, and no other is lost."""

import asyncio
from collections import Counter

import pytest

from models import wallets
from models.conversations import MESSAGES
from models.database import Database, Document
from models.usage import USAGE
from tests.conftest import StartHub
from tests.http_streams import Response, abort_all, ask
from tests.integration.quotas.parts import DAILY, chat, chat_at_once, noon_zone, used
from tests.ledger_parts import differences
from tests.patience import until
from tests.running_hub import RunningHub

HALF = 6


async def the_wallet(database: Database) -> Document:
    (wallet,) = [wallet async for wallet in wallets.scan_wallets(database)]
    return wallet


async def register(hub: RunningHub) -> str:
    """A new user's access token; their day does not end while the test runs."""
    token = await asyncio.to_thread(hub.register)
    body = {"timezone": noon_zone()}
    assert (await ask(hub.port, "PUT", "/api/users/me", token=token, body=body)).status == 200
    return token


async def begun(hub: RunningHub, token: str, count: int) -> list[Response]:
    """So many answers that stream, the first of each read."""
    asked = [chat(hub.port, token, model="claude-3", stream=True, max_tokens=400) for _ in range(count)]
    answers = await asyncio.gather(*asked)
    assert [answer.status for answer in answers] == [200] * count
    await asyncio.gather(*(answer.event() for answer in answers))
    return answers


async def checkpointed(database: Database) -> int:
    """How many answers are stored in part."""
    query = {"role": "assistant", "status": "streaming", "usage.completion_tokens": {"$gt": 0}}
    return await database[MESSAGES].count(query)


@pytest.mark.timeout(120)
def test_a_killed_hub_counts_what_it_delivered(start_hub: StartHub, mongod_uri: str) -> None:
    hub = start_hub(HUB_SANDBOX_TOKENS_PER_SECOND="50")
    asyncio.run(_killed_while_streaming(hub, mongod_uri))
    hub.kill()


async def _killed_while_streaming(hub: RunningHub, mongod_uri: str) -> None:
    token = await register(hub)
    database = Database(mongod_uri, hub.database)
    try:
        await begun(hub, token, HALF)

        async def are_stored() -> bool:
            return await checkpointed(database) == HALF

        await until(are_stored)  # a checkpoint comes every two seconds
        await begun(hub, token, HALF)
        hub.kill()
        user, stored = (await the_wallet(database))["_id"], await checkpointed(database)
        assert await used(database, user) == (2 * HALF,) * 3
        assert HALF <= stored < 2 * HALF, "some died before their first checkpoint"
        await asyncio.to_thread(hub.start)
        assert await wallets.holds_open(database) == 0
        assert await used(database, user) == (stored,) * 3
        assert await database[USAGE].count({"api": "ai_playground"}) == stored
        await _assert_the_rest_is_served(hub, database, token, DAILY - stored)
    finally:
        await database.close()
        await abort_all()


async def _assert_the_rest_is_served(hub: RunningHub, database: Database, token: str, left: int) -> None:
    """What is left of the day is served, and not one more."""
    answers = await chat_at_once([hub.port], token, DAILY + 10, model="claude-3", max_tokens=1)
    assert Counter(answer.status for answer, _ in answers) == {200: left, 429: DAILY + 10 - left}
    assert await used(database, (await the_wallet(database))["_id"]) == (DAILY,) * 3
    assert await differences(database) == []


@pytest.mark.timeout(120)
def test_a_hub_killed_in_a_crowd_leaves_no_request_counted_for_nothing(start_hub: StartHub, mongod_uri: str) -> None:
    hub = start_hub(HUB_SANDBOX_TOKENS_PER_SECOND="400")
    asyncio.run(_killed_in_a_crowd(hub, mongod_uri))
    hub.kill()


async def _killed_in_a_crowd(hub: RunningHub, mongod_uri: str) -> None:
    token = await register(hub)
    database = Database(mongod_uri, hub.database)
    try:
        user = (await the_wallet(database))["_id"]
        crowd = asyncio.create_task(chat_at_once([hub.port], token, 45, model="claude-3", max_tokens=50))

        async def some_have_been_counted() -> bool:
            return (await used(database, user))[0] > 0

        await until(some_have_been_counted)
        hub.kill()
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await crowd
        await asyncio.to_thread(hub.start)
        answered = await database[USAGE].count({"api": "ai_playground"})
        assert await wallets.holds_open(database) == 0
        assert await used(database, user) == (answered,) * 3
        await _assert_the_rest_is_served(hub, database, token, DAILY - answered)
    finally:
        await database.close()
        await abort_all()
