"""The end of a test's sockets, before that of the hub which serves them.

Who imports this fixture has it for all tests of the module, or of the conftest's folder.
"""

from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.patience import until
from tests.site import Site
from tests.ws_client import Client


@pytest.fixture(autouse=True)
def sockets_end(io_loop: IOLoop, site: Site) -> Iterator[None]:
    async def end() -> None:
        Client.abort_all()
        await until(lambda: len(site.services.connections) == 0)

    yield
    io_loop.run_sync(end)
