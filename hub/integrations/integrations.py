"""A user's accounts at other companies: connected, tried and disconnected, each in its company's own way (company.py).

What they are used for is the companies' own matter: `google_accounts.py`, `telegram.py`.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

from config.settings import Settings
from hub.errors import Code
from hub.integrations.company import Company
from hub.integrations.endings import not_connected
from hub.integrations.google_accounts import GoogleAccounts
from hub.integrations.telegram import Telegram
from hub.ledger import Ledger
from hub.sealed import Sealed
from models import integrations
from models.clock import now
from models.database import Database, Document

_PURPOSE: Final = "integrations"  # of the key that credentials are sealed by


class Integrations:
    """One per process. Methods raise `DatabaseError`, and `HubError` as they say. `kind` is one of `integrations.TYPES`."""

    def __init__(self, settings: Settings, database: Database, ledger: Ledger) -> None:
        self._database = database
        sealed = Sealed(settings.jwt_secret, _PURPOSE)
        self.google = GoogleAccounts(settings, database, ledger, sealed)
        self.telegram = Telegram(settings, database, ledger, sealed)
        self._companies: Mapping[str, Company] = {"google": self.google, "telegram": self.telegram}

    @classmethod
    async def open(cls, settings: Settings, database: Database, ledger: Ledger) -> Self:
        """Must run in the loop that will use it."""
        made = cls(settings, database, ledger)
        for company in made._companies.values():
            await company.open()
        return made

    async def close(self) -> None:
        for company in self._companies.values():
            await company.close()

    async def of_user(self, user: str) -> list[Document]:
        return await integrations.of_user(self._database, user)

    async def connect(self, user: str, kind: str, given: Mapping[str, Any], project: int | None = None) -> Document:
        """By what the company gave for it; for a project of the user's, or where it was before.

        Raises `HubError`: INVALID, CONFLICT, UNAVAILABLE, OUTCOME_UNKNOWN.
        """
        return await self._companies[kind].connect(user, given, project)

    def webhook_url(self, found: Document) -> str | None:
        """Where its company sends what happens there; None where it sends nothing."""
        return self._companies[found["type"]].webhook_url(found)

    async def test(self, user: str, kind: str) -> dict[str, Any]:
        """Ask whose the account is, as it is now, and what may be done by it. One that answers can be used again, whatever
        it was marked as.

        Raises `HubError`: NOT_FOUND, CONFLICT, UNAVAILABLE.
        """
        found = await integrations.of_type(self._database, user, kind)
        if found is None:
            raise not_connected(kind, Code.NOT_FOUND)
        told = await self._companies[kind].test(found)
        await integrations.works(self._database, found, now())
        return told

    async def disconnect(self, user: str, kind: str) -> None:
        """With its credentials, here and at its company. Raises `HubError` NOT_FOUND."""
        found = await integrations.remove(self._database, user, kind)
        if found is None:
            raise not_connected(kind, Code.NOT_FOUND)
        await self._companies[kind].disconnected(found)
