"""What every company's accounts can do, whatever else they are for."""

from collections.abc import Mapping
from typing import Any, Protocol

from models.database import Document


class Company(Protocol):
    """Methods raise `DatabaseError` and `HubError`."""

    async def open(self) -> None:
        """Must run in the loop that will use it."""

    async def close(self) -> None: ...

    async def connect(self, user: str, given: Mapping[str, Any], project: int | None) -> Document:
        """An account by what the company gave for it; for a project of the user's, or where it was before."""

    def webhook_url(self, found: Document) -> str | None:
        """Where the company sends what happens to an account; None where it sends nothing."""

    async def test(self, found: Document) -> dict[str, Any]:
        """Ask the company whose the account is, as it is now, and what may be done by it."""

    async def disconnected(self, found: Document) -> None:
        """Take back at the company what an account that is gone here was connected by; whether it can be or not."""
