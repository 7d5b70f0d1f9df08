"""The fixtures of a served hub whose Google, or Telegram, is a stand-in."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.google_site import google, google_site
from tests.site import Site, serve, site
from tests.stand_ins.telegram_bot_api import TelegramBotApi

__all__ = ["google", "google_site", "serve", "site", "telegram", "telegram_site"]


@pytest.fixture
def telegram(io_loop: IOLoop) -> Iterator[TelegramBotApi]:
    made = TelegramBotApi()
    io_loop.run_sync(made.start)
    yield made
    io_loop.run_sync(made.stop)


@pytest.fixture
def telegram_site(serve: Callable[..., Site], telegram: TelegramBotApi) -> Site:
    return serve(**telegram.settings)
