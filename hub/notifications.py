"""Notifications: told to a user, listed, and marked as read.

Telling and marking are operations of the ledger, so that the notification and the event that announces it on the user's
channel stand together or not at all. What a user does not want to be told is not stored: the settings are read in the same
transaction (`hub/committer.py`). Without `inApp` nothing is listed, counted or pushed; where mail or push are still wanted
the row stands hidden for `limits.EVENT_DAYS`, so that they can be delivered from it.
"""

from collections.abc import Mapping, Sequence

from config import limits
from hub.errors import Code, HubError
from hub.ledger import Ledger
from hub.operations import Insert, NewEvent, Operation, Telling, Update
from models import notification_settings, notifications
from models.clock import now, timestamp
from models.database import Database, Document
from models.ids import new_id


class Notifications:
    """One per process. All methods raise `HubError` where the ledger does."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    async def page(self, user: str, limit: int, before: str | None) -> tuple[list[Document], int]:
        """Newest first, and how many are unread in all."""
        found = await notifications.latest(self._database, user, limit=limit, before=before)
        return found, await notifications.unread(self._database, user)

    async def numbered_page(self, user: str, skip: int, limit: int, only_unread: bool) -> tuple[list[Document], int]:
        """Newest first, and how many there are in all."""
        return await notifications.page(self._database, user, skip=skip, limit=limit, only_unread=only_unread)

    async def read(self, user: str, notification_id: str) -> Document:
        """Mark one as read, once more too; the notification. Raises `HubError` NOT_FOUND for others' too."""
        found = await notifications.of_user(self._database, user, notification_id)
        if found is None:
            raise HubError(Code.NOT_FOUND, "No such notification")
        await self._mark(user, [] if found["read"] else [notification_id], {"ids": [notification_id]})
        return {**found, "read": True}

    async def settings(self, user: str) -> Document:
        """What the user wants to be told: `{media, categories}`, complete."""
        return notification_settings.complete(await notification_settings.of_user(self._database, user))

    async def change_settings(
        self, user: str, media: Mapping[str, bool], categories: Mapping[str, Mapping[str, bool]]
    ) -> Document:
        """Set what is given and leave the rest; the settings after it."""
        changed = await notification_settings.change(self._database, user, media, categories, now())
        return notification_settings.complete(changed)

    async def mark_read(self, user: str, ids: Sequence[str]) -> int:
        """Mark these as read; how many were not yet. Other people's and unknown ids change nothing."""
        unread = await notifications.unread_ids(self._database, user, ids=ids, limit=len(ids))
        return await self._mark(user, unread, {"ids": unread})

    async def mark_all_read(self, user: str) -> int:
        """Mark all as read, in portions that a transaction carries; the last one announces the end."""
        marked = 0
        while unread := await notifications.unread_ids(
            self._database, user, ids=None, limit=limits.NOTIFICATIONS_MARKED_AT_ONCE
        ):
            last = len(unread) < limits.NOTIFICATIONS_MARKED_AT_ONCE
            marked += await self._mark(user, unread, {"all": True} if last else {"ids": unread})
            if last:
                break
        return marked

    async def _mark(self, user: str, ids: list[str], data: Document) -> int:
        if not ids:
            return 0
        mark = {"$set": {"read": True}}
        updates = [Update(notifications.NOTIFICATIONS, {"_id": one, "user": user}, mark) for one in ids]
        event = NewEvent(user, "notification.read", data)
        await self._ledger.commit(Operation(id=new_id("op"), updates=updates, events=[event]))
        return len(ids)


def notice(user: str, kind: str, category: str, title: str, message: str) -> tuple[Insert, NewEvent]:
    """A notification as parts of an operation that does something else too; they obey the user's settings.

    `category` is one of `notification_settings.CATEGORIES`. Of a user who only comes to be with the operation no
    settings are known, and nothing leaves the hub: nobody knows a browser of theirs, or that the address is theirs.
    """
    telling = Telling(user, category)
    document = notifications.new_notification(new_id("notif"), user, kind, category, title, message, now())
    insert = Insert(notifications.NOTIFICATIONS, document, telling=telling)
    return insert, NewEvent(user, "notification.created", view(document), telling)


def view(document: Document) -> Document:
    """A notification as its owner sees it."""
    return {
        "id": document["_id"],
        "type": document["type"],
        "category": document["category"],
        "title": document["title"],
        "message": document["message"],
        "read": document["read"],
        "created_at": timestamp(document["created_at"]),
    }
