"""Mail jobs: letters that were promised, made and sent in the background, tried again, and given up in the end.

    request --add--> MAILS --claim--> worker: whom, a fresh secret, the letter --> Mailer
                       ^------ due again, ever later -----+

A hanging mail server delays nobody: who asks waits for the job alone, which is the same work whether an address is known or
not. A process that dies leaves its jobs to the next; a letter may then come twice, and each of its links works.

These are the mails that an account's safety needs. They go whatever its user's notification settings say: whoever took it
over could otherwise silence the word of a changed password or address.
"""

import asyncio
from datetime import timedelta

import structlog

from config import limits, outgoing
from config.settings import Settings
from hub import letters, one_time
from hub.job_loop import JobLoop
from hub.mail import Letter, Mailer, MailFailed, MailRefused
from hub.operations import Insert
from hub.tasks import Tasks
from models import mails, users
from models import one_time as secrets
from models.clock import now
from models.database import Database, Document
from models.ids import new_id

log = structlog.get_logger(__name__)

_LIFE_SECONDS = {"reset": limits.RESET_SECONDS, "verify": limits.VERIFY_SECONDS}


def job(kind: str, *, user: str | None = None, email_key: str = "", to: str | None = None) -> Document:
    """A mail to be sent, not yet stored."""
    moment = now()
    life = timedelta(seconds=outgoing.MAIL_LIFE_SECONDS)
    return mails.new_mail(new_id("mail"), kind, moment, moment + life, user=user, email_key=email_key, to=to)


def promised(kind: str, user: str, to: str | None = None) -> Insert:
    """The same as part of an operation; `MailJobs.wake` afterwards saves it the wait for the next look.

    `to` is where it goes if not to the user's address.
    """
    return Insert(mails.MAILS, job(kind, user=user, to=to))


class MailJobs:
    """One per process; all of them share the jobs."""

    def __init__(self, settings: Settings, database: Database, mailer: Mailer, tasks: Tasks) -> None:
        self._settings = settings
        self._database = database
        self._mailer = mailer
        self._loop = JobLoop(
            *("mail", self._claim, self._try, tasks),
            at_once=outgoing.MAILS_AT_ONCE,
            poll_seconds=outgoing.MAIL_POLL_SECONDS,
        )
        self.sent = 0
        self.given_up = 0

    async def add(self, kind: str, *, user: str | None = None, email_key: str = "") -> None:
        """Promise a mail. Raises `DatabaseError`."""
        await mails.add(self._database, job(kind, user=user, email_key=email_key))
        self.wake()

    def wake(self) -> None:
        self._loop.wake()

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self._loop.run()

    async def _claim(self) -> Document | None:
        moment = now()
        return await mails.claim(
            self._database, new_id("claim"), moment, moment + timedelta(seconds=outgoing.MAIL_LEASE_SECONDS)
        )

    async def _try(self, mail: Document) -> None:
        """One attempt, and what becomes of the job."""
        try:
            letter = await self._letter(mail)
            if letter is not None:
                async with asyncio.timeout(outgoing.MAIL_SECONDS_MAX):
                    await self._mailer.send(letter)
                self.sent += 1
        except (MailRefused, ValueError) as error:
            await self._give_up(mail, error)
        except (MailFailed, TimeoutError) as error:
            await self._try_later(mail, error)
        else:
            await mails.done(self._database, mail["_id"], mail["claim"])

    async def _try_later(self, mail: Document, error: Exception) -> None:
        pauses = outgoing.MAIL_RETRY_SECONDS
        if mail["attempts"] > len(pauses):
            await self._give_up(mail, error)
            return
        pause = pauses[mail["attempts"] - 1]
        log.warning("mail failed", mail=mail["_id"], kind=mail["kind"], error=str(error), retry_seconds=pause)
        await mails.again(self._database, mail["_id"], mail["claim"], now() + timedelta(seconds=pause))

    async def _give_up(self, mail: Document, error: Exception) -> None:
        self.given_up += 1
        log.error("mail given up", mail=mail["_id"], kind=mail["kind"], attempts=mail["attempts"], error=str(error))
        await mails.done(self._database, mail["_id"], mail["claim"])

    async def _letter(self, mail: Document) -> Letter | None:
        """None where there is nobody to write to, or nothing to say any more."""
        user = await self._addressee(mail)
        kind = mail["kind"]
        if user is None or user["status"] != "active" or (kind == "verify" and user["email_verified"]):
            return None
        link = await self._link(kind, user) if kind in _LIFE_SECONDS else None
        settings, to = self._settings, str(mail.get("to", user["email"]))
        return letters.compose(
            *(kind, mail["_id"], to, settings.mail_from, settings.public_url),
            name=user["first_name"],
            link=link,
        )

    async def _addressee(self, mail: Document) -> Document | None:
        if "user" in mail:
            return await users.by_id(self._database, mail["user"])
        return await users.by_email(self._database, mail["email_key"])

    async def _link(self, kind: str, user: Document) -> str:
        """A link with a secret made for this very letter, to the configured address whatever a request's host said."""
        secret, document = one_time.issue(kind, _LIFE_SECONDS[kind], user["_id"], email_key=user["email_key"])
        await secrets.add(self._database, document)
        return f"{self._settings.public_url}/auth/{kind}?token={secret}"
