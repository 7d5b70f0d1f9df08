"""What the tests of the ledger share: one process's ledger, fail points that must fire, a proxy that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from hub.audit import Difference, audit
from hub.batch import HoldGone
from hub.committer import Committed
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Leg, NewEvent, Operation, PlaceHold
from hub.realtime.broker import MemoryBroker, Publication, user_channel
from hub.tasks import Tasks
from models import wallets
from models.clock import now
from models.database import Database, Document, admin
from models.ids import new_id


@dataclass
class Process:
    """One process's part of the hub that moves money."""

    database: Database
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    tasks: Tasks = field(default_factory=Tasks)
    batches: list[int] = field(default_factory=list)
    on_commit: Callable[[Committed], None] | None = None

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.database, self.broker, self.on_commit or self._count)

    def _count(self, committed: Committed) -> None:
        self.batches.append(committed.operations)

    def start(self) -> None:
        self.ledger.open()
        self.ledger.start(self.tasks)

    def follow(self, user: str) -> list[Publication]:
        """Where everything that is published for a user will be found."""
        heard: list[Publication] = []
        self.broker.subscribe(user_channel(user), lambda _, publication: heard.append(publication))
        return heard

    async def stop(self) -> None:
        await self.ledger.close()
        await self.tasks.close(1)
        assert self.tasks.failures == 0


@asynccontextmanager
async def running(database: Database, on_commit: Callable[[int], None] | None = None) -> AsyncIterator[Process]:
    process = Process(database, on_commit=on_commit)
    process.start()
    yield process
    await process.stop()


@asynccontextmanager
async def another_database(uri: str, name: str) -> AsyncIterator[Database]:
    """What another process has: a client of its own on the same database."""
    database = Database(uri, name)
    await database.open(())
    yield database
    await database.close()


@asynccontextmanager
async def fail_point(
    uri: str, mode: Any, commands: Sequence[str], *, at_least: int = 1, **data: Any
) -> AsyncIterator[list[int]]:
    """Make the hub's commands fail; after the block the list holds how often, which is `at_least` that many times."""
    command: Document = {"configureFailPoint": "failCommand"}
    data = {"failCommands": list(commands), "appName": "hub", **data}
    before = await admin(uri, {**command, "mode": mode, "data": data}, timeout_seconds=5)
    fired: list[int] = []
    try:
        yield fired
    finally:
        after = await admin(uri, {**command, "mode": "off"}, timeout_seconds=5)
        fired.append(after["count"] - before["count"])
    assert fired[0] >= at_least, "the fault never happened"


class Proxy:
    """Stands before a mongod, and can be `cut` (connections reset and refused) or `frozen` (nothing passes any more)."""

    def __init__(self, uri: str) -> None:
        target = urlsplit(uri)
        self._target = (target.hostname, target.port)
        self._writers: list[asyncio.StreamWriter] = []
        self._pumps: list[asyncio.Task[None]] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._port = 0

    async def open(self) -> str:
        """Listen (again, on the same port); the address for clients."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return f"mongodb://127.0.0.1:{self._port}/?directConnection=true"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection(*self._target)
        self._writers += [writer, there]
        for source, sink in ((reader, there), (there_reader, writer)):
            self._pumps.append(asyncio.create_task(self._pump(source, sink)))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                await self._flowing.wait()
                sink.write(data)
                await sink.drain()
            sink.close()

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    async def cut(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)
        self._writers, self._pumps = [], []


@asynccontextmanager
async def proxied(uri: str, name: str) -> AsyncIterator[tuple[Proxy, Database]]:
    """A database behind a proxy."""
    proxy = Proxy(uri)
    async with another_database(await proxy.open(), name) as database:
        yield proxy, database
        await proxy.cut()


def debit(user: str, micro: int, operation: str | None = None, *, once: bool = False) -> Operation:
    """Take credits and tell the user."""
    event = NewEvent(user, "test.paid", {"amount": micro})
    legs = [Leg(user, "credit", "usage", -micro, "test")]
    return Operation(operation or new_id("debit"), legs=legs, events=[event], once=once)


def place(user: str, want: int, at_least: int = 1, **fields: Any) -> PlaceHold:
    expiry = now() + timedelta(minutes=15)
    named = {"hold": new_id("hold"), "node": "node_1", "stream": new_id("chat"), "message": new_id("msg"), **fields}
    return PlaceHold(
        wallet=user, want=want, at_least=at_least, expires_at=expiry, model="gpt-4", prompt_tokens=10, **named
    )


async def result(ledger: Ledger, operation: Operation) -> Code | str:
    """How an operation ended: `ok`, `gone`, or the code of its refusal."""
    try:
        await ledger.commit(operation)
    except HoldGone:
        return "gone"
    except HubError as error:
        return error.code
    return "ok"


async def results(ledger: Ledger, operations: Sequence[Operation]) -> list[Code | str]:
    return list(await asyncio.gather(*(result(ledger, operation) for operation in operations)))


async def entries(database: Database, user: str) -> list[Document]:
    """All entries of a wallet, oldest first."""
    return [entry async for entry in wallets.scan_entries(database, user)]


async def differences(database: Database) -> list[Difference]:
    return [difference async for difference in audit(database)]
