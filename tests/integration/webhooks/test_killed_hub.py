"""SIGKILL between a commit and its webhook, again and again: what was committed arrives, and nothing else does."""

import asyncio
import random
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from models.database import Database
from models.events import EVENTS
from tests.api_client import ApiClient
from tests.conftest import StartHub
from tests.hooks import payload
from tests.length import length
from tests.patience import until
from tests.running_hub import RunningHub
from tests.stand_ins.webhook_receiver import WebhookReceiver

HUBS = length(1, 5)  # on one database, all killed at the same moment
ROUNDS = length(2, 6)
CHANGES = 8  # asked of each hub at once
KILL_SECONDS_MAX = 0.2  # after that
ARRIVAL_SECONDS_MAX = 60.0


@pytest.fixture
def hubs(mongod_uri: str, start_hub: StartHub, tmp_path: Path) -> Iterator[list[RunningHub]]:
    """Without Redis each hears of the others by the database alone."""
    secret = secrets.token_urlsafe(48)
    first = start_hub(HUB_JWT_SECRET=secret)
    shared = {"HUB_JWT_SECRET": secret, "HUB_MONGODB_DATABASE": first.database}
    others = [RunningHub(tmp_path / f"other{number}", mongod_uri, **shared) for number in range(1, HUBS)]
    yield [first, *others]
    for other in others:
        other.stop()


@pytest.mark.faults
@pytest.mark.gen_test(timeout=300)
@pytest.mark.timeout(330)
async def test_killed_hubs_deliver_all_that_they_committed(
    mongod_uri: str, hubs: list[RunningHub], receiver: WebhookReceiver
) -> None:
    await asyncio.gather(*(asyncio.to_thread(hub.start) for hub in hubs[1:]))
    token = hubs[0].register()
    users = [ApiClient(hub.port, token=token) for hub in hubs]
    hook = {"url": receiver.url("a"), "events": ["user.updated"]}
    await users[0].post("/v1/webhooks", hook, status=201, dialect="ai_aggregator")
    acknowledged = 0
    for number in range(ROUNDS):
        acknowledged += await _killed_in_the_middle(hubs, users, number)
        await asyncio.gather(*(asyncio.to_thread(hub.start) for hub in hubs))
    database = Database(mongod_uri, hubs[0].database)
    try:
        committed = await database[EVENTS].count({"type": "user.updated"})
        await until(lambda: len(_ids(receiver)) >= committed, ARRIVAL_SECONDS_MAX)
        assert not await database[EVENTS].count({"pending": True})
    finally:
        await database.close()
    assert acknowledged <= committed == len(_ids(receiver))
    assert len({payload(one)["data"]["updatedAt"] for one in receiver.got["a"]}) <= committed


def _ids(receiver: WebhookReceiver) -> set[str]:
    return {received.headers["webhook-id"] for received in receiver.got["a"]}


async def _killed_in_the_middle(hubs: Sequence[RunningHub], users: Sequence[ApiClient], number: int) -> int:
    """Kill the hubs while they change a profile; how many changes they had confirmed."""
    changes = [
        asyncio.create_task(user.raw("PUT", "/api/users/me", {"firstName": f"Grace{number}x{change}"}))
        for user in users
        for change in range(CHANGES)
    ]
    await asyncio.sleep(random.uniform(0, KILL_SECONDS_MAX))
    for hub in hubs:
        hub.kill()
    ended = await asyncio.gather(*changes, return_exceptions=True)
    return sum(not isinstance(end, BaseException) and end.code == 200 for end in ended)
