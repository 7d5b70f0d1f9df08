"""One hub for all tests of this folder; each makes users of its own."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.realtime.site import Site


@pytest.fixture(scope="module")
def hub(mongod_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("hub")
    with asyncio.Runner() as runner:
        site = Site.open(runner, mongod_uri, folder)
        yield site
        site.close()
