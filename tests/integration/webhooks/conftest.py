"""What the tests of webhooks share beside a served hub: a server to which they are sent."""

from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.stand_ins.webhook_receiver import WebhookReceiver


@pytest.fixture
def receiver(io_loop: IOLoop) -> Iterator[WebhookReceiver]:
    made = WebhookReceiver()
    io_loop.run_sync(made.__aenter__)
    yield made
    io_loop.run_sync(lambda: made.__aexit__(None, None, None))
