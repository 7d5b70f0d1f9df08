"""A hub with its embedded database: either is killed, and the other goes on."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import limits
from models import mongod_process
from models.mongod_process import Files
from tests.http_streams import abort_all, ask
from tests.running_hub import RunningHub

V1 = "/v1/chat/completions"
BODY = {"model": "gpt-4", "messages": [{"role": "user", "content": "x"}], "max_tokens": 8}
HEAL_SECONDS_MAX = 20.0
SECOND_START_SECONDS_MAX = 3 * 5.0  # three times what is promised: the machine is not ours alone


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    running = RunningHub(tmp_path, HUB_SANDBOX_TOKENS_PER_SECOND="50")
    running.start()
    yield running
    running.kill()
    left = mongod_process.running(Files(tmp_path / "mongod"))
    if left is not None:
        os.kill(left.pid, signal.SIGKILL)


def mongod_pid(hub: RunningHub) -> int:
    running = mongod_process.running(Files(hub.data_dir / "mongod"))
    assert running is not None
    return running.pid


async def begin(hub: RunningHub, token: str, count: int) -> list[str]:
    """Start answers of one to three seconds that go on without us, and wait for their first words; their streams."""
    streams = []
    for number in range(count):
        body, head = {**BODY, "max_tokens": 40 + 30 * number, "stream": True}, {"X-Hub-On-Disconnect": "continue"}
        response = await ask(hub.port, "POST", V1, token=token, body=body, headers=head)
        await response.event()
        streams.append(response.headers["x-hub-stream-id"])
    await abort_all()
    return streams


async def status_of(hub: RunningHub, token: str, stream: str) -> str:
    answer = await (await ask(hub.port, "GET", f"/api/streams/{stream}", token=token)).json()
    return str(answer["data"]["status"])


async def heal(hub: RunningHub, token: str) -> set[int]:
    """Ask until an answer comes; the statuses met on the way."""
    met: set[int] = set()
    async with asyncio.timeout(HEAL_SECONDS_MAX):
        while True:
            response = await ask(hub.port, "POST", V1, token=token, body=BODY)
            if response.status == 200:
                await abort_all()
                return met
            met.add(response.status)
            await response.json()
            await asyncio.sleep(0.1)


@pytest.mark.timeout(120)
def test_a_killed_hub_finds_its_database_again_and_a_stopped_one_starts_in_time(hub: RunningHub) -> None:
    token = hub.register()
    database = mongod_pid(hub)
    streams = asyncio.run(begin(hub, token, 4))
    hub.kill()
    hub.start()
    assert mongod_pid(hub) == database
    assert {asyncio.run(status_of(hub, token, stream)) for stream in streams} == {"failed"}
    assert asyncio.run(heal(hub, token)) == set()
    audit = hub.command("audit")
    assert audit.returncode == 0, audit.stdout
    assert hub.stop() == 0
    assert mongod_process.running(Files(hub.data_dir / "mongod")) is None
    began = time.monotonic()
    hub.start()
    assert time.monotonic() - began < SECOND_START_SECONDS_MAX
    assert hub.stop() == 0


@pytest.mark.timeout(120)
def test_a_killed_database_comes_back_and_is_used_again(hub: RunningHub) -> None:
    token = hub.register()
    streams = asyncio.run(begin(hub, token, 4))
    os.kill(mongod_pid(hub), signal.SIGKILL)
    killed = time.monotonic()
    assert asyncio.run(heal(hub, token)) <= {503}
    in_time = time.monotonic() - killed < limits.DATABASE_DOWN_WAIT_SECONDS  # so long an answer waits for its database
    ends = set(asyncio.run(ended(hub, token, streams)))
    assert ends == {"completed"} if in_time else ends <= {"completed", "failed"}
    assert hub.stop() == 0
    audit = hub.command("audit")
    assert audit.returncode == 0, audit.stdout


async def ended(hub: RunningHub, token: str, streams: list[str]) -> list[str]:
    """Wait until all are settled; how they ended."""
    async with asyncio.timeout(HEAL_SECONDS_MAX):
        while "streaming" in (statuses := [await status_of(hub, token, stream) for stream in streams]):
            await asyncio.sleep(0.1)
    return statuses
