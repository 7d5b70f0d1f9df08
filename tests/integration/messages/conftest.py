"""The hub that the tests of Anthropic's form use."""

from collections.abc import Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.conftest import OpenServices, Serve
from tests.http_streams import SECRET, abort_all, make_face
from tests.integration.messages.parts import Desk
from tests.stand_ins.anthropic_server import AnthropicStandIn
from tests.stand_ins.openai_server import OpenAIStandIn


@pytest.fixture
def desk(io_loop: IOLoop, open_hub: OpenServices, serve_http: Serve) -> Iterator[Desk]:
    openai, anthropic = OpenAIStandIn(), AnthropicStandIn()
    for stand_in in (openai, anthropic):
        io_loop.run_sync(stand_in.start)
    environ = {
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_API_KEY": "sk-test",
        "ANTHROPIC_BASE_URL": anthropic.base_url,
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "HUB_RATE_LIMITS": "off",
        "HUB_SANDBOX_TOKENS_PER_SECOND": "1000",
        "HUB_JWT_SECRET": SECRET,
    }
    services = open_hub(**environ)
    port, other_port = serve_http(services), serve_http(open_hub(**environ))
    yield Desk(io_loop.run_sync(lambda: make_face(services, openai, port)), anthropic, other_port)
    io_loop.run_sync(abort_all)
    for stand_in in (openai, anthropic):
        io_loop.run_sync(stand_in.stop)
