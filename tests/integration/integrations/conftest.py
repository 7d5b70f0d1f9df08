"""The fixtures of a served hub whose Google, or Telegram, is a stand-in."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.site import Site, serve, site
from tests.stand_ins.google_cloud import GoogleCloud
from tests.stand_ins.telegram_bot_api import TelegramBotApi

__all__ = ["google", "google_site", "serve", "site", "telegram", "telegram_site"]


@pytest.fixture
def google(io_loop: IOLoop) -> Iterator[GoogleCloud]:
    made = GoogleCloud()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def google_site(serve: Callable[..., Site], google: GoogleCloud) -> Site:
    return serve(**google.settings)


@pytest.fixture
def telegram(io_loop: IOLoop) -> Iterator[TelegramBotApi]:
    made = TelegramBotApi()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def telegram_site(serve: Callable[..., Site], telegram: TelegramBotApi) -> Site:
    return serve(**telegram.settings)
