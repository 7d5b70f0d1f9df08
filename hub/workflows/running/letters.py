"""How many letters a user's workflows may write in a day, and what becomes of steps for whose letters there is no room."""

from collections.abc import Sequence
from datetime import datetime

from config import workflows as limits
from hub.errors import Code, HubError
from hub.operations import Insert
from hub.workflows.running.runners.work import Done, Failed
from hub.workflows.running.stepping import failed
from hub.workflows.running.steps import Step
from models import users, workflow_letters
from models.database import Transaction
from models.workflow_letters import WORKFLOW_LETTERS


class LettersUsedUp(HubError):
    """The user's workflows have written as many letters today as they may: there is room for `room` more."""

    def __init__(self, room: int, message: str) -> None:
        super().__init__(Code.RATE_LIMITED, message)
        self.room = room


def letters_of(inserts: Sequence[Insert]) -> int:
    """How many of these are letters."""
    return sum(insert.collection == WORKFLOW_LETTERS for insert in inserts)


async def check_letters(transaction: Transaction, user: str, today: datetime, wanted: int) -> None:
    """Who has not confirmed an address may be anybody, and writes few. Raises `LettersUsedUp`."""
    owner = await users.within(transaction, user)
    is_known = owner is not None and owner["email_verified"]
    most = limits.LETTERS_PER_DAY_MAX if is_known else limits.LETTERS_UNCONFIRMED_PER_DAY_MAX
    room = most - await workflow_letters.count_within(transaction, user, today, most)
    if wanted > room:
        whose = "" if is_known else " whose owner has not confirmed the e-mail address"
        raise LettersUsedUp(room, f"{most} mails a day are sent by workflows{whose}, and were today")


def within_room(ended: Sequence[tuple[Step, Done]], room: int, message: str) -> list[tuple[Step, Done]]:
    """What came of these steps where only so many letters can be written: the others of them have failed, as `message`
    says.
    """
    kept = []
    for step, done in ended:
        wanted = letters_of(done.inserts)
        if wanted > room:
            done = failed(step, Failed("letters", message, temporary=True))
            wanted = 0
        room -= wanted
        kept.append((step, done))
    return kept
