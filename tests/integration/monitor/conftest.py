"""A served hub whose answers take long enough to be seen while they run, and whose sockets end with each test."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.patience import until
from tests.site import Site, serve
from tests.ws_client import Client

__all__ = ["serve"]


@pytest.fixture
def site(serve: Callable[..., Site]) -> Site:
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="100")


@pytest.fixture(autouse=True)
def _sockets_end(io_loop: IOLoop, site: Site) -> Iterator[None]:
    async def end() -> None:
        Client.abort_all()
        await until(lambda: len(site.services.connections) == 0)

    yield
    io_loop.run_sync(end)
