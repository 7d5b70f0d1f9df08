"""Section `ledger`: paid operations a second, committed in groups and one by one, on an embedded database of its own.

An operation is what the end of a completion writes: the wallet, a chained entry, an event and a message. Each waiting
caller has a wallet of its own, which is the best case for one transaction each: no two ever conflict.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench.one_by_one import OneByOne
from bench.report import Figure, ratios
from hub.ledger import Ledger
from hub.operations import Applied, Insert, Leg, NewEvent, Operation, Receipt
from hub.realtime.broker import MemoryBroker
from hub.tasks import Tasks
from models import shapes
from models.clock import now
from models.conversations import MESSAGES
from models.database import Database, Document
from models.embedded import EmbeddedMongod
from models.ids import new_id

CALLERS = (1, 32, 256)
REPETITIONS = 3
SECONDS = 1.0
WARM_UP_SECONDS = 0.4
TARGETS = {32: ">= 5", 256: ">= 8"}

Commit = Callable[[Operation], Awaitable[Applied]]


async def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as folder:
        mongod = EmbeddedMongod(Path(folder))
        database = Database(await mongod.start(), "bench")
        try:
            await database.open(shapes.ALL)
            return await _measure(database)
        finally:
            await database.close()
            await mongod.stop()


async def _measure(database: Database) -> list[Figure]:
    tasks, broker = Tasks(), MemoryBroker()
    await broker.open()
    ledger = Ledger(database, broker)
    ledger.open()
    ledger.start(tasks)
    users = [f"user_{number:04}" for number in range(max(CALLERS))]
    await asyncio.gather(*(ledger.commit(_welcome(user)) for user in users))
    figures: list[Figure] = []
    for callers in CALLERS:
        figures += await _compare(ledger.commit, OneByOne(database).commit, users[:callers])
    await ledger.close()
    await broker.close()
    await tasks.close(1.0)
    return figures


async def _compare(together: Commit, apart: Commit, users: Sequence[str]) -> list[Figure]:
    """Both in turn, so that whatever else the machine does meets both."""
    for commit in (together, apart):
        await _rate(commit, users, WARM_UP_SECONDS)
    rates: dict[Commit, list[float]] = {together: [], apart: []}
    for _ in range(REPETITIONS):
        for commit, measured in rates.items():
            measured.append(await _rate(commit, users, SECONDS))
    who, unit = f"{len(users)} waiting", "operations/s"
    return [
        Figure(f"group commit, {who}", unit, rates[together]),
        Figure(f"one transaction each, {who}", unit, rates[apart]),
        Figure(f"ratio, {who}", "times", ratios(rates[together], rates[apart]), TARGETS.get(len(users), "")),
    ]


async def _rate(commit: Commit, users: Sequence[str], seconds: float) -> float:
    """Operations a second with one caller a user, each asking again as soon as it has its answer."""
    started = time.monotonic()
    done = await asyncio.gather(*(_caller(commit, user, started + seconds) for user in users))
    return sum(done) / (time.monotonic() - started)


async def _caller(commit: Commit, user: str, until: float) -> int:
    done = 0
    while time.monotonic() < until:
        await commit(_operation(user))
        done += 1
    return done


def _welcome(user: str) -> Operation:
    leg = Leg(user, "credit", "bonus", 10**12, "Welcome credits")
    return Operation(id=f"signup:{user}", new_wallets=[user], legs=[leg])


def _operation(user: str) -> Operation:
    message = new_id("msg")
    leg = Leg(user, "credit", "usage", -1_000, "gpt-4", {"model": "gpt-4", "stream": new_id("stream")})

    def completed(receipt: Receipt | None) -> Document:
        usage = {"prompt_tokens": 9, "completion_tokens": 40}
        return {"message_id": message, "model": "gpt-4", "finish_reason": "stop", "usage": usage}

    return Operation(
        id=new_id("hold"),
        legs=[leg],
        events=[NewEvent(user, "chat.completed", completed)],
        inserts=[Insert(MESSAGES, _message(message, user))],
    )


def _message(message: str, user: str) -> Document:
    return {
        "_id": message,
        "user": user,
        "conversation": None,
        "role": "assistant",
        "content": " word" * 40,
        "lengths": [5] * 40,
        "status": "complete",
        "model": "gpt-4",
        "stream": new_id("stream"),
        "usage": {"prompt_tokens": 9, "completion_tokens": 40},
        "created_at": now(),
    }
