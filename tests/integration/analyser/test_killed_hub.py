"""SIGKILL while a document is being fetched: the analysis is made all the same, by the next process."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from models.clock import now
from models.database import Database
from tests.api_client import ApiClient
from tests.conftest import StartHub
from tests.integration.analyser.analyst import ANALYSES, ANALYZE, FORM, described, upload
from tests.patience import until
from tests.running_hub import RunningHub
from tests.stand_ins import document_server as servers
from tests.stand_ins.document_server import DocumentServer


@pytest.fixture
def hub(start_hub: StartHub, documents: DocumentServer) -> RunningHub:
    return start_hub(HUB_OUTBOUND_ALLOW=f"127.0.0.1:{documents.port}", HUB_RATE_LIMITS="off")


@pytest.mark.gen_test(timeout=100)
async def test_what_a_killed_hub_was_at_is_taken_up(
    mongod_uri: str, hub: RunningHub, documents: DocumentServer
) -> None:
    client = ApiClient(hub.port, "ai_assistant", token=await asyncio.to_thread(hub.register))
    url = documents.give("/doc", servers.silent)
    made = [
        (await client.post(ANALYZE, {"source_type": "url", "source_url": url})).body["analysis_id"],
        (await client.post(ANALYZE, upload(described()), headers=FORM)).body["analysis_id"],
    ]
    await until(lambda: len(documents.asked) == 1)
    await asyncio.to_thread(hub.kill)
    documents.give("/doc", servers.document(described()))
    await _lapsed(mongod_uri, hub.database)
    await asyncio.to_thread(hub.start)
    for analysis_id in made:
        found = await _ended(client, analysis_id)
        assert (found["status"], len(found["results"]["endpoints"])) == ("completed", 2)
    book = await client.raw("POST", "/api/doc-analyzer/export/xlsx", {"analysis_id": made[0]})
    assert book.code == 200 and book.body.startswith(b"PK")
    assert not list((hub.data_dir / "children").iterdir())


async def _lapsed(mongod_uri: str, name: str) -> None:
    """A minute later."""
    database = Database(mongod_uri, name)
    try:
        past = now() - timedelta(seconds=1)
        await database["analyses"].update_many({"status": "processing"}, {"$set": {"due_at": past}})
    finally:
        await database.close()


async def _ended(client: ApiClient, analysis_id: str) -> Any:
    found: dict[str, Any] = {}

    async def has_ended() -> bool:
        found.update((await client.get(f"{ANALYSES}/{analysis_id}")).body)
        return bool(found["status"] != "processing")

    await until(has_ended, 60)
    return found
