"""A served hub that mails to a real server on loopback.

The conftests that name these fixtures make them known to their folders.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.site import Site
from tests.stand_ins.smtp_server import Inbox, smtp_server


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
