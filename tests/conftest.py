"""Fixtures for everything: one real mongod for the whole run, a database of its own for each test."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from models import shapes
from models.database import Database
from models.embedded import EmbeddedMongod


@pytest.fixture(scope="session")
def mongod_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real one-member replica set with fail points."""
    folder: Path = tmp_path_factory.mktemp("mongod")
    mongod = EmbeddedMongod(folder, test_commands=True)
    with asyncio.Runner() as runner:
        yield runner.run(mongod.start())
        runner.run(mongod.stop())


@pytest.fixture
def database(io_loop: IOLoop, mongod_uri: str) -> Iterator[Database]:
    """An open database that no other test uses."""
    database = Database(mongod_uri, f"test_{secrets.token_hex(4)}")
    io_loop.run_sync(lambda: database.open(shapes.ALL))
    yield database
    io_loop.run_sync(database.drop)
    io_loop.run_sync(database.close)
