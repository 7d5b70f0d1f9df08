"""The event that tells of a changed user, whoever changed them."""

from collections.abc import Iterable
from datetime import datetime

from hub.operations import NewEvent
from models.clock import timestamp


def updated(user: str, changed: Iterable[str], moment: datetime) -> NewEvent:
    """Names of fields alone: the administrator's feed shows events, and no addresses or numbers."""
    return NewEvent(user, "user.updated", {"user_id": user, "changed": list(changed), "updated_at": timestamp(moment)})
