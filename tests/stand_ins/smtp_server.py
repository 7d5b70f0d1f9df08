"""A mail server on loopback that keeps what it is sent, and says to the next mails what a test wants it to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller


class Inbox:
    """What a mail server took, and what it says to the next mails."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], str]] = []  # sender, recipients, text
        self.answers: list[str] = []

    @property
    def letters(self) -> list[EmailMessage]:
        """The same, as mail programs read them."""
        return [message_from_string(text, policy=default) for _, _, text in self.mails]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("gone"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


@contextmanager
def smtp_server(inbox: Inbox, port: int | None = None, **options: Any) -> Iterator[int]:
    """On loopback, at a free port unless one is given; the port."""
    controller = Controller(inbox, hostname="127.0.0.1", port=port or free_port(), **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
