"""The fixtures of a served hub whose Google is a stand-in."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.site import Site
from tests.stand_ins.google_cloud import GoogleCloud


@pytest.fixture
def google(io_loop: IOLoop) -> Iterator[GoogleCloud]:
    made = GoogleCloud()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def google_site(serve: Callable[..., Site], google: GoogleCloud) -> Site:
    return serve(**google.settings)
