"""SIGKILL between a commit and its webhook, again and again: what was committed arrives, and nothing else does."""

import asyncio
import random

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

KILLS = length(2, 30)
CHANGES = 8  # asked for at once each time
KILL_SECONDS_MAX = 0.2  # after that
ARRIVAL_SECONDS_MAX = 60.0


@pytest.mark.faults
@pytest.mark.gen_test(timeout=600 if length(0, 1) else 100)
@pytest.mark.timeout(660)
async def test_a_killed_hub_delivers_all_that_it_committed(
    mongod_uri: str, start_hub: StartHub, receiver: WebhookReceiver
) -> None:
    hub = start_hub()
    user = ApiClient(hub.port, token=hub.register())
    hook = {"url": receiver.url("a"), "events": ["user.updated"]}
    await user.post("/v1/webhooks", hook, status=201, dialect="ai_aggregator")
    acknowledged = 0
    for number in range(KILLS):
        acknowledged += await _killed_in_the_middle(hub, user, number)
        await asyncio.to_thread(hub.start)
    database = Database(mongod_uri, hub.database)
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


async def _killed_in_the_middle(hub: RunningHub, user: ApiClient, number: int) -> int:
    """Kill a hub while it changes a profile; how many changes it had confirmed."""
    changes = [
        asyncio.create_task(user.raw("PUT", "/api/users/me", {"firstName": f"Grace{number}x{change}"}))
        for change in range(CHANGES)
    ]
    await asyncio.sleep(random.uniform(0, KILL_SECONDS_MAX))
    await asyncio.to_thread(hub.kill)
    ended = await asyncio.gather(*changes, return_exceptions=True)
    return sum(not isinstance(end, BaseException) and end.code == 200 for end in ended)
