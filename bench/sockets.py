"""Section `sockets`: a thousand idle sockets of a thousand users: memory, CPU at rest, and the CPU of a push.

A push is caused by its user marking a notification as read: one operation of the ledger, whose event and balance go to
all of the user's sockets. Fifty users do so at a time, first with one socket each and then with twenty, so that what a
frame costs can be told from what its operation costs.
"""

import asyncio

import orjson

from bench.accounts import SETTLE_SECONDS, sign_up
from bench.hub_process import DATABASE, HubProcess, hub
from bench.load_ws import Socket, sockets
from bench.report import Figure
from models.database import Database
from models.notifications import NOTIFICATIONS

USERS = 1_000
ACTIVE = 50
SOCKETS_EACH = 20
REPETITIONS = 3
ROUNDS = 20
IDLE_SECONDS = 2.5
WARM_UP_SOCKETS = 20
PUSHES = 2  # frames that one operation sends to each socket of its user: the event and the balance

_COMMAND = orjson.dumps({"id": 3, "type": "notifications.read_all"})


async def measure() -> list[Figure]:
    async with hub() as process:
        tokens = await sign_up(process, USERS)
        database = Database(process.mongodb_uri, DATABASE)
        async with sockets(process.port, tokens[:WARM_UP_SOCKETS]):
            await asyncio.sleep(SETTLE_SECONDS)
        try:
            return await _measure(process, database, tokens)
        finally:
            await database.close()


async def _measure(process: HubProcess, database: Database, tokens: list[str]) -> list[Figure]:
    before = process.resident_kib()
    async with sockets(process.port, tokens) as opened:
        kib = (process.resident_kib() - before) / USERS
        idle = [await _idle_percent(process) for _ in range(REPETITIONS)]
        active = opened[:ACTIVE]
        single = await _operations(process, database, active, active)
        async with sockets(process.port, tokens[:ACTIVE] * (SOCKETS_EACH - 1)) as more:
            shared = await _operations(process, database, active, [*active, *more])
    pairs = zip(single, shared, strict=True)
    more_frames = PUSHES * (SOCKETS_EACH - 1)
    return [
        Figure("memory of a socket with its user", "KiB", [kib]),
        Figure(f"CPU at rest with {USERS:,} sockets", "% of a core", idle),
        Figure("a pushed frame with its operation, one socket a user", "us", [cost / PUSHES for cost in single]),
        Figure(
            f"a pushed frame with its operation, {SOCKETS_EACH} sockets a user",
            "us",
            [cost / (PUSHES * SOCKETS_EACH) for cost in shared],
        ),
        Figure("a frame more of the same push", "us", [(many - one) / more_frames for one, many in pairs]),
    ]


async def _idle_percent(process: HubProcess) -> float:
    before = process.used()
    await asyncio.sleep(IDLE_SECONDS)
    return process.since(before).hub / IDLE_SECONDS * 100


async def _operations(
    process: HubProcess, database: Database, active: list[Socket], listening: list[Socket]
) -> list[float]:
    """The hub's CPU for one operation with all of its pushes, in microseconds, a value a repetition."""
    await _round(database, active, listening)
    costs: list[float] = []
    for _ in range(REPETITIONS):
        before = process.used()
        for _ in range(ROUNDS):
            await _round(database, active, listening)
        costs.append(process.since(before).hub / (ROUNDS * len(active)) * 1e6)
    return costs


async def _round(database: Database, active: list[Socket], listening: list[Socket]) -> None:
    """One operation of each active user; done when every socket of theirs has its pushes and each user the reply."""
    await database[NOTIFICATIONS].update_many({"read": True}, {"$set": {"read": False}})
    frames = sum(socket.frames for socket in listening) + PUSHES * len(listening) + len(active)
    await asyncio.gather(*(socket.ask(_COMMAND, b'"type":"ok"') for socket in active))
    async with asyncio.timeout(10):
        while sum(socket.frames for socket in listening) < frames:
            await asyncio.sleep(0.002)
