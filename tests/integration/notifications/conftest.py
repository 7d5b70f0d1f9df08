"""The fixtures of a served hub, for this folder, and of a mail server."""

from collections.abc import Callable, Iterator

import pytest

from tests.site import Site, https_site, limited_site, serve, site
from tests.stand_ins.smtp_server import Inbox, smtp_server

__all__ = ["https_site", "limited_site", "serve", "site"]


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def smtp_port(inbox: Inbox) -> Iterator[int]:
    with smtp_server(inbox) as port:
        yield port


@pytest.fixture
def mailing_site(serve: Callable[..., Site], smtp_port: int) -> Site:
    """A hub that mails to the inbox."""
    return serve(HUB_RATE_LIMITS="off", HUB_SMTP_URL=f"smtp://127.0.0.1:{smtp_port}", HUB_MAIL_FROM="Hub <hub@x.org>")
