"""The fixtures of a served hub with workflows, and of all the companies that they may ask."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from tornado.ioloop import IOLoop

from config import workflows as limits
from tests.google_site import google, google_site
from tests.mailing_site import inbox, mailing_site, smtp_port
from tests.site import Site, serve, site
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.stand_ins.started import started
from tests.stand_ins.webhook_receiver import WebhookReceiver
from tests.telegram_site import telegram, telegram_site

__all__ = [
    "google",
    "google_site",
    "inbox",
    "mailing_site",
    "serve",
    "site",
    "smtp_port",
    "telegram",
    "telegram_site",
]

LOOK_SECONDS: Final = 0.1


@pytest.fixture(autouse=True)
def looks_come_soon() -> Iterator[None]:
    """Those that hubs take each second: for what is due again, and for what another process has done."""
    with pytest.MonkeyPatch.context() as bounds:
        for name in ("EXECUTION_POLL_SECONDS", "EXECUTION_CHECK_SECONDS", "LETTER_POLL_SECONDS"):
            bounds.setattr(limits, name, LOOK_SECONDS)
        yield


@pytest.fixture
def receiver(io_loop: IOLoop) -> Iterator[WebhookReceiver]:
    made = WebhookReceiver()
    io_loop.run_sync(made.__aenter__)
    yield made
    io_loop.run_sync(made.__aexit__)


@pytest.fixture
def calling(receiver: WebhookReceiver, smtp_port: int) -> dict[str, str]:
    """Settings of a hub that may call the receiver, and mails to the inbox."""
    return {
        "HUB_RATE_LIMITS": "off",
        "HUB_SANDBOX_TOKENS_PER_SECOND": "100000",
        "HUB_OUTBOUND_ALLOW": f"127.0.0.1:{receiver.port}",
        "HUB_OUTBOUND_READ": f"127.0.0.1:{receiver.port}",
        "HUB_SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
    }


@pytest.fixture
def calling_site(serve: Callable[..., Site], calling: dict[str, str]) -> Site:
    return serve(**calling)


@pytest.fixture
def provider(io_loop: IOLoop) -> Iterator[OpenAIStandIn]:
    """It answers by the scenarios that it is given."""
    with started(io_loop, OpenAIStandIn()) as made:
        yield made


@pytest.fixture
def provided_site(serve: Callable[..., Site], provider: OpenAIStandIn) -> Site:
    return serve(HUB_RATE_LIMITS="off", OPENAI_BASE_URL=provider.base_url, OPENAI_API_KEY="sk-test")
