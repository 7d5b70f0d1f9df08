"""Announcements to everybody: stored with their row of the audit log, then pushed to every open connection.

A page that is opened later asks for those that are active; so a push that is lost costs latency, not an announcement.
"""

from datetime import datetime

from config import limits
from hub import audit_trail
from hub.audit_trail import Actor
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Composed, Insert, Operation, Update
from hub.realtime.broker import ANNOUNCEMENTS, Broker, Publication
from models import announcements
from models.clock import now, timestamp
from models.database import Database, Document, Transaction
from models.ids import new_id


class Announcements:
    """One per process. All methods raise `HubError` where the ledger does."""

    def __init__(self, database: Database, ledger: Ledger, broker: Broker) -> None:
        self._database = database
        self._ledger = ledger
        self._broker = broker

    async def announce(
        self, actor: Actor, title: str, message: str, level: str, expires_at: datetime | None
    ) -> Document:
        """Tell everybody, until an end in the future where there is one."""
        moment = now()
        made = announcements.new_announcement(new_id("ann"), title, message, level, actor.user, moment, expires_at)
        after = {"title": title, "message": message, "level": level}
        trail = audit_trail.row(actor, "announcement.create", made["_id"], after=after)
        inserts = [Insert(announcements.ANNOUNCEMENTS, made), trail]
        await self._ledger.commit(Operation(made["_id"], inserts=inserts))
        self._broker.publish(ANNOUNCEMENTS, Publication("notice", "announcement", {"announcement": view(made)}))
        return made

    async def end(self, actor: Actor, announcement_id: str) -> None:
        """Show it no longer. Raises `HubError` NOT_FOUND, also when it has ended before."""
        ended_at = now()

        async def compose(transaction: Transaction) -> Operation:
            found = await announcements.within(transaction, announcement_id)
            if found is None or found["ended_at"] is not None:
                raise HubError(Code.NOT_FOUND, "No such announcement")
            trail = audit_trail.row(actor, "announcement.end", announcement_id, before={"title": found["title"]})
            change = Update(announcements.ANNOUNCEMENTS, {"_id": announcement_id}, {"$set": {"ended_at": ended_at}})
            return Operation(announcement_id, inserts=[trail], updates=[change])

        await self._ledger.commit(Composed(announcement_id, compose))
        ended = {"announcement_id": announcement_id}  # a push has no `id`: that would make it a reply
        self._broker.publish(ANNOUNCEMENTS, Publication("notice", "announcement.ended", ended))

    async def active(self) -> list[Document]:
        return await announcements.active(self._database, now(), limits.ANNOUNCEMENTS_ACTIVE_MAX)


def view(announcement: Document) -> Document:
    """As everybody sees it, on the socket and by REST."""
    expires_at = announcement["expires_at"]
    return {
        "id": announcement["_id"],
        "title": announcement["title"],
        "message": announcement["message"],
        "level": announcement["level"],
        "createdAt": timestamp(announcement["created_at"]),
        "expiresAt": None if expires_at is None else timestamp(expires_at),
    }
