"""Hubs of several nodes and of slow answers, for the tests of API keys."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.dear_sites import dear_models, dear_sites
from tests.http_streams import SECRET, abort_all
from tests.site import Site

__all__ = ["dear_models", "dear_sites"]


@pytest.fixture
def two_sites(serve: Callable[..., Site]) -> list[Site]:
    """Two nodes of one hub, without a Redis between them."""
    environ = {"HUB_RATE_LIMITS": "off", "HUB_SANDBOX_TOKENS_PER_SECOND": "100000", "HUB_JWT_SECRET": SECRET}
    return [serve(**environ), serve(**environ)]


@pytest.fixture
def slow_site(serve: Callable[..., Site]) -> Site:
    """An answer of 400 tokens takes it eight seconds."""
    return serve(HUB_RATE_LIMITS="off", HUB_SANDBOX_TOKENS_PER_SECOND="50")


@pytest.fixture
def slow_limited_site(serve: Callable[..., Site]) -> Site:
    return serve(HUB_SANDBOX_TOKENS_PER_SECOND="50")


@pytest.fixture
def fast_limited_site(serve: Callable[..., Site]) -> Site:
    """Its sandbox answers at once."""
    return serve(HUB_SANDBOX_TOKENS_PER_SECOND="100000")


@pytest.fixture(autouse=True)
def nothing_left_open(io_loop: IOLoop) -> Iterator[None]:
    yield
    io_loop.run_sync(abort_all)
