"""The command line: serve, audit, create-admin, openapi.

python run.py                       serve, with the embedded database where no HUB_MONGODB_URI is set; with HUB_PROCESSES
                                    above 1 by so many workers, which it starts, keeps and ends
python run.py audit                 recompute every wallet; exit 1 and name the wallets that differ
python run.py create-admin EMAIL    make an administrator (the password is asked for, or read from standard input)
python run.py openapi               print the OpenAPI document, as the hub serves it at /openapi.json
"""

import argparse
import asyncio
import getpass
import json
import os
import resource
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import uvloop

from config import limits
from config.catalogue import CatalogueError
from config.packages import PackagesError
from config.plans import PlansError
from config.settings import Settings, SettingsError, load
from handlers import logs
from hub import audit
from hub.errors import HubError
from hub.processes.parent import Parent
from hub.processes.ports import until_free
from hub.processes.supervisor import Supervisor, WorkerFailed
from hub.processes.told import Told
from hub.redis.server import EmbeddedRedis
from hub.tasks import Tasks
from models import shapes
from models.data_lock import DataFolderInUse, DataLock
from models.database import Database, DatabaseError
from models.embedded import EmbeddedMongod
from models.mongod_binary import EmbeddedError

if TYPE_CHECKING:
    from hub.services import Services

Command = Callable[[Settings, argparse.Namespace], Coroutine[Any, Any, int]]

log = structlog.get_logger("hub")

_THIS_FILE = str(Path(__file__).resolve())
_EXPECTED = (
    SettingsError,
    CatalogueError,
    PlansError,
    PackagesError,
    DataFolderInUse,
    EmbeddedError,
    DatabaseError,
    HubError,
    WorkerFailed,
    OSError,
)


def main(arguments: list[str]) -> int:
    """Run one command; its exit status. What an operator can mend is said in one sentence, without a traceback."""
    options = _parser().parse_args(arguments)
    _allow_descriptors()
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


def _allow_descriptors() -> None:
    """As many open files as the system lets us have: a socket takes one, and shells often begin with 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="run.py", description="Smart AI Hub")
    parser.set_defaults(command=_serve)
    commands = parser.add_subparsers(title="commands", metavar="serve | audit | create-admin | openapi")
    commands.add_parser("serve", help="serve (the default)").set_defaults(command=_serve)
    commands.add_parser("audit", help="recompute and verify every wallet").set_defaults(command=_audit)
    worker = commands.add_parser("worker", description="One of several processes: started by the hub itself")
    worker.add_argument("--number", type=int, required=True)
    worker.add_argument("--parent", type=int, required=True)
    worker.set_defaults(command=_work)
    create_admin = commands.add_parser("create-admin", help="make an administrator")
    create_admin.add_argument("email")
    create_admin.set_defaults(command=_create_admin)
    commands.add_parser("openapi", help="print the OpenAPI document").set_defaults(command=_openapi)
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


@asynccontextmanager
async def _redis(settings: Settings, tasks: Tasks) -> AsyncIterator[str]:
    """The address of the Redis by which workers hear each other: one's own, or the embedded one while the block runs."""
    if settings.redis_url is not None:
        yield settings.redis_url
        return
    redis = EmbeddedRedis(settings.data_dir, tasks)
    url = await redis.start()
    try:
        yield url
    finally:
        await redis.stop()


async def _serve(settings: Settings, options: argparse.Namespace) -> int:
    told = Told()
    try:
        await _serve_on_lock(settings, told)
    except asyncio.CancelledError:
        if not told.stopping.is_set():
            raise
        log.info("the hub stopped while it was starting")
    return 0


async def _serve_on_lock(settings: Settings, told: Told) -> None:
    lock = DataLock(settings.data_dir / "hub.lock")
    lock.acquire()
    try:
        if settings.processes > 1:
            await until_free(settings.ports, settings.host)
        async with _mongodb(settings) as uri:
            if settings.processes > 1:
                await _supervise(settings, uri, told)
            else:
                await _open_and_serve(settings, uri, told, partial(_announce, settings))
    finally:
        lock.release()


async def _supervise(settings: Settings, uri: str, told: Told) -> None:
    """Several workers on the ports, and what they share. They end first, the database last."""
    tasks = Tasks()
    async with _redis(settings, tasks) as redis_url:
        environ = {**os.environ, "HUB_MONGODB_URI": uri, "HUB_REDIS_URL": redis_url}
        command = [sys.executable, _THIS_FILE, "worker"]
        supervisor = Supervisor(command, environ, settings.processes, tasks)
        try:
            await supervisor.start()
            told.opened()
            _announce(settings)
            await told.stopping.wait()
        finally:
            await supervisor.end(told)
    await tasks.close(limits.TASKS_GRACE_SECONDS)


async def _work(settings: Settings, options: argparse.Namespace) -> int:
    """One of several workers. The supervisor is told how the start went, and says it once for all."""
    told = Told()
    parent = Parent(options.parent, told.end)
    assert settings.mongodb_uri is not None, "the supervisor names the database"
    try:
        await _open_and_serve(settings, settings.mongodb_uri, told, parent.ready, options.number)
    except asyncio.CancelledError:
        if not told.stopping.is_set():
            raise
    except _EXPECTED as error:
        parent.failed(str(error))
        return 1
    return 0


async def _open_and_serve(
    settings: Settings, uri: str, told: Told, ready: Callable[[], None], worker: int | None = None
) -> None:
    from handlers.serving import open_and_serve  # most of the hub: not for the supervisor, nor for a command

    await open_and_serve(settings, uri, told, ready, worker)


def _announce(settings: Settings) -> None:
    print(f"\n  Smart AI Hub is at {settings.public_url}\n", flush=True)


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
    from hub import admin_seed

    async with _opened(settings) as services:
        user = await admin_seed.create_admin(services.database, services.identities, options.email, password)
    print(f"{user['email']} is an administrator")
    return 0


async def _openapi(settings: Settings, options: argparse.Namespace) -> int:
    from handlers.application import ROUTES
    from handlers.openapi import document

    print(json.dumps(document(ROUTES, settings.public_url), indent=2))
    return 0


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator["Services"]:
    """Services beside a hub that may be running: its embedded database is used, and left running."""
    from hub.services import open_services

    async with _address(settings) as uri:
        opened = await open_services(settings, uri)
        try:
            yield opened.services
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
