"""Notifications: a list, read marks, and the settings that say what a user wants to be told by which medium."""

from collections.abc import Mapping
from typing import Any, Final

from handlers.access import scope
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, asks, flag, takes
from hub.fields import Flag, Input, Nested, together
from models.clock import timestamp
from models.notification_settings import CATEGORIES, MEDIA

Json = dict[str, Any]


class MediaInput(Input):
    email = Flag()
    push = Flag()
    inApp = Flag()


class SettingsInput(Input):
    emailNotifications = Flag()
    pushNotifications = Flag()
    inAppNotifications = Flag()
    categories = Nested(Input.from_dict({name: Nested(MediaInput) for name in CATEGORIES}))


_UNREAD: Final = flag("unread", "Whether what was read is left out")


class Notifications(ApiHandler):
    """Newest first."""

    @scope("account:read")
    @asks(*PAGE, _UNREAD)
    async def get(self) -> None:
        """The caller's notifications."""
        (limit, offset), unread = together(self.page_window, lambda: self.query_flag(_UNREAD.name))
        found, total = await self.services.notifications.numbered_page(self.caller.user_id, offset, limit, unread)
        self.answer_page("notifications", [view(document) for document in found], Page(limit, offset, total))


class Read(ApiHandler):
    @scope("account:write")
    async def put(self, notification_id: str) -> None:
        """Mark a notification as read."""
        self.answer(view(await self.services.notifications.read(self.caller.user_id, notification_id)))


class ReadAll(ApiHandler):
    @scope("account:write")
    async def put(self) -> None:
        """Mark every notification as read."""
        marked = await self.services.notifications.mark_all_read(self.caller.user_id)
        self.answer({"marked": marked}, message="All notifications are marked as read")


class Settings(ApiHandler):
    """What is not given in a change stays as it is."""

    @scope("account:read")
    async def get(self) -> None:
        """What the caller wants to be told, by which medium."""
        self.answer(settings_view(await self.services.notifications.settings(self.caller.user_id)))

    @scope("account:write")
    @takes(SettingsInput())
    async def put(self) -> None:
        """Choose what to be told, by which medium."""
        given = self.load_body()
        media: dict[str, bool] = {medium: given[_switch(medium)] for medium in MEDIA if _switch(medium) in given}
        categories = given.get("categories", {})
        changed = await self.services.notifications.change_settings(self.caller.user_id, media, categories)
        self.answer(settings_view(changed))


def _switch(medium: str) -> str:
    """What the document calls the switch of a whole medium."""
    return f"{medium}Notifications"


def view(document: Mapping[str, Any]) -> Json:
    return {
        "id": document["_id"],
        "type": document["type"],
        "category": document["category"],
        "title": document["title"],
        "message": document["message"],
        "read": document["read"],
        "createdAt": timestamp(document["created_at"]),
    }


def settings_view(settings: Mapping[str, Any]) -> Json:
    return {
        **{_switch(medium): settings["media"][medium] for medium in MEDIA},
        "categories": settings["categories"],
    }


ROUTES = [
    Route("/api/notifications", Notifications, ("smart_ai_hub",)),
    Route("/api/notifications/([A-Za-z0-9_]{1,64})/read", Read, ("smart_ai_hub",)),
    Route("/api/notifications/read-all", ReadAll, ("smart_ai_hub",)),
    Route("/api/notifications/settings", Settings, ("smart_ai_hub",)),
]
