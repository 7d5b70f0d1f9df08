"""The fixtures of the document analyser's tests: a trap, a server of documents, and a hub that may call the latter."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from hub import outbound
from tests.site import Site, serve, site
from tests.stand_ins.document_server import DocumentServer, Trap

__all__ = ["documents", "fetching_site", "serve", "site", "trap", "trapped_site"]


@pytest.fixture
def documents(io_loop: IOLoop) -> Iterator[DocumentServer]:
    made = DocumentServer()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def trap(io_loop: IOLoop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """Its port counts as that of http and https, so that no address is refused for its port alone."""
    made = Trap()
    io_loop.run_sync(made.start)
    monkeypatch.setattr(outbound, "_PORTS", {"http": made.port, "https": made.port})
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def fetching_site(serve: Callable[..., Site], documents: DocumentServer) -> Site:
    """Its operator lets its users read from the server of documents."""
    return serve(HUB_RATE_LIMITS="off", HUB_OUTBOUND_READ=f"127.0.0.1:{documents.port}")


@pytest.fixture
def trapped_site(serve: Callable[..., Site], trap: Trap) -> Site:
    """Its operator lets it send to what nobody should call."""
    return serve(HUB_RATE_LIMITS="off", HUB_OUTBOUND_ALLOW=f"127.0.0.1:{trap.port}")
