"""Notifications by mail: one letter for one, and one for many together.

When one is due is the matter of `hub/notices/jobs.py`. Each letter has a link for each category in it, by which that is
switched off (`hub/notices/unsubscribe.py`), and the same for mail programs as a header: of several categories the
header's link switches off all mail, for there is but one.
"""

from collections.abc import Sequence
from typing import Any, Final

from config import outgoing
from config.settings import Settings
from hub import letters
from hub.mail import Letter, Mailer, MailFailed, MailRefused
from hub.notices.media import TellFailed, TellRefused
from hub.notices.unsubscribe import ALL, Unsubscribing
from models.database import Document

_ONE_CLICK: Final = "List-Unsubscribe=One-Click"


class MailNotices:
    """The medium `email`."""

    def __init__(self, settings: Settings, mailer: Mailer, unsubscribing: Unsubscribing) -> None:
        self._settings = settings
        self._mailer = mailer
        self._unsubscribing = unsubscribing

    async def tell(self, user: Document, notes: Sequence[Document]) -> None:
        """Mail a user of notifications, oldest first, in one letter. Raises `TellFailed` or `TellRefused`."""
        try:
            await self._mailer.send(self._letter(user, notes))
        except MailFailed as error:
            raise TellFailed(str(error)) from error
        except (MailRefused, ValueError) as error:
            raise TellRefused(str(error)) from error

    def _letter(self, user: Document, notes: Sequence[Document]) -> Letter:
        """The same notifications have the same id: where a crash has a letter sent twice, programs see that it is
        one.
        """
        newest = notes[-1]
        categories = sorted({note["category"] for note in notes})
        return letters.written(
            "notice" if len(notes) == 1 else "notices",
            f"mail_{newest['_id'].removeprefix('notif_')}{len(notes):03}",
            *(user["email"], self._settings.mail_from),
            subject=newest["title"] if len(notes) == 1 else f"{len(notes)} notifications",
            facts={
                "name": user["first_name"],
                "public_url": self._settings.public_url,
                "links": [(category, self._unsubscribing.link(user["_id"], category)) for category in categories],
                "all_link": self._unsubscribing.link(user["_id"], ALL),
                **_shown(notes),
            },
            headers=self._headers(user["_id"], categories),
            is_repeatable=True,
        )

    def _headers(self, user: str, categories: Sequence[str]) -> dict[str, str]:
        what = categories[0] if len(categories) == 1 else ALL
        return {
            "List-Unsubscribe": f"<{self._unsubscribing.link(user, what)}>",
            "List-Unsubscribe-Post": _ONE_CLICK,
        }


def _shown(notes: Sequence[Document]) -> dict[str, Any]:
    """The newest ones, newest first, under their categories in the order of each one's newest; and how many more."""
    shown = list(reversed(notes))[: outgoing.NOTICES_PER_LETTER_MAX]
    groups: dict[str, list[Document]] = {}
    for note in shown:
        groups.setdefault(note["category"], []).append(note)
    return {"groups": groups, "more": len(notes) - len(shown)}
