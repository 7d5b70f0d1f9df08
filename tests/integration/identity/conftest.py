"""The hub that most tests of identity use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from models.database import Database
from tests.integration.identity.parts import Hub, open_hub


@pytest.fixture
def hub(io_loop: IOLoop, database: Database, tmp_path: Path) -> Iterator[Hub]:
    context = open_hub(database, tmp_path)
    yield io_loop.run_sync(context.__aenter__)
    io_loop.run_sync(lambda: context.__aexit__(None, None, None))
