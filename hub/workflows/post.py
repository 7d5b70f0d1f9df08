"""The post: sends the letters that workflows have written, each again until it is taken, or given up.

    WORKFLOW_LETTERS --claim--> letter --Mailer--> sent (its words go), or due again, or given up

A letter has one Message-ID for ever: where a process dies between the mail server's answer and ours it comes twice, and
programs show it once.
"""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr

import structlog

from config import outgoing
from config import workflows as limits
from config.settings import Settings
from hub.job_loop import JobLoop
from hub.letters import one_line
from hub.mail import Letter, Mailer, MailFailed, MailRefused
from hub.metrics import Metrics
from hub.tasks import Tasks
from models import workflow_letters
from models.clock import now
from models.database import Database, Document
from models.ids import new_id

log = structlog.get_logger(__name__)


class Post:
    """One per process; all of them share the letters."""

    def __init__(
        self, settings: Settings, database: Database, mailer: Mailer, tasks: Tasks, node: str, metrics: Metrics
    ) -> None:
        self._sender = settings.mail_from
        self._database = database
        self._mailer = mailer
        self._node = node
        self._metrics = metrics
        self._loop = JobLoop(
            *("letters of workflows", self._claim, self._try, tasks),
            at_once=limits.LETTERS_AT_ONCE,
            poll_seconds=limits.LETTER_POLL_SECONDS,
        )

    def wake(self) -> None:
        self._loop.wake()

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self._loop.run()

    async def close(self) -> None:
        await self._loop.close(limits.LETTER_CLOSE_SECONDS)
        await workflow_letters.release_of(self._database, [self._node])

    async def _claim(self) -> Document | None:
        lease = limits.LETTER_LEASE_SECONDS
        return await workflow_letters.claim(self._database, new_id("claim"), self._node, now(), lease)

    async def _try(self, letter: Document) -> None:
        try:
            async with asyncio.timeout(outgoing.MAIL_SECONDS_MAX):
                await self._mailer.send(composed(letter, self._sender))
        except (MailRefused, ValueError) as error:
            await self._give_up(letter, error)
        except (MailFailed, TimeoutError) as error:
            await self._try_later(letter, error)
        else:
            self._metrics.workflow_letter("sent")
            await workflow_letters.ended(self._database, letter, "sent")

    async def _try_later(self, letter: Document, error: Exception) -> None:
        pauses = limits.LETTER_RETRY_SECONDS
        if letter["attempts"] > len(pauses):
            await self._give_up(letter, error)
            return
        self._metrics.workflow_letter("failed")
        pause = pauses[letter["attempts"] - 1]
        log.warning("a workflow's letter failed", letter=letter["_id"], error=str(error)[:200], retry_seconds=pause)
        await workflow_letters.again(self._database, letter, now() + timedelta(seconds=pause))

    async def _give_up(self, letter: Document, error: Exception) -> None:
        self._metrics.workflow_letter("given_up")
        log.error("a workflow's letter is given up", letter=letter["_id"], error=str(error)[:200])
        await workflow_letters.ended(self._database, letter, "given_up")


def composed(letter: Document, sender: str) -> Letter:
    """Plain text alone: what users and strangers wrote is nobody's HTML. Raises `ValueError` for what no head can carry."""
    to = letter["to"]
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["Subject"] = one_line(letter["subject"])
    message["From"] = sender
    message["To"] = to
    message["Date"] = format_datetime(letter["created_at"])
    message["Message-ID"] = f"<{letter['_id']}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter["body"])
    return Letter(letter["_id"], message)
