"""The scene that the tests of chat use."""

from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.conftest import OpenServices
from tests.factories import make_user
from tests.integration.chat.parts import Scene
from tests.stand_ins.openai_server import OpenAIStandIn


@pytest.fixture
def provider(io_loop: IOLoop) -> Iterator[OpenAIStandIn]:
    stand_in = OpenAIStandIn()
    io_loop.run_sync(stand_in.start)
    yield stand_in
    io_loop.run_sync(stand_in.stop)


@pytest.fixture
def scene(io_loop: IOLoop, open_hub: OpenServices, provider: OpenAIStandIn) -> Scene:
    services = open_hub(OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="sk-test")
    return Scene(services, provider, io_loop.run_sync(lambda: make_user(services)))
