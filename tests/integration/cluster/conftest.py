"""Two nodes of one hub, served in this process, with a Redis that their test may take down."""

import secrets
from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.conftest import OpenServices, Serve
from tests.integration.cluster.parts import Cluster, Node
from tests.redis_server import RedisServer
from tests.ws_client import Client


@pytest.fixture
def cluster(io_loop: IOLoop, server: RedisServer, open_hub: OpenServices, serve_http: Serve) -> Iterator[Cluster]:
    environ = {
        "HUB_REDIS_URL": server.url,
        "HUB_JWT_SECRET": secrets.token_urlsafe(48),
        "HUB_RATE_LIMITS": "off",
        "HUB_SANDBOX_TOKENS_PER_SECOND": "50",
    }
    services = [open_hub(**environ) for _ in range(2)]
    one, two = (Node(each, serve_http(each)) for each in services)
    yield Cluster(one, two)
    Client.abort_all()
