"""`send_email`: the letter is written in the transaction that ends its step, and so exists exactly once.

From there it is sent by `hub/workflows/post.py`, always under the same Message-ID.
"""

from datetime import timedelta

from config import workflows as limits
from hub.operations import Insert
from hub.workflows.runners.work import Done, Failed, Work
from models import workflow_letters
from models.database import Database
from models.usage import day_of
from models.workflow_letters import WORKFLOW_LETTERS


def letter(work: Work, to: str, subject: str, body: str) -> Insert:
    """A letter that this step writes."""
    expires_at = work.at + timedelta(days=limits.LETTER_DAYS)
    whose = (f"letter_{work.name}", work.execution["user"], work.execution["_id"])
    return Insert(WORKFLOW_LETTERS, workflow_letters.new_letter(*whose, to, subject, body, work.at, expires_at))


class SendEmail:
    """Runs `send_email`. One per process; `domain` is that of our own address."""

    def __init__(self, database: Database, domain: str) -> None:
        self._database = database
        self._domain = domain

    async def __call__(self, work: Work) -> Done:
        """Raises `Failed` where the user has written so many today, which may be tried again."""
        await self._check_room(work)
        to, subject, body = (work.inputs[name] for name in ("to", "subject", "body"))
        output = {"message_id": f"<letter_{work.name}@{self._domain}>", "to": to, "subject": subject}
        return work.done(output, inserts=[letter(work, to, subject, body)])

    async def _check_room(self, work: Work) -> None:
        most = limits.LETTERS_PER_DAY_MAX
        if await workflow_letters.count_since(self._database, work.execution["user"], day_of(work.at), most) >= most:
            raise Failed("letters", f"{most} mails a day are sent by workflows, and were today", temporary=True)
