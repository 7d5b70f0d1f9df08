"""The fixtures of a served hub whose Telegram is a stand-in."""

from collections.abc import Callable, Iterator

import pytest
from tornado.ioloop import IOLoop

from tests.site import Site
from tests.stand_ins.started import started
from tests.stand_ins.telegram_bot_api import TelegramBotApi


@pytest.fixture
def telegram(io_loop: IOLoop) -> Iterator[TelegramBotApi]:
    with started(io_loop, TelegramBotApi()) as made:
        yield made


@pytest.fixture
def telegram_site(serve: Callable[..., Site], telegram: TelegramBotApi) -> Site:
    return serve(**telegram.settings)
