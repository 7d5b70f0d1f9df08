"""Hubs of several nodes and of slow answers, for the tests of API keys."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tornado.ioloop import IOLoop

from config.catalogue import DEFAULT_PATH
from tests.http_streams import SECRET, abort_all
from tests.site import Site

_PRICE = 'output_price = "0.00006"'  # gpt-4's


@pytest.fixture
def two_sites(serve: Callable[..., Site]) -> list[Site]:
    """Two nodes of one hub, without a Redis between them."""
    environ = {"HUB_RATE_LIMITS": "off", "HUB_SANDBOX_TOKENS_PER_SECOND": "100000", "HUB_JWT_SECRET": SECRET}
    return [serve(**environ), serve(**environ)]


@pytest.fixture
def dear_models(tmp_path: Path) -> str:
    """A catalogue in which ten times fewer tokens cost as much, so that a crowd of answers does not take a minute."""
    models, dear = DEFAULT_PATH.read_text(), tmp_path / "models.toml"
    assert models.count(_PRICE) == 1
    dear.write_text(models.replace(_PRICE, 'output_price = "0.0006"'))
    return str(dear)


@pytest.fixture
def dear_sites(serve: Callable[..., Site], dear_models: str) -> list[Site]:
    """Two nodes of one hub with dear models, without a Redis between them."""
    environ = {"HUB_RATE_LIMITS": "off", "HUB_SANDBOX_TOKENS_PER_SECOND": "100000", "HUB_JWT_SECRET": SECRET}
    return [serve(**environ, HUB_MODELS_FILE=dear_models) for _ in range(2)]


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
