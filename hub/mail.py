"""Mail: one contract, and the two ways in which a letter leaves the hub.

    Letter --Mailer.send--> SmtpMailer (HUB_SMTP_URL)  |  OutboxMailer (a file in the data folder, its link in the log)

When and how often it is tried is the matter of `hub/mail_jobs.py`, what it says of `hub/letters.py`.
"""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog

from config import outgoing
from config.settings import Settings

log = structlog.get_logger(__name__)

_PERMANENT: Final = 500  # SMTP's answers from here on will be the same the next time


async def _nobody_notes() -> None:
    """Of most letters it is soon enough once the connection has ended."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail ready to go. `link` is the one that it carries, where it carries one: it is a secret. `taken` is awaited as
    soon as somebody has taken it, before anything else is said; what it raises comes out of `send`.
    """

    id: str
    message: EmailMessage
    link: str | None = field(default=None, repr=False)
    taken: Callable[[], Awaitable[None]] = field(default=_nobody_notes, repr=False)


class MailFailed(Exception):
    """It did not go; it may the next time."""


class MailRefused(Exception):
    """It did not go, and never will: the server knows no such recipient."""


class Mailer(Protocol):
    """A way for letters. Raises `MailFailed` or `MailRefused`."""

    async def send(self, letter: Letter) -> None: ...


class SmtpMailer:
    """By a mail server. With `smtp://` TLS is begun by STARTTLS, which must succeed where a password is sent."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._tls = parts.scheme == "smtps"

    @property
    def _start_tls(self) -> bool | None:
        """None: where the server offers it."""
        if self._tls or _is_loopback(self._host):
            return False
        return True if self._password is not None else None

    async def send(self, letter: Letter) -> None:
        try:
            async with self._connection() as connection:
                await connection.send_message(letter.message)
                await letter.taken()
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(refused.code >= _PERMANENT for refused in error.recipients):
                raise MailRefused(_reason(error)) from error
            raise MailFailed(_reason(error)) from error
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise MailFailed(_reason(error)) from error

    def _connection(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            start_tls=self._start_tls,
            timeout=outgoing.MAIL_SECONDS_MAX,
        )


def _is_loopback(host: str) -> bool:
    """There nobody listens in between, and a local mail server's certificate is seldom one that counts."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]


class OutboxMailer:
    """Into a folder, for who has no mail server: one `.eml` a letter, readable by the owner alone, the newest ones."""

    def __init__(self, folder: Path, show_links: bool) -> None:
        self._folder = folder
        self._show_links = show_links

    async def send(self, letter: Letter) -> None:
        try:
            path = await asyncio.to_thread(self._write, letter)
        except OSError as error:
            raise MailFailed(_reason(error)) from error
        await letter.taken()
        shown = {"link": letter.link} if letter.link and self._show_links else {}
        log.info("mail written", file=str(path), subject=letter.message["Subject"], **shown)

    def _write(self, letter: Letter) -> Path:
        """Under another name first, so that nobody reads half a letter."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{letter.id}.eml"
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_bytes(bytes(letter.message))
        fresh.replace(path)
        for old in sorted(self._folder.glob("*.eml"))[: -outgoing.OUTBOX_FILES_MAX]:
            old.unlink(missing_ok=True)
        return path


def mailer_of(settings: Settings) -> Mailer:
    """The way that the settings name."""
    if settings.smtp_url is not None:
        return SmtpMailer(settings.smtp_url)
    if settings.production:
        log.warning("HUB_SMTP_URL is not set: no mail leaves the hub", outbox=str(settings.data_dir / "outbox"))
    return OutboxMailer(settings.data_dir / "outbox", show_links=not settings.production)
