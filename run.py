"""The command line: serve, audit, create-admin.

python run.py                       serve, with the embedded database where no HUB_MONGODB_URI is set
python run.py audit                 recompute every wallet; exit 1 and name the wallets that differ
python run.py create-admin EMAIL    make an administrator (the password is asked for, or read from standard input)
"""

import argparse
import asyncio
import gc
import getpass
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvloop
from tornado.httpserver import HTTPServer

from config import limits
from config.catalogue import CatalogueError
from config.packages import PackagesError
from config.plans import PlansError
from config.settings import Settings, SettingsError, load
from handlers import logs
from handlers.application import make_application, make_server
from hub import admin_seed, audit
from hub.errors import HubError
from hub.services import Opened, Services, open_services
from models import shapes
from models.data_lock import DataFolderInUse, DataLock
from models.database import Database, DatabaseError
from models.embedded import EmbeddedMongod
from models.mongod_binary import EmbeddedError

Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]

log = structlog.get_logger("hub")

_EXPECTED = (
    SettingsError,
    CatalogueError,
    PlansError,
    PackagesError,
    DataFolderInUse,
    EmbeddedError,
    DatabaseError,
    HubError,
    OSError,
)


def main(arguments: list[str]) -> int:
    """Run one command; its exit status. What an operator can mend is said in one sentence, without a traceback."""
    options = _parser().parse_args(arguments)
    try:
        settings = load()
        logs.configure(production=settings.production)
        command: Command = options.command
        return uvloop.run(command(settings, options))
    except _EXPECTED as error:
        print(f"smart-ai-hub: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="Smart AI Hub")
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(title="commands")
    commands.add_parser("serve", help="serve (the default)").set_defaults(command=_serve)
    commands.add_parser("audit", help="recompute and verify every wallet").set_defaults(command=_audit)
    create_admin = commands.add_parser("create-admin", help="make an administrator")
    create_admin.add_argument("email")
    create_admin.set_defaults(command=_create_admin)
    return parser


@asynccontextmanager
async def _mongodb(settings: Settings) -> AsyncIterator[str]:
    """The address of the database: one's own, or the embedded one for as long as the block runs."""
    if settings.mongodb_uri is not None:
        yield settings.mongodb_uri
        return
    mongod = EmbeddedMongod(settings.data_dir)
    uri = await mongod.start()
    try:
        yield uri
    finally:
        await mongod.stop()


class _Told:
    """SIGTERM and SIGINT from now on: the first ends the hub in order, even while it opens; the second hurries its end."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self._hurried = False
        self._patience: asyncio.Timeout | None = None
        self._opening = asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._signal)

    def opened(self) -> None:
        self._opening = None

    async def unless_hurried(self, work: Awaitable[None]) -> bool:
        """Wait for it until the second signal; whether it was done."""
        try:
            async with asyncio.timeout(0 if self._hurried else None) as self._patience:
                await work
        except TimeoutError:
            return False
        finally:
            self._patience = None
        return True

    def _signal(self) -> None:
        if not self.stopping.is_set():
            self._stop()
            return
        self._hurried = True
        if self._patience is not None:
            self._patience.reschedule(0)

    def _stop(self) -> None:
        self.stopping.set()
        if self._opening is not None:
            self._opening.cancel()


async def _serve(settings: Settings, options: argparse.Namespace) -> int:
    told = _Told()
    try:
        await _serve_on_lock(settings, told)
    except asyncio.CancelledError:
        if not told.stopping.is_set():
            raise
        log.info("the hub stopped while it was starting")
    return 0


async def _serve_on_lock(settings: Settings, told: _Told) -> None:
    lock = DataLock(settings.data_dir / "hub.lock")
    lock.acquire()
    try:
        async with _mongodb(settings) as uri:
            opened = await open_services(settings, uri)
            told.opened()
            _spare_collector()
            try:
                await _serve_until_told(opened.services, told)
            finally:
                await opened.close()
    finally:
        lock.release()


def _spare_collector() -> None:
    """Keep what was loaded out of the garbage collector's rounds, and make these rarer: an eighth of a completion's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.GC_ALLOCATIONS, 50, 100)


async def _serve_until_told(services: Services, told: _Told) -> None:
    """Listen until SIGTERM or SIGINT, then end in order: not ready, no new requests, streams, sockets."""
    settings = services.settings
    application = make_application(services)
    server = make_server(application)
    for port in settings.ports:
        server.listen(port, settings.host)
    log.info("the hub serves", address=settings.public_url, database=services.database.name, env=settings.env)
    print(f"\n  Smart AI Hub is at {settings.public_url}\n", flush=True)
    await told.stopping.wait()
    log.info("the hub stops")
    application.draining = True
    server.stop()
    await _end_within(limits.SHUTDOWN_SECONDS_MAX, services, server, told)


async def _end_within(seconds: float, services: Services, server: HTTPServer, told: _Told) -> None:
    """What is not done by then is cut off when the services close; no client keeps the process from ending."""
    try:
        async with asyncio.timeout(seconds):
            if not await told.unless_hurried(services.chat.drain(limits.DRAIN_STREAMS_SECONDS)):
                await services.chat.drain(0)  # they are stopped where they are, and settled
            await services.connections.close_all()
            await server.close_all_connections()
    except TimeoutError:
        log.warning("some connections had to be cut off", seconds=seconds)


async def _audit(settings: Settings, options: argparse.Namespace) -> int:
    async with _database(settings) as database:
        wrong: set[str] = set()
        async for difference in audit.audit(database):
            wrong.add(difference.wallet)
            print(f"{difference.wallet}: {difference.what}")
    print(f"{len(wrong)} wallets differ" if wrong else "every wallet equals the sum of its entries")
    return 1 if wrong else 0


async def _create_admin(settings: Settings, options: argparse.Namespace) -> int:
    password = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    async with _opened(settings) as opened:
        services = opened.services
        user = await admin_seed.create_admin(services.database, services.identities, options.email, password)
    print(f"{user['email']} is an administrator")
    return 0


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Opened]:
    """Services beside a hub that may be running: its embedded database is used, and left running."""
    async with _address(settings) as uri:
        opened = await open_services(settings, uri)
        try:
            yield opened
        finally:
            await opened.close()


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    async with _address(settings) as uri:
        database = Database(uri, settings.mongodb_database)
        try:
            await database.open(shapes.ALL)
            yield database
        finally:
            await database.close()


@asynccontextmanager
async def _address(settings: Settings) -> AsyncIterator[str]:
    """The database's address for a command: the running hub's, else one started for it alone."""
    lock = DataLock(settings.data_dir / "hub.lock")
    try:
        lock.acquire()
    except DataFolderInUse:
        yield settings.mongodb_uri or EmbeddedMongod.running_address(settings.data_dir)
        return
    try:
        async with _mongodb(settings) as uri:
            yield uri
    finally:
        lock.release()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
