"""Section `webhooks`: ten thousand events to ten endpoints, one of which is dead and one slow, and what a delivery
costs.

Users change their profiles, at a steady pace; ten webhooks of the administrator hear of each. The same changes are made
first while nobody hears of them, so that the CPU of a delivery is what comes on top: queued, signed, sent, and noted in
the log. A delivery is timed from its event's own time to its arrival. The eight good endpoints must get every event,
all in one order, which is what ends the run otherwise; receivers are this process.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from bench.accounts import SETTLE_SECONDS, sign_up
from bench.hub_process import Cost, HubProcess, hub
from bench.load_http import HttpConnection, ask, connections, request
from bench.many_sockets import p99
from bench.processes import free_port
from bench.report import Figure

EVENTS = 10_000
EVENTS_ALONE = 3_000  # while nobody hears of them
EVENTS_PER_SECOND = 50
USERS = 100
GOOD = 8
SLOW_SECONDS = 0.5
LATE_SECONDS_MAX = 60.0  # after the last event, for the last delivery
_TAKEN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Endpoint:
    """What came there: the ids in their order, and how long each took."""

    pause_seconds: float = 0.0
    ids: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                self._take(head, await reader.readexactly(length))
                await asyncio.sleep(self.pause_seconds)
                writer.write(_TAKEN)

    def _take(self, head: bytes, body: bytes) -> None:
        happened = datetime.fromisoformat(orjson.loads(body)["timestamp"]).timestamp()
        self.seconds.append(time.time() - happened)
        self.ids.append(head.partition(b"webhook-id:")[2].split(b"\r\n", 1)[0].strip().decode())


async def measure() -> list[Figure]:
    good, slow = [Endpoint() for _ in range(GOOD)], Endpoint(SLOW_SECONDS)
    async with contextlib.AsyncExitStack() as stack:
        process = await stack.enter_async_context(hub())
        tokens = await sign_up(process, USERS)
        (admin,) = await sign_up(process, 1, "admin")
        urls = [await stack.enter_async_context(_served(endpoint)) for endpoint in (*good, slow)]
        await asyncio.sleep(SETTLE_SECONDS)
        opened = await stack.enter_async_context(connections(process.port, USERS))
        requests = [_change(process.port, token) for token in tokens]
        alone = await _changes(process, opened, requests, EVENTS_ALONE)
        for url in (*urls, f"http://127.0.0.1:{free_port()}/"):
            await _subscribe(opened[0], process.port, admin, url)
        before = process.used()
        await _changes(process, opened, requests, EVENTS)
        await _all_there(good)
        cost = process.since(before)
    _check(good)
    return _figures(good, slow, alone, cost)


@contextlib.asynccontextmanager
async def _served(endpoint: Endpoint) -> AsyncIterator[str]:
    server = await asyncio.start_server(endpoint.serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def _changes(
    process: HubProcess, opened: Sequence[HttpConnection], requests: Sequence[bytes], count: int
) -> Cost:
    """Let so many profiles be changed at the pace; what that cost."""
    before, began = process.used(), time.monotonic()
    turns = itertools.cycle(zip(opened, requests, strict=True))
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / EVENTS_PER_SECOND - time.monotonic()))
        connection, asked = next(turns)
        await ask(connection, asked, 200)
    return process.since(before)


def _change(port: int, token: str) -> bytes:
    return request(port, token, "PUT", "/api/users/me", {"firstName": "Grace"})


async def _subscribe(connection: HttpConnection, port: int, admin: str, url: str) -> None:
    wanted = {"url": url, "events": ["user.updated"]}
    await ask(connection, request(port, admin, "POST", "/api/admin/webhooks", wanted), 201)


async def _all_there(good: Sequence[Endpoint]) -> None:
    async with asyncio.timeout(LATE_SECONDS_MAX):
        while any(len(endpoint.ids) < EVENTS for endpoint in good):
            await asyncio.sleep(0.1)


def _check(good: Sequence[Endpoint]) -> None:
    """Once each, and everywhere in the same order: that of the endpoints' queues."""
    for endpoint in good:
        if len(set(endpoint.ids)) != EVENTS or endpoint.ids != good[0].ids:
            raise SystemExit(
                f"{len(set(endpoint.ids))} of {EVENTS} events came, {len(endpoint.ids)} in all, or not in order"
            )


def _figures(good: Sequence[Endpoint], slow: Endpoint, alone: Cost, cost: Cost) -> list[Figure]:
    deliveries = GOOD * EVENTS + len(slow.ids)
    hub_ms = (cost.hub - alone.hub / EVENTS_ALONE * EVENTS) / deliveries * 1e3
    servers_ms = (cost.servers - alone.servers / EVENTS_ALONE * EVENTS) / deliveries * 1e3
    return [
        Figure(f"from the event to a good endpoint, p99 of {EVENTS}", "s", [p99(one.seconds) for one in good], "<= 2"),
        Figure("the longest", "s", [max(one.seconds) for one in good]),
        Figure("a delivery: the hub", "ms", [hub_ms]),
        Figure("a delivery: mongod", "ms", [servers_ms]),
        Figure("a change of a profile that nobody hears of: the hub", "ms", [alone.hub / EVENTS_ALONE * 1e3]),
        Figure("deliveries to the slow endpoint meanwhile", "", [len(slow.ids)]),
    ]
