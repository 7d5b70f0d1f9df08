"""A node is lost, and its clients come to another one all at once: none is refused, and nobody else has to wait for them."""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from hub.identity import LoginResult
from hub.services import Services
from hub.signup import Registration
from tests.api_client import ApiClient
from tests.conftest import OpenServices
from tests.factories import tell
from tests.length import length
from tests.running_hub import ROOT, RunningHub
from tests.ws_client import Client

CLIENTS = length(120, 2_000)
MISSED = 3  # events of each
BACK_SECONDS = 10.0
LAG_SECONDS = 0.25
PASSWORD = "Correct-Horse-9"
AT_ONCE = 40  # sign-ups: as many as may wait for the hash of their password
PING_PAUSE_SECONDS = 0.11  # ten commands a second are allowed
OTHERS = 4  # who sign in at the same time


@pytest.fixture
def lost(open_hub: OpenServices, redis_url: str) -> Services:
    """The node that all of them were on; it is never served."""
    return open_hub(HUB_REDIS_URL=redis_url, HUB_JWT_SECRET=secrets.token_urlsafe(48))


@pytest.fixture
def other(lost: Services, mongod_uri: str, redis_url: str, tmp_path: Path) -> Iterator[RunningHub]:
    """A process of its own, which knows nobody yet: what each client needs is still to be read."""
    environ = {
        "HUB_MONGODB_DATABASE": lost.database.name,
        "HUB_REDIS_URL": redis_url,
        "HUB_JWT_SECRET": lost.settings.jwt_secret,
    }
    hub = RunningHub(tmp_path / "other", mongod_uri, **environ)
    hub.start()
    yield hub
    hub.stop()


async def _sign_up(lost: Services, number: int) -> LoginResult:
    return await lost.identities.create(Registration(f"herd{number}@example.com", PASSWORD))


async def _herd(lost: Services) -> list[dict[str, Any]]:
    """Users with their position before the last events."""
    clients = []
    for at in range(0, CLIENTS, AT_ONCE):
        for login in await asyncio.gather(*(_sign_up(lost, number) for number in range(at, at + AT_ONCE))):
            wallet = await lost.ledger.wallet(login.user["_id"])
            clients.append({"token": login.access_token, "epoch": wallet.epoch, "offset": wallet.offset})
            await asyncio.gather(*(tell(lost, wallet.user, "missed", "text") for _ in range(MISSED)))
    return clients


async def _let_loose(port: int, clients: list[dict[str, Any]]) -> dict[str, Any]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.herd", cwd=ROOT, stdin=pipe, stdout=pipe
    )
    output, _ = await process.communicate(json.dumps({"port": port, "clients": clients}).encode())
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result


async def _lags(client: Client, until: "asyncio.Task[dict[str, Any]]") -> list[float]:
    """How long one who was there before waits for the answer to a ping."""
    lags = []
    while not until.done():
        asked = time.monotonic()
        await client.request("ping")
        lags.append(time.monotonic() - asked)
        await asyncio.sleep(PING_PAUSE_SECONDS)
    return lags


async def _log_in(port: int, until: "asyncio.Task[dict[str, Any]]", first: int) -> int:
    """Another signs in meanwhile, again and again; each must be let in."""
    api, number = ApiClient(port), first
    while not until.done():
        await api.post("/api/auth/login", {"email": f"herd{number}@example.com", "password": PASSWORD})
        number += OTHERS
        await asyncio.sleep(PING_PAUSE_SECONDS)
    return (number - first) // OTHERS


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_all_come_back_at_once_and_nobody_else_waits(io_loop: IOLoop, lost: Services, other: RunningHub) -> None:
    async def scenario() -> None:
        clients = await _herd(lost)
        before = await Client.open(other.port)
        await before.request("connect", token=(await _sign_up(lost, CLIENTS + AT_ONCE)).access_token)
        running = asyncio.create_task(_let_loose(other.port, clients))
        others = [_log_in(other.port, running, first) for first in range(OTHERS)]
        lags, *logins = await asyncio.gather(_lags(before, running), *others)
        back = await running
        before.abort()
        assert len(back["seconds"]) == len(clients) and back["events"] == MISSED * len(clients)
        assert back["refused"] == {}
        assert max(back["seconds"]) <= 3 * BACK_SECONDS
        assert sorted(lags)[int(0.95 * len(lags))] <= 3 * LAG_SECONDS, lags  # the slowest may have waited for us
        assert min(logins) >= 1

    io_loop.run_sync(scenario, 280)
