"""Fifty who never read while everybody is told much: a hub pays little for them, not for long, and nobody else waits."""

import asyncio
import re
import time

import pytest

from config import limits
from hub.realtime import close_codes
from tests.api_client import ApiClient
from tests.conftest import StartHub
from tests.http_streams import ask
from tests.patience import until
from tests.running_hub import PASSWORD, RunningHub
from tests.ws_client import Client

DEAF = 50
USERS = 3  # who may have so many connections
ADMIN = {"HUB_ADMIN_EMAIL": "admin@example.org", "HUB_ADMIN_PASSWORD": PASSWORD}
TEXT = {"title": "Much", "message": "\U0001f30d" * limits.ANNOUNCEMENT_CHARS_MAX, "level": "info"}  # eight kilobytes
TELLING = 16  # requests under way
WARM_UP = 3  # announcements of each that only somebody who reads hears
MEMORY_BYTES_MAX = DEAF * 1_000_000
DROPPED_SECONDS_MAX = 3 * 3.0  # times are held to three times what is promised: the machine is not ours alone
HEALTHY_SECONDS_MAX = 3 * 0.1
PING_PAUSE_SECONDS = 0.11  # ten commands a second are allowed
LOOK_SECONDS = 0.02
CUT = re.compile(r"connection cut, too slow\s.*\bcode=(\d+)")
COLOURS = re.compile(r"\x1b\[[\d;]*m")


class Watch:
    """What the hub is and how it answers, from now on until it is ended."""

    def __init__(self, hub: RunningHub, healthy: Client) -> None:
        self._hub = hub
        self._healthy = healthy
        self.before = self.most = hub.memory_bytes()
        self.delays: list[float] = []
        self._over = False
        self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._ask())]

    async def _look(self) -> None:
        while not self._over:
            self.most = max(self.most, self._hub.memory_bytes())
            await asyncio.sleep(LOOK_SECONDS)

    async def _ask(self) -> None:
        while not self._over:
            asked = time.monotonic()
            await self._healthy.request("ping")
            self.delays.append(time.monotonic() - asked)
            self._healthy.pushes.clear()
            await asyncio.sleep(PING_PAUSE_SECONDS)

    async def end(self) -> None:
        self._over = True
        await asyncio.gather(*self._tasks)


async def _administrator(hub: RunningHub) -> ApiClient:
    login = {"email": ADMIN["HUB_ADMIN_EMAIL"], "password": ADMIN["HUB_ADMIN_PASSWORD"]}
    answer = await ApiClient(hub.port).post("/api/auth/login", login)
    return ApiClient(hub.port, token=answer.body["access_token"])


async def _tell(admin: ApiClient, times: int) -> None:
    for _ in range(times):
        await admin.post("/api/admin/announcements", TEXT, status=201)


def _codes(hub: RunningHub) -> list[int]:
    """Of those who were too slow, by its own words."""
    return [int(code) for code in CUT.findall(COLOURS.sub("", hub.output.read_text()))]


async def _connections(hub: RunningHub) -> float:
    figures = await (await ask(hub.port, "GET", "/metrics")).text()
    (line,) = [line for line in figures.splitlines() if line.startswith("hub_connections")]
    return float(line.split()[-1])


@pytest.mark.timeout(90)
def test_fifty_who_never_read_cost_a_hub_little_and_not_for_long(start_hub: StartHub) -> None:
    hub = start_hub(HUB_SANDBOX_TOKENS_PER_SECOND="50", **ADMIN)
    asyncio.run(_watched(hub))
    hub.kill()  # their answers still run: the end in order is another test's


async def _connect(hub: RunningHub, token: str, receive_buffer: int | None = None) -> Client:
    client = await Client.open(hub.port, receive_buffer=receive_buffer)
    assert (await client.request("connect", token=token))["type"] == "connected"
    return client


async def _watched(hub: RunningHub) -> None:
    try:
        await _scenario(hub)
    finally:
        Client.abort_all()


async def _scenario(hub: RunningHub) -> None:
    tokens = [await asyncio.to_thread(hub.register) for _ in range(USERS)]
    admin = await _administrator(hub)
    healthy = await _connect(hub, tokens[-1])
    await asyncio.gather(*(_tell(admin, WARM_UP) for _ in range(TELLING)))
    connecting = (_connect(hub, tokens[number % USERS], receive_buffer=4_096) for number in range(DEAF))
    deaf = await asyncio.gather(*connecting)
    question = {"model": "claude-3", "message": "Tell me something", "max_tokens": 400}
    await asyncio.gather(*(client.request("chat.start", **question) for client in deaf))
    assert await _connections(hub) == 1 + DEAF
    watch = Watch(hub, healthy)
    telling = [asyncio.create_task(_tell(admin, 1_000)) for _ in range(TELLING)]
    await until(lambda: len(_codes(hub)) == DEAF, DROPPED_SECONDS_MAX)
    await watch.end()
    assert not any(task.done() for task in telling), "they were cut while it went on"
    for task in telling:
        task.cancel()
    await asyncio.wait(telling)
    assert set(_codes(hub)) == {close_codes.TOO_SLOW}
    assert {await client.close_code() for client in deaf} == {None}, "a close frame cannot pass a full pipe"
    assert await _connections(hub) == 1
    assert watch.most - watch.before <= MEMORY_BYTES_MAX
    assert sorted(watch.delays)[int(0.99 * len(watch.delays))] <= HEALTHY_SECONDS_MAX
    await healthy.close()
