"""`send_email`: the letter is written in the transaction that ends its step, and so exists exactly once.

From there it is sent by `hub/workflows/post.py`, always under the same Message-ID. How many a user writes in a day is
counted where they are written (`hub/workflows/running/letters.py`).
"""

from datetime import timedelta

from config import workflows as limits
from hub.operations import Insert
from hub.workflows.running.runners.work import Done, Work
from models import workflow_letters
from models.workflow_letters import WORKFLOW_LETTERS


def letter(work: Work, to: str, subject: str, body: str) -> Insert:
    """A letter that this step writes."""
    expires_at = work.at + timedelta(days=limits.LETTER_DAYS)
    whose = (f"letter_{work.name}", work.execution["user"], work.execution["_id"])
    return Insert(WORKFLOW_LETTERS, workflow_letters.new_letter(*whose, to, subject, body, work.at, expires_at))


class SendEmail:
    """Runs `send_email`. One per process; `domain` is that of our own address."""

    def __init__(self, domain: str) -> None:
        self._domain = domain

    async def __call__(self, work: Work) -> Done:
        to, subject, body = (work.inputs[name] for name in ("to", "subject", "body"))
        output = {"message_id": f"<letter_{work.name}@{self._domain}>", "to": to, "subject": subject}
        return work.done(output, inserts=[letter(work, to, subject, body)])
