"""Fixtures for everything: one real mongod for the whole run, a database of its own for each test."""

import asyncio
import gc
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.testing import bind_unused_port

from config import limits, settings
from handlers.application import make_application, make_server
from hub.services import Opened, Services, open_services
from models import shapes
from models.collection_shape import CollectionShape
from models.database import Database
from models.embedded import EmbeddedMongod
from tests.http_streams import SECRET, Face, abort_all, make_face
from tests.redis_cluster import RedisCluster
from tests.redis_server import RedisServer
from tests.running_hub import RunningHub
from tests.stand_ins.openai_server import OpenAIStandIn


def pytest_sessionstart() -> None:
    """No loop is current by itself: who asks for the current one, as pytest-tornado does, would make one nobody closes."""
    asyncio.set_event_loop(None)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was loaded, as the hub does: a seventh of the tests' CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(limits.GC_ALLOCATIONS, 50, 100)


@pytest.fixture(scope="session")
def mongod_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real one-member replica set with fail points."""
    folder: Path = tmp_path_factory.mktemp("mongod")
    mongod = EmbeddedMongod(folder, test_commands=True)
    with asyncio.Runner() as runner:
        uri = runner.run(mongod.start())
        with pytest.MonkeyPatch.context() as whole_run:
            whole_run.setattr(sys, "unraisablehook", _but_for_sockets_to(uri, sys.unraisablehook))
            yield uri
        runner.run(mongod.stop())


Told = Callable[["sys.UnraisableHookArgs"], object]


def _but_for_sockets_to(uri: str, told: Told) -> Told:
    """The driver leaves a socket to the garbage collector where a task is cancelled while it connects: no leak of ours."""
    port = urlsplit(uri).port

    def tell(unraisable: "sys.UnraisableHookArgs") -> object:
        return None if _peer_port(unraisable.object) == port else told(unraisable)

    return tell


def _peer_port(found: object) -> int | None:
    with suppress(OSError):
        return found.getpeername()[1] if isinstance(found, socket.socket) else None
    return None


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a real Redis that stays up; who wants to take it down starts a `RedisServer` of its own."""
    server = RedisServer()
    server.start()
    yield server.url
    server.kill()


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """The address of one server of a real Redis cluster that stays up."""
    cluster = RedisCluster()
    cluster.start()
    yield cluster.url
    cluster.close()


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A Redis for one test to take down."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()


_SOON, _FOR_ALL = WriteConcern(1), WriteConcern("majority")


class Databases:
    """Names of databases, each for one test at a time, emptied in between.

    Making one takes half a second, and a hundred open files that the server keeps for minutes after it was dropped: with
    a new one for each test it ran out of them.
    """

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client
        self._free: list[str] = []
        self._made: set[str] = set()

    def lacks(self, name: str) -> Sequence[CollectionShape]:
        """The shapes that it does not have yet: all at first, none once it was opened with them."""
        return () if name in self._made else shapes.ALL

    def has_all(self, name: str) -> None:
        self._made.add(name)

    def take(self) -> str:
        return self._free.pop() if self._free else f"test_{secrets.token_hex(4)}"

    def give_back(self, name: str) -> None:
        """Once nobody writes to it any more. Most of its collections are empty, and one question tells which are not.

        What is emptied last waits for the majority, and so for all before it.
        """
        database = self._client[name]
        looks = [
            {"$unionWith": {"coll": each, "pipeline": [{"$limit": 1}, {"$project": {"_id": 0, "of": each}}]}}
            for each in database.list_collection_names()
        ]
        full = [found["of"] for found in database.aggregate([{"$documents": []}, *looks])]
        for each in full:
            database.get_collection(each, write_concern=_SOON if each != full[-1] else _FOR_ALL).delete_many({})
        self._free.append(name)


@pytest.fixture(scope="session")
def databases(mongod_uri: str) -> Iterator[Databases]:
    with MongoClient[dict[str, Any]](mongod_uri, appName="tests") as client:
        yield Databases(client)


@pytest.fixture
def database(io_loop: IOLoop, mongod_uri: str, databases: Databases) -> Iterator[Database]:
    """An open database that no other test uses."""
    name = databases.take()
    database = Database(mongod_uri, name)
    io_loop.run_sync(lambda: database.open(databases.lacks(name)))
    databases.has_all(name)
    yield database
    io_loop.run_sync(database.close)
    databases.give_back(name)


OpenServices = Callable[..., Services]


@pytest.fixture
def open_hub(io_loop: IOLoop, mongod_uri: str, databases: Databases, tmp_path: Path) -> Iterator[OpenServices]:
    """Opens services on a database of the test's own; keyword arguments are environment variables.

    Called again in one test it opens a second node on the same database.
    """
    name = databases.take()
    opened: list[Opened] = []

    def opener(**environ: str) -> Services:
        base = {
            "HUB_DATA_DIR": str(tmp_path),
            "HUB_MONGODB_DATABASE": name,
            "HUB_JWT_SECRET": secrets.token_urlsafe(48),
        }
        loaded = settings.load(base | environ)
        with pytest.MonkeyPatch.context() as once:  # forty commands a test to make what stands there already
            once.setattr(shapes, "ALL", databases.lacks(loaded.mongodb_database))
            opened.append(io_loop.run_sync(lambda: open_services(loaded, mongod_uri, bcrypt_cost=4)))
        databases.has_all(loaded.mongodb_database)
        return opened[-1].services

    yield opener
    for hub in opened:
        io_loop.run_sync(hub.close)
    databases.give_back(name)


Serve = Callable[[Services], int]


@pytest.fixture
def serve_http(io_loop: IOLoop) -> Iterator[Serve]:
    """Serves open services over HTTP in this process; returns the port."""
    servers: list[HTTPServer] = []

    def start(services: Services) -> int:
        server = make_server(make_application(services))
        listening, port = bind_unused_port()

        async def accept() -> None:  # within the loop that will serve
            server.add_socket(listening)

        io_loop.run_sync(accept)
        servers.append(server)
        return port

    yield start
    for server in servers:
        server.stop()
        io_loop.run_sync(server.close_all_connections)


@pytest.fixture
def face(io_loop: IOLoop, open_hub: OpenServices, serve_http: Serve) -> Iterator[Face]:
    """A served hub whose OpenAI is a stand-in, with one user; its other providers are the sandbox, at 400 tokens/s."""
    provider = OpenAIStandIn()
    io_loop.run_sync(provider.start)
    settings = {"HUB_RATE_LIMITS": "off", "HUB_SANDBOX_TOKENS_PER_SECOND": "400", "HUB_JWT_SECRET": SECRET}
    services = open_hub(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="sk-test", **settings)
    port = serve_http(services)
    yield io_loop.run_sync(lambda: make_face(services, provider, port))
    io_loop.run_sync(abort_all)
    io_loop.run_sync(provider.stop)


@pytest.fixture
def other_port(face: Face, open_hub: OpenServices, serve_http: Serve) -> int:
    """A second node of the same hub, with the same provider."""
    environ = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": face.provider.base_url, "HUB_JWT_SECRET": SECRET}
    return serve_http(open_hub(HUB_RATE_LIMITS="off", **environ))


StartHub = Callable[..., RunningHub]


@contextmanager
def hubs_in(folder: Path, mongod_uri: str, databases: Databases) -> Iterator[StartHub]:
    """Starts hubs as processes, on the session's database server; keyword arguments are environment variables."""
    hubs: list[RunningHub] = []
    taken: list[str] = []

    def starter(**environ: str) -> RunningHub:
        taken.append(databases.take())
        own = {"HUB_MONGODB_DATABASE": taken[-1]}
        hubs.append(RunningHub(folder / f"hub{len(hubs)}", mongod_uri, **own, **environ))
        hubs[-1].start()
        return hubs[-1]

    yield starter
    for running in hubs:
        running.stop()
    for name in taken:
        databases.give_back(name)


@pytest.fixture
def start_hub(mongod_uri: str, databases: Databases, tmp_path: Path) -> Iterator[StartHub]:
    """Starts hubs for one test alone, which may kill them."""
    with hubs_in(tmp_path, mongod_uri, databases) as starter:
        yield starter


@pytest.fixture
def hub(request: pytest.FixtureRequest, start_hub: StartHub) -> RunningHub:
    """A hub whose models are answered by the sandbox in four seconds; parametrize it with further settings."""
    return start_hub(**{"HUB_SANDBOX_TOKENS_PER_SECOND": "100", **getattr(request, "param", {})})
