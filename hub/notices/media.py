"""How notifications reach a user who has no page open: one contract for mail and browser push."""

from collections.abc import Sequence
from typing import Protocol

from models.database import Document


class TellFailed(Exception):
    """It did not go; it may the next time, no sooner than after `retry_after_seconds` where somebody said so."""

    def __init__(self, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


class TellRefused(Exception):
    """It did not go, and never will."""


class Medium(Protocol):
    """A way out of the hub for notifications."""

    async def tell(self, user: Document, notes: Sequence[Document]) -> None:
        """Tell a user (`models/users.py`) of notifications (`models/notifications.py`), oldest first: of each, or of many
        together. One call may repeat what an earlier one that failed has told in part.

        Raises `TellFailed`, `TellRefused` or `DatabaseError`.
        """
        ...
