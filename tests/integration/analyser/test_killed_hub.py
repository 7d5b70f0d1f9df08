"""SIGKILL while documents are being analysed: they are analysed all the same, by the next process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import pytest

from models.clock import now
from models.database import Database
from tests.api_client import ApiClient
from tests.conftest import StartHub
from tests.integration.analyser.analyst import ANALYSES, ANALYZE, FORM, described, upload
from tests.patience import until
from tests.running_hub import RunningHub

_PATHS: Final = 2_000  # which take a child longer than it takes to see that it has begun


@pytest.fixture
def hub(start_hub: StartHub) -> RunningHub:
    return start_hub(HUB_RATE_LIMITS="off")


@pytest.mark.gen_test(timeout=100)
async def test_what_a_killed_hub_was_at_is_taken_up(mongod_uri: str, hub: RunningHub) -> None:
    client = ApiClient(hub.port, "ai_assistant", token=await asyncio.to_thread(hub.register))
    form = upload(described(_PATHS, "List users " * 20))
    made = [(await client.post(ANALYZE, form, headers=FORM)).body["analysis_id"] for _ in range(2)]
    await _begun(mongod_uri, hub.database)
    await asyncio.to_thread(hub.kill)
    await _lapsed(mongod_uri, hub.database)
    await asyncio.to_thread(hub.start)
    for analysis_id in made:
        found = await _ended(client, analysis_id)
        assert (found["status"], len(found["results"]["endpoints"])) == ("completed", _PATHS)
    book = await client.raw("POST", "/api/doc-analyzer/export/xlsx", {"analysis_id": made[0]})
    assert book.code == 200 and book.body.startswith(b"PK")
    assert not list((hub.data_dir / "children").iterdir())


async def _begun(mongod_uri: str, name: str) -> None:
    async with _opened(mongod_uri, name) as database:

        async def is_claimed() -> bool:
            return await database["analyses"].count({"attempts": 1, "status": "processing"}) > 0

        await until(is_claimed)


async def _lapsed(mongod_uri: str, name: str) -> None:
    """A minute later."""
    async with _opened(mongod_uri, name) as database:
        past = now() - timedelta(seconds=1)
        assert await database["analyses"].update_many({"status": "processing"}, {"$set": {"due_at": past}})


@asynccontextmanager
async def _opened(mongod_uri: str, name: str) -> AsyncIterator[Database]:
    database = Database(mongod_uri, name)
    try:
        yield database
    finally:
        await database.close()


async def _ended(client: ApiClient, analysis_id: str) -> Any:
    found: dict[str, Any] = {}

    async def has_ended() -> bool:
        found.update((await client.get(f"{ANALYSES}/{analysis_id}")).body)
        return bool(found["status"] != "processing")

    await until(has_ended, 60)
    return found
