"""Notification settings: what a user wants to be told of, and by which medium.

`{_id: user, media: {email, push, inApp}, categories: {account: {email, push, inApp}, ...}, updated_at}`. Only what
a user has set is there; everything else is wanted. A medium reaches a user for a category where both its switch and the
category's are on. Mails of `hub/mail_jobs.py` are none of these: an account's safety needs them, and no setting stops them.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from models.collection_shape import CollectionShape
from models.database import Database, Document

NOTIFICATION_SETTINGS: Final = "notification_settings"
MEDIA: Final = ("email", "push", "inApp")
CATEGORIES: Final = ("account", "billing", "security", "system", "webhooks", "workflows")

SHAPES = (CollectionShape(NOTIFICATION_SETTINGS),)


def complete(stored: Mapping[str, Any] | None) -> Document:
    """The settings with everything that was never set."""
    given = stored or {}
    categories = given.get("categories", {})
    return {
        "media": {medium: given.get("media", {}).get(medium, True) for medium in MEDIA},
        "categories": {
            name: {medium: categories.get(name, {}).get(medium, True) for medium in MEDIA} for name in CATEGORIES
        },
    }


def wanted(stored: Mapping[str, Any] | None, category: str) -> list[str]:
    """The media by which a user wants to hear of a category."""
    if stored is None:
        return list(MEDIA)
    media, of_category = stored.get("media", {}), stored.get("categories", {}).get(category, {})
    return [medium for medium in MEDIA if media.get(medium, True) and of_category.get(medium, True)]


async def of_user(database: Database, user: str) -> Document | None:
    return await database[NOTIFICATION_SETTINGS].find_one({"_id": {"$eq": user}})


async def change(
    database: Database,
    user: str,
    media: Mapping[str, bool],
    categories: Mapping[str, Mapping[str, bool]],
    moment: datetime,
) -> Document | None:
    """Set these switches and no others, at once: two changes at the same time both hold. The document after it."""
    switches: Document = {f"media.{medium}": on for medium, on in media.items()}
    switches |= {
        f"categories.{name}.{medium}": on for name, given in categories.items() for medium, on in given.items()
    }
    update = {"$set": {**switches, "updated_at": moment}}
    return await database[NOTIFICATION_SETTINGS].find_one_and_update({"_id": {"$eq": user}}, update, upsert=True)
