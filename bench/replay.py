"""Section `replay`: a hundred sockets that are cut again and again, and how soon each has what it missed.

Ten users with ten sockets each, to whom up to two hundred events a second happen. A socket is cut at random, stays away
for up to a second, and comes back with the offset of the last event that it saw. It is timed from sending `connect` with
`recover` until the last event that it missed is there. Any gap, any event twice and any `recovered: false` ends the run.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Any

import orjson

from bench.accounts import SETTLE_SECONDS, sign_up
from bench.hub_process import DATABASE, hub
from bench.load_ws import Socket, open_socket, sockets, upgrade
from bench.many_sockets import p99
from bench.report import Figure
from models.database import Database
from models.notifications import NOTIFICATIONS

USERS = 10
SOCKETS_EACH = 10
EVENTS_PER_SECOND = 200
CUTS = 30
AWAY_SECONDS_MAX = 1.0
THERE_SECONDS_MAX = 1.0
CAUSING_EACH = 4  # sockets of a user that cause events: each may send ten commands a second
RUN_SECONDS_MAX = 300.0
_COMMAND = orjson.dumps({"id": 3, "type": "notifications.read_all"})
_EVENT = b'"type":"event"'


class Resumer:
    """A socket that is cut; `offset` is that of the newest event it saw."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._epoch = ""
        self.first = self.offset = -1
        self.back_ms: list[float] = []
        self.missed: list[int] = []  # events, each time

    async def run(self) -> None:
        socket = await self._connect({})
        for _ in range(CUTS):
            await asyncio.sleep(random.uniform(0, THERE_SECONDS_MAX))
            socket.cut()
            await asyncio.sleep(random.uniform(0, AWAY_SECONDS_MAX))
            socket = await self._connect({"recover": {"epoch": self._epoch, "offset": self.offset}})
        socket.close()

    async def _connect(self, since: dict[str, Any]) -> Socket:
        socket = await open_socket(self._port, lambda: Socket(upgrade(self._port, token=self._token), self._heard))
        seen, sent_at = self.offset, time.perf_counter()
        reply = orjson.loads(await socket.ask(orjson.dumps({"id": 1, "type": "connect"} | since), b'"connected"'))
        position = reply["position"]
        if not since:
            self._epoch, self.first = position["epoch"], position["offset"]
            self.offset = max(self.offset, self.first)
            return socket
        if not reply["recovered"]:
            raise SystemExit(f"the hub could not recover {since}: {reply}")
        while self.offset < position["offset"]:
            await socket.until(_EVENT)
        self.back_ms.append((time.perf_counter() - sent_at) * 1e3)
        self.missed.append(position["offset"] - seen)
        return socket

    def _heard(self, payload: bytes) -> None:
        if _EVENT in payload:
            offset = orjson.loads(payload)["offset"]
            if self.offset not in (-1, offset - 1):
                raise SystemExit(f"event {offset} came after event {self.offset}")
            self.offset = offset


async def measure() -> list[Figure]:
    async with hub() as process:
        tokens = await sign_up(process, USERS)
        await asyncio.sleep(SETTLE_SECONDS)
        database = Database(process.mongodb_uri, DATABASE)
        resumers = [Resumer(process.port, token) for token in tokens for _ in range(SOCKETS_EACH)]
        try:
            async with asyncio.timeout(RUN_SECONDS_MAX), sockets(process.port, tokens * CAUSING_EACH) as causing:
                happening, started = asyncio.create_task(_happen(database, causing)), time.perf_counter()
                await asyncio.gather(*(resumer.run() for resumer in resumers))
                seconds = time.perf_counter() - started
                happening.cancel()
                await asyncio.wait([happening])
                if not happening.cancelled():
                    happening.result()  # it ended before: nothing happened from then on
        finally:
            await database.close()
    back_ms = sorted(took for resumer in resumers for took in resumer.back_ms)
    missed = [number for resumer in resumers for number in resumer.missed]
    groups = [resumers[start : start + SOCKETS_EACH] for start in range(0, len(resumers), SOCKETS_EACH)]
    events = sum(max(resumer.offset for resumer in group) - group[0].first for group in groups)
    return [
        Figure("events that happened", "a second", [events / seconds]),
        Figure("times that a socket came back", "", [len(back_ms)]),
        Figure("events that each had missed", "", missed),
        Figure("from `connect` until all missed is there, median", "ms", [back_ms[len(back_ms) // 2]]),
        Figure("from `connect` until all missed is there, p99", "ms", [p99(back_ms)], "<= 200"),
    ]


async def _happen(database: Database, causing: Sequence[Socket]) -> None:
    """An event of each user at every turn, for its one notification is marked as read once more; nobody waits for it."""
    turn, due = 0, time.perf_counter()
    while True:
        await database[NOTIFICATIONS].update_many({"read": True}, {"$set": {"read": False}})
        start = turn % CAUSING_EACH * USERS
        for socket in causing[start : start + USERS]:
            socket.say(_COMMAND)
        turn, due = turn + 1, due + USERS / EVENTS_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
