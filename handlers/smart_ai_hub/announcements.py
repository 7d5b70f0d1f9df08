"""Announcements: `/api/announcements` for everybody, `/api/admin/announcements` for those who make them."""

from typing import Any

from config import limits
from handlers.access import admin, user
from handlers.actor import actor_of
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.terms import PAGE, answers, asks, takes
from hub import announcements, fields
from models import announcements as stored
from models.clock import timestamp
from models.database import Document


class AnnouncementInput(fields.Input):
    title = fields.Text(low=1, high=limits.NAME_CHARS_MAX, required=True)
    message = fields.Text(low=1, high=limits.ANNOUNCEMENT_CHARS_MAX, required=True)
    level = fields.Choice(stored.LEVELS, load_default="info")
    expiresAt = fields.FutureMoment(load_default=None, allow_none=False)  # else null would be taken


class Announcements(ApiHandler):
    """Those that are active, the newest first."""

    @user
    async def get(self) -> None:
        """What is announced to everybody."""
        self.answer([announcements.view(one) for one in await self.services.announcements.active()])


class AdminAnnouncements(ApiHandler):
    @admin
    @asks(*PAGE)
    async def get(self) -> None:
        """Every announcement, ended ones too."""
        limit, offset = self.page_window()
        found, total = await stored.page(self.services.database, skip=offset, limit=limit)
        self.answer_page("announcements", [_admin_view(one) for one in found], Page(limit, offset, total))

    @admin
    @takes(AnnouncementInput())
    @answers(201)
    async def post(self) -> None:
        """Announce something to everybody."""
        given = self.load_body()
        made = await self.services.announcements.announce(
            actor_of(self), given["title"], given["message"], given["level"], given["expiresAt"]
        )
        self.answer(_admin_view(made))


class AdminAnnouncement(ApiHandler):
    @admin
    async def delete(self, announcement_id: str) -> None:
        """End an announcement: it is shown no longer, and stays in the list of all."""
        await self.services.announcements.end(actor_of(self), announcement_id)
        self.answer(message="Announcement ended")


def _admin_view(announcement: Document) -> dict[str, Any]:
    ended_at = announcement["ended_at"]
    return {
        **announcements.view(announcement),
        "author": announcement["author"],
        "endedAt": None if ended_at is None else timestamp(ended_at),
    }


ROUTES = [
    Route("/api/announcements", Announcements, ("smart_ai_hub",)),
    Route("/api/admin/announcements", AdminAnnouncements, ("smart_ai_hub",), "admin"),
    Route("/api/admin/announcements/([A-Za-z0-9_]{1,64})", AdminAnnouncement, ("smart_ai_hub",), "admin"),
]
