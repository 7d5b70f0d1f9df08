"""Whom a webhook's troubles concern: its owner, or the administrators where it is the hub's own."""

from collections.abc import Sequence
from dataclasses import dataclass

from config import outgoing
from hub.notifications import notice
from hub.operations import Insert, NewEvent
from models import users
from models.database import Document, Transaction


@dataclass(frozen=True, slots=True)
class Told:
    """Notifications as parts of an operation."""

    inserts: Sequence[Insert]
    events: Sequence[NewEvent]


async def told(transaction: Transaction, endpoint: Document, title: str, text: str) -> Told:
    """One for each of them; of administrators at most `outgoing.ADMINISTRATORS_TOLD_MAX`."""
    whom = [endpoint["owner"]]
    if endpoint["owner"] is None:
        whom = await users.administrators_within(transaction, outgoing.ADMINISTRATORS_TOLD_MAX)
    notices = [notice(user, "warning", "webhooks", title, text) for user in whom]
    return Told([insert for insert, _ in notices], [event for _, event in notices])
