"""SIGKILL of one of two nodes in the middle of answers: the other settles them, and says the truth to whoever asks there."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import limits
from config.catalogue import load_catalogue
from hub.prices import charge_micro
from models import wallets
from models.conversations import message_of_stream
from models.database import Database
from tests.conftest import Databases
from tests.http_streams import abort_all, ask
from tests.patience import within
from tests.redis_server import RedisServer
from tests.running_hub import RunningHub
from tests.ws_client import Client

MODEL = "claude-3"
STREAMS = 6
CREDITS_MICRO = 10_000_000
WITH_A_CHECKPOINT = 120  # deltas: at 50 a second, more than two seconds of them


@pytest.fixture
def pair(tmp_path: Path, mongod_uri: str, databases: Databases) -> Iterator[tuple[RunningHub, RunningHub]]:
    redis, name = RedisServer(), databases.take()
    redis.start()
    environ = {
        "HUB_MONGODB_DATABASE": name,
        "HUB_REDIS_URL": redis.url,
        "HUB_JWT_SECRET": secrets.token_urlsafe(48),
        "HUB_SANDBOX_TOKENS_PER_SECOND": "50",
    }
    hubs = tuple(RunningHub(tmp_path / f"node{number}", mongod_uri, **environ) for number in range(2))
    for hub in hubs:
        hub.start()
    yield hubs[0], hubs[1]
    for hub in hubs:
        hub.stop()
    redis.kill()
    databases.give_back(name)


@pytest.mark.timeout(120)
def test_a_killed_nodes_answers_end_on_the_other(pair: tuple[RunningHub, RunningHub], mongod_uri: str) -> None:
    asyncio.run(_scenario(*pair, mongod_uri))
    audit = pair[1].command("audit")
    assert audit.returncode == 0, audit.stdout


async def _connected(hub: RunningHub, token: str) -> Client:
    client = await Client.open(hub.port)
    assert (await client.request("connect", token=token))["type"] == "connected"
    return client


async def _scenario(doomed: RunningHub, other: RunningHub, mongod_uri: str) -> None:
    token = await asyncio.to_thread(doomed.register)
    here, there = await _connected(doomed, token), await _connected(other, token)
    streams = []
    for number in range(STREAMS):
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"Question {number}"}]}
        streams.append(await here.request("chat.start", **body))
    for stream in streams:
        cursor = {"stream_id": stream["stream_id"], "epoch": stream["epoch"], "after": 0}
        assert (await there.request("chat.resume", **cursor))["recovered"]
    last = streams[-1]["stream_id"]
    while (await there.push("chat.delta", stream_id=last))["offset"] < WITH_A_CHECKPOINT:
        pass
    doomed.kill()
    database = Database(mongod_uri, doomed.database)
    try:
        async with within(limits.SWEEP_SECONDS + limits.REMOTE_CHECK_SECONDS):
            ends = [await there.push("chat.failed", stream_id=stream["stream_id"]) for stream in streams]
        assert await wallets.holds_open(database) == 0
        for end in ends:
            await _assert_true(database, other, token, end)
        (wallet,) = [wallet async for wallet in wallets.scan_wallets(database)]
        charged = round(sum(end["receipt"]["charged"] for end in ends) * 1_000_000)
        assert (wallet["credits"], wallet["credits_held"]) == (CREDITS_MICRO - charged, 0)
    finally:
        await database.close()
        await abort_all()


async def _assert_true(database: Database, other: RunningHub, token: str, end: dict[str, Any]) -> None:
    """What the end says is what is stored, what is paid, and what any other transport tells."""
    stream_id = str(end["stream_id"])
    message = await message_of_stream(database, stream_id)
    assert message is not None and message["status"] == "interrupted"
    assert end["offset"] == len(message["lengths"]) > 0
    assert end["error"]["temporary"]
    usage, receipt = message["usage"], message["receipt"]
    cost = charge_micro(load_catalogue()[MODEL], usage["prompt_tokens"], usage["completion_tokens"])
    assert receipt["charged"] == cost == round(end["receipt"]["charged"] * 1_000_000)
    answer = await (await ask(other.port, "GET", f"/api/streams/{stream_id}", token=token)).json()
    assert (answer["data"]["content"], answer["data"]["receipt"]) == (message["content"], end["receipt"])
