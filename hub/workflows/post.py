"""The post: sends the letters that workflows have written, each again until it is taken, or given up.

    WORKFLOW_LETTERS --claim--> letter --Mailer--> sent (its words go), or due again, or given up

Each says at its end whose workflow wrote it, and an answer goes there, where that user's address is confirmed.

A letter has one Message-ID for ever: where a process dies between the mail server's answer and ours it comes twice, and
programs show it once. A database that is away meanwhile sends none twice: the process knows what went, and says so until it
is heard.
"""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime, parseaddr
from functools import partial

import structlog

from config import outgoing
from config import workflows as limits
from config.settings import Settings
from hub.job_loop import JobLoop
from hub.letters import one_line
from hub.mail import Letter, Mailer, MailFailed, MailRefused
from hub.metrics import Metrics
from hub.tasks import Tasks
from models import users, workflow_letters
from models.clock import now
from models.database import Database, DatabaseError, Document
from models.ids import new_id

log = structlog.get_logger(__name__)


class Post:
    """One per process; all of them share the letters."""

    def __init__(
        self, settings: Settings, database: Database, mailer: Mailer, tasks: Tasks, node: str, metrics: Metrics
    ) -> None:
        self._sender = settings.mail_from
        self._public_url = settings.public_url
        self._database = database
        self._mailer = mailer
        self._node = node
        self._metrics = metrics
        self._went: dict[str, None] = {}  # the last letters that were taken, in order
        self._unnoted: set[str] = set()  # those of them of which nobody could note it yet
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

    def stop(self) -> None:
        """Take up no letter more from now on."""
        self._loop.stop()

    async def close(self) -> None:
        """Send nothing more, and leave the rest to other processes. Where that some went cannot be noted even now, no
        claim is freed: all end by themselves. Raises `DatabaseError`.
        """
        await self._loop.close(limits.LETTER_CLOSE_SECONDS)
        await self._loop.break_off()
        if self._unnoted:
            await workflow_letters.went(self._database, list(self._unnoted))
        await workflow_letters.release_of(self._database, [self._node])

    async def _claim(self) -> Document | None:
        lease = limits.LETTER_LEASE_SECONDS
        return await workflow_letters.claim(self._database, new_id("claim"), self._node, now(), lease)

    async def _try(self, letter: Document) -> None:
        """One attempt, and what becomes of the letter. Raises `DatabaseError`, upon which its claim ends by itself."""
        if letter["_id"] in self._went:  # nobody could note that before its claim ended
            await self._note(letter)
            return
        owner = await users.by_id(self._database, letter["user"])
        if owner is None or owner["status"] != "active":
            await self._give_up(letter, "its user is not active")
            return
        try:
            await self._send(letter, owner)
        except (MailRefused, ValueError) as error:
            await self._give_up(letter, error)
        except (MailFailed, TimeoutError) as error:
            await self._try_later(letter, error)
        except DatabaseError:  # it went, and nobody could note that
            raise
        except Exception as error:  # nobody foresaw it, and it would be the same each time
            log.exception("a workflow's letter broke", letter=letter["_id"])
            await self._give_up(letter, error)

    async def _send(self, letter: Document, owner: Document) -> None:
        """Once it is taken nothing that fails makes it go again. Raises as a mailer does, and `TimeoutError`."""
        made = composed(letter, owner, self._sender, self._public_url)
        ready = replace(made, taken=partial(self._taken, letter))
        try:
            async with asyncio.timeout(outgoing.MAIL_SECONDS_MAX):
                await self._mailer.send(ready)
        except (MailFailed, TimeoutError):
            if letter["_id"] not in self._went:
                raise
        if letter["_id"] in self._unnoted:
            await self._note_patiently(letter)

    async def _taken(self, letter: Document) -> None:
        """Noted at once, before the mail server is even told goodbye: until it stands, a death sends the letter again."""
        self._went[letter["_id"]] = None
        self._unnoted.add(letter["_id"])
        if len(self._went) > limits.LETTERS_KNOWN_SENT:
            self._forget(next(iter(self._went)))
        self._metrics.workflow_letter("sent")
        try:
            await self._note(letter)
        except DatabaseError as error:
            log.warning("a letter went and is not noted yet", letter=letter["_id"], error=str(error)[:200])

    async def _note(self, letter: Document) -> None:
        await workflow_letters.ended(self._database, letter, "sent")
        self._unnoted.discard(letter["_id"])

    def _forget(self, letter: str) -> None:
        del self._went[letter]
        self._unnoted.discard(letter)

    async def _note_patiently(self, letter: Document) -> None:
        """Until it stands, or for so long that its claim has ended long ago. Raises `DatabaseError`."""
        until = time.monotonic() + limits.LETTER_NOTE_SECONDS_MAX
        while True:
            try:
                await self._note(letter)
                return
            except DatabaseError:
                if time.monotonic() >= until:
                    raise
            await asyncio.sleep(limits.LETTER_NOTE_SECONDS)

    async def _try_later(self, letter: Document, error: Exception) -> None:
        pauses = limits.LETTER_RETRY_SECONDS
        if letter["attempts"] > len(pauses):
            await self._give_up(letter, error)
            return
        self._metrics.workflow_letter("failed")
        pause = pauses[letter["attempts"] - 1]
        log.warning("a workflow's letter failed", letter=letter["_id"], error=str(error)[:200], retry_seconds=pause)
        await workflow_letters.again(self._database, letter, now() + timedelta(seconds=pause))

    async def _give_up(self, letter: Document, error: Exception | str) -> None:
        self._metrics.workflow_letter("given_up")
        log.error("a workflow's letter is given up", letter=letter["_id"], error=str(error)[:200])
        await workflow_letters.ended(self._database, letter, "given_up")


def composed(letter: Document, owner: Document, sender: str, public_url: str) -> Letter:
    """Plain text alone: what users and strangers wrote is nobody's HTML. Raises `ValueError` for what no head can carry."""
    to, answers_to = letter["to"], owner["email"] if owner["email_verified"] else ""
    message = EmailMessage(policy=SMTP if to.isascii() else SMTPUTF8)
    message["Subject"] = one_line(letter["subject"])
    message["From"] = sender
    message["To"] = _address(to)
    if answers_to and (answers_to.isascii() or not to.isascii()):  # else not every server that may take it does
        message["Reply-To"] = _address(answers_to)
    message["Date"] = format_datetime(letter["created_at"])
    message["Message-ID"] = f"<{letter['_id']}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{letter['body']}\n\nSent by a workflow of {_name(owner)} at Smart AI Hub ({public_url}).")
    return Letter(letter["_id"], message)


def _address(email: str) -> Address:
    """One, whatever its name says."""
    local, _, domain = email.rpartition("@")
    return Address(username=local, domain=domain)


def _name(owner: Document) -> str:
    """As its user goes by here; the address where there is no other, confirmed or not."""
    name = one_line(f"{owner['first_name']} {owner['last_name']}").strip()
    return name or owner.get("username") or owner["email"]
