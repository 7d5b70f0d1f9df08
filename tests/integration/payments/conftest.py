"""The fixtures of a served hub, and of one that is paid by a local Stripe, for this folder."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from config import limits
from tests.site import Site, limited_site, serve, site
from tests.stand_ins.stripe_server import API_KEY, WEBHOOK_SECRET, LocalStripe, StripeLine

__all__ = ["limited_site", "serve", "site"]


@pytest.fixture(scope="session")
def stripe_process() -> Iterator[LocalStripe]:
    process = LocalStripe()
    process.start()
    yield process
    process.stop()


@pytest.fixture
def stripe(io_loop: IOLoop, stripe_process: LocalStripe) -> LocalStripe:
    """Without what earlier tests left there."""
    io_loop.run_sync(stripe_process.forget)
    return stripe_process


@pytest.fixture
def line(io_loop: IOLoop, stripe: LocalStripe) -> Iterator[StripeLine]:
    line = StripeLine(stripe)
    io_loop.run_sync(line.start)
    yield line
    io_loop.run_sync(line.stop)


@pytest.fixture
def stripe_environ(line: StripeLine) -> dict[str, str]:
    return {"STRIPE_API_KEY": API_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET, "STRIPE_API_BASE": line.url}


@pytest.fixture
def paid_site(serve: Callable[..., Site], stripe_environ: dict[str, str]) -> Site:
    """A hub whose payments are Stripe's."""
    return serve(HUB_RATE_LIMITS="off", **stripe_environ)


@pytest.fixture
def hasty_site(serve: Callable[..., Site], stripe_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Site:
    """As `paid_site`, but it gives an unanswered call up after three seconds."""
    monkeypatch.setattr(limits, "PAYMENT_CALL_SECONDS_MAX", 3.0)
    return serve(HUB_RATE_LIMITS="off", **stripe_environ)


@pytest.fixture
def away_site(serve: Callable[..., Site]) -> Site:
    """A hub whose Stripe does not answer."""
    return serve(STRIPE_API_KEY="sk_test_1", STRIPE_API_BASE="http://127.0.0.1:9", HUB_RATE_LIMITS="off")


@pytest.fixture
def unpaid_site(serve: Callable[..., Site]) -> Site:
    """A hub in production that has nobody to take payments."""
    secrets = {name: f"0123456789abcdef-{name}-secret" * 2 for name in ("HUB_JWT_SECRET", "HUB_SERVICE_TOKEN")}
    return serve(HUB_ENV="production", HUB_PUBLIC_URL="https://hub.example.com", HUB_RATE_LIMITS="off", **secrets)
