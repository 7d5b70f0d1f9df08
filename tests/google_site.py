"""The fixtures of a served hub whose Google is a stand-in."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.site import Site
from tests.stand_ins.google_cloud import GoogleCloud
from tests.stand_ins.started import started


@pytest.fixture
def google(io_loop: IOLoop) -> Iterator[GoogleCloud]:
    with started(io_loop, GoogleCloud()) as made:
        yield made


@pytest.fixture
def google_site(serve: Callable[..., Site], google: GoogleCloud) -> Site:
    return serve(**google.settings)
