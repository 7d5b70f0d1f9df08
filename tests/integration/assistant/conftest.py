"""What the tests of the AI Assistant share beside a served hub."""

from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.dear_sites import dear_models, dear_sites
from tests.http_streams import abort_all

__all__ = ["dear_models", "dear_sites"]


@pytest.fixture
def nothing_left_open(io_loop: IOLoop) -> Iterator[None]:
    """For tests that open sockets: those that a failure left are closed before their loop is."""
    yield
    io_loop.run_sync(abort_all)
