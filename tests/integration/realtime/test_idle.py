"""Sockets that are there and do nothing: they stay, and cost a hub little memory and hardly any time."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from config import limits
from hub.services import Services
from hub.signup import Registration
from tests.conftest import OpenServices
from tests.length import length
from tests.running_hub import ROOT, RunningHub

SOCKETS = length(500, 2_000)
FIRST = 100  # opened beforehand: what a hub has once, and for as many at once as these come, is in nobody's figure
SECONDS = length(5, 60)
LAST_SECONDS = length(3, limits.PING_INTERVAL_SECONDS)  # of them: at full length each socket is pinged in these too
MEMORY_KIB = 25.0
CPU_SHARE = 0.1
OPEN_SECONDS_MAX = 120.0
AT_ONCE = 40  # sign-ups: as many as may wait for the hash of their password
# The kernel counts whole pages, the allocator takes a megabyte at a time, and what was needed for a moment as sockets came
# stays the process's: of ten thousand sockets that is nothing, of five hundred each megabyte is 2 KiB of every one.
MEMORY_TOLERANCE = 1.3


@pytest.fixture
def register(open_hub: OpenServices) -> Services:
    """A node that is never served: it makes the users."""
    return open_hub(HUB_JWT_SECRET=secrets.token_urlsafe(48))


@pytest.fixture
def running(register: Services, mongod_uri: str, tmp_path: Path) -> Iterator[RunningHub]:
    environ = {"HUB_MONGODB_DATABASE": register.database.name, "HUB_JWT_SECRET": register.settings.jwt_secret}
    hub = RunningHub(tmp_path / "running", mongod_uri, **environ)
    hub.start()
    yield hub
    hub.stop()


async def _tokens(register: Services, count: int) -> list[str]:
    async def token(number: int) -> str:
        registration = Registration(f"idle{number}@example.com", "Correct-Horse-9")
        return (await register.identities.create(registration)).access_token

    made: list[str] = []
    for at in range(0, count, AT_ONCE):
        made += await asyncio.gather(*(token(number) for number in range(at, min(at + AT_ONCE, count))))
    return made


class Crowd:
    """The process that holds the sockets."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def open(self, count: int) -> int:
        """So many more; how many there are."""
        self.say(str(count))
        async with asyncio.timeout(OPEN_SECONDS_MAX):
            return int(await self._heard())

    async def end(self) -> dict[str, Any]:
        """What became of them."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        seen: dict[str, Any] = json.loads(await self._heard())
        assert await self._process.wait() == 0
        return seen

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def _heard(self) -> bytes:
        assert self._process.stdout is not None
        return await self._process.stdout.readline()


@contextlib.asynccontextmanager
async def _crowd(port: int, tokens: list[str]) -> AsyncIterator[Crowd]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.idle", cwd=ROOT, stdin=pipe, stdout=pipe
    )
    crowd = Crowd(process)
    try:
        crowd.say(json.dumps({"port": port, "tokens": tokens}))
        yield crowd
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _cpu_seconds(pid: int) -> float:
    """What the process has used so far; its twelfth and thirteenth words after its name (proc_pid_stat(5))."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.faults
@pytest.mark.timeout(400)
def test_idle_sockets_stay_and_cost_little(io_loop: IOLoop, register: Services, running: RunningHub) -> None:
    async def scenario() -> None:
        tokens = await _tokens(register, FIRST + SOCKETS)
        async with _crowd(running.port, tokens) as crowd:
            assert await crowd.open(FIRST) == FIRST
            before = running.memory_bytes()
            assert await crowd.open(SOCKETS) == len(tokens)
            kib = (running.memory_bytes() - before) / SOCKETS / 1_024
            await asyncio.sleep(SECONDS - LAST_SECONDS)
            used, began = _cpu_seconds(running.pid), time.monotonic()
            await asyncio.sleep(LAST_SECONDS)
            share = (_cpu_seconds(running.pid) - used) / (time.monotonic() - began)
            seen = await crowd.end()
            sys.stdout.write(f"{kib:.1f} KiB a socket, {100 * share:.1f} % of a core, {seen}\n")
            assert seen["alive"] == len(tokens)
            assert seen["pings"] >= len(tokens) * (SECONDS // limits.PING_INTERVAL_SECONDS)
            assert kib <= MEMORY_TOLERANCE * MEMORY_KIB
            assert share <= 3 * CPU_SHARE

    io_loop.run_sync(scenario, 380)
