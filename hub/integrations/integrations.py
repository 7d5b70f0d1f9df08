"""A user's accounts at other companies: connected, tried, used, and disconnected. Google's are here, and Telegram's bots in
`hub/integrations/telegram.py`.

    connect --tokens, sealed--> INTEGRATIONS --opened, renewed when near their end--> Google's API
                                     +-- consent ended there: status `error`, and its user is told

Tokens are sealed at rest and opened for the one call that needs them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final, Self, TypeVar

import orjson
import structlog

from config import assistant
from config.settings import Settings
from hub.errors import Code, HubError
from hub.google import Google
from hub.google_sign_in import Beginning
from hub.integrations import uses
from hub.integrations.endings import UNREADABLE, broken, end, none
from hub.integrations.google_api import GoogleApi, Spreadsheet, TokenRefused
from hub.integrations.google_consent import SCOPES, GoogleConsent, Tokens
from hub.integrations.telegram import Telegram
from hub.ledger import Ledger
from hub.sealed import Sealed
from models import counters, integrations
from models.clock import now
from models.database import Database, Document
from models.ids import new_id

T = TypeVar("T")

log = structlog.get_logger(__name__)

_GOOGLE: Final = "google"
_GOOGLE_UNNAMED: Final = "Google"
_ENDED: Final = "Google says that the hub may not use this account any more"


class Integrations:
    """One per process. Methods raise `DatabaseError`, and `HubError` as they say."""

    def __init__(self, settings: Settings, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._google = Google(settings)
        self._consent = GoogleConsent(settings, database, self._google)
        self._api = GoogleApi(settings)
        self._sealed = Sealed(settings.jwt_secret, "integrations")
        self.telegram = Telegram(settings, database, ledger, self._sealed)

    @classmethod
    async def open(cls, settings: Settings, database: Database, ledger: Ledger) -> Self:
        """Must run in the loop that will use it."""
        made = cls(settings, database, ledger)
        await made._google.open()
        await made._api.open()
        await made.telegram.open()
        return made

    async def close(self) -> None:
        await self._google.close()
        await self._api.close()
        await self.telegram.close()

    async def of_user(self, user: str) -> list[Document]:
        return await integrations.of_user(self._database, user)

    def check_set_up(self) -> None:
        """Raises `HubError` UNAVAILABLE where this hub has no client at Google."""
        self._consent.check_set_up()

    # --- connecting ---------------------------------------------------------------------------------------------

    async def begin(self, user: str, browser: str) -> Beginning:
        """Towards Google's consent page. Raises `HubError` UNAVAILABLE."""
        return await self._consent.begin(user, browser)

    async def finish(self, state: str, browser: str, code: str) -> None:
        """The browser is back with a code. Raises `HubError`: FORBIDDEN, INVALID, CONFLICT, UNAVAILABLE."""
        user, verifier = await self._consent.finish(state, browser)
        await self._keep(user, await self._consent.exchange(code, None, verifier))

    async def connect(self, user: str, code: str, redirect_uri: str | None, project: int | None = None) -> Document:
        """By a code that a program of the user's has from Google; for a project of the user's, or where it was before.

        Raises `HubError`: INVALID, CONFLICT, UNAVAILABLE.
        """
        return await self._keep(user, await self._consent.exchange(code, redirect_uri, None), project)

    async def _keep(self, user: str, tokens: Tokens, project: int | None = None) -> Document:
        try:
            name = await self._api.account(tokens.access)
        except TokenRefused:
            raise HubError(Code.CONFLICT, "Google gave a token, and does not take it") from None
        moment = now()
        made = {
            "_id": new_id("integ"),
            "number": await counters.next_number(self._database, integrations.NUMBERS),
            "user": user,
            "type": _GOOGLE,
            "name": name or _GOOGLE_UNNAMED,
            "status": "connected",
            "sealed": self._seal(tokens),
            "renewed_at": moment,
            "connected_at": moment,
            "last_used": None,
            **({} if project is None else {"project": project}),
        }
        former = await integrations.of_type(self._database, user, _GOOGLE)
        kept = await integrations.put(self._database, made)
        if former is not None and former["name"] not in (kept["name"], _GOOGLE_UNNAMED):
            await self._revoke(former)  # of the same account it would take back what was given just now
        return kept

    async def disconnect(self, user: str, kind: str) -> None:
        """With its tokens, here and at Google. Raises `HubError` NOT_FOUND."""
        found = await integrations.remove(self._database, user, kind)
        if found is None:
            raise none(kind, Code.NOT_FOUND)
        if kind == self.telegram.TYPE:
            await self.telegram.disconnected(found)
        else:
            await self._revoke(found)

    async def _revoke(self, found: Document) -> None:
        try:
            await self._consent.revoke(self._open(found))
        except (HubError, ValueError) as error:  # it is gone here, which is what was asked for
            log.info("a consent was not taken back at Google", error=str(error)[:200])

    # --- using --------------------------------------------------------------------------------------------------

    async def connected(self, user: str, kind: str) -> Document:
        """One that can be used. Raises `HubError` CONFLICT, and how to connect it."""
        found = await integrations.of_type(self._database, user, kind)
        if found is None:
            raise none(kind, Code.CONFLICT)
        if found["status"] != "connected":
            raise broken(kind, found["error"])
        return found

    async def test(self, user: str, kind: str) -> dict[str, Any]:
        """Ask whose the account is, as it is now, and what may be done by it. One that answers can be used again, whatever
        it was marked as.

        Raises `HubError`: NOT_FOUND, CONFLICT, UNAVAILABLE.
        """
        found = await integrations.of_type(self._database, user, kind)
        if found is None:
            raise none(kind, Code.NOT_FOUND)
        told = await (self.telegram.test(found) if kind == self.telegram.TYPE else self._tried(found))
        await integrations.works(self._database, found, now())
        return told

    async def _tried(self, found: Document) -> dict[str, Any]:
        name = await self._using(found, self._api.account)
        _, tokens = await self._good(found)
        return {"account": name, "can_write_spreadsheets": not set(SCOPES).isdisjoint(tokens.scopes)}

    async def append_rows(self, user: str, spreadsheet_id: str, cells: str, rows: list[list[Any]]) -> str:
        """Below a table in a spreadsheet of the user's Google account; the range that was written.

        Raises `HubError`: CONFLICT, UNAVAILABLE.
        """
        google = await self.connected(user, _GOOGLE)
        return await self._using(google, lambda token: self._api.append(token, spreadsheet_id, cells, rows))

    async def new_spreadsheet(
        self, user: str, title: str, sheets: list[dict[str, Any]], bodies: Sequence[bytes]
    ) -> Spreadsheet:
        """In the user's Google account; `bodies` fill its sheets. One that cannot be filled is removed again.

        Raises `HubError`: CONFLICT, UNAVAILABLE.
        """
        google = await self.connected(user, _GOOGLE)
        made = await self._using(google, lambda token: self._api.create(token, title, sheets))
        try:
            for body in bodies:
                await self._using(google, partial(self._api.fill, spreadsheet_id=made.id, body=body))
        except BaseException:
            await self._remove_spreadsheet(google, made)
            raise
        return made

    async def _remove_spreadsheet(self, google: Document, made: Spreadsheet) -> None:
        try:
            await self._using(google, lambda token: self._api.delete(token, made.id))
        except HubError as error:
            log.warning("a spreadsheet was left half filled", error=error.message)

    async def _using(self, found: Document, call: Callable[[str], Awaitable[T]]) -> T:
        """What a call with a good access token gives. Raises `HubError`: CONFLICT, UNAVAILABLE."""
        latest, tokens = await self._good(found)
        try:
            done = await call(tokens.access)
        except TokenRefused:
            latest, tokens = await self._renewed(latest, tokens)
            done = await self._again(latest, call, tokens)
        await uses.note(self._database, found)
        return done

    async def _again(self, found: Document, call: Callable[[str], Awaitable[T]], tokens: Tokens) -> T:
        try:
            return await call(tokens.access)
        except TokenRefused:
            raise await end(self._ledger, found, _ENDED) from None

    async def _good(self, found: Document) -> tuple[Document, Tokens]:
        """An integration as it is by now, and its tokens, renewed where they are near their end."""
        latest = await integrations.of_type(self._database, found["user"], found["type"])
        if latest is None:
            raise none(found["type"], Code.CONFLICT)
        try:
            tokens = self._open(latest)
        except ValueError:
            raise await end(self._ledger, latest, UNREADABLE) from None
        margin = assistant.INTEGRATION_TOKEN_MARGIN_SECONDS
        if tokens.expires_at > now().timestamp() + margin:
            return latest, tokens
        return await self._renewed(latest, tokens)

    async def _renewed(self, found: Document, tokens: Tokens) -> tuple[Document, Tokens]:
        fresh = await self._consent.renew(tokens)
        if fresh is None:
            raise await end(self._ledger, found, _ENDED)
        moment = now()
        await integrations.renew(self._database, found, self._seal(fresh), moment)
        return {**found, "renewed_at": moment}, fresh

    # --- tokens -------------------------------------------------------------------------------------------------

    def _seal(self, tokens: Tokens) -> str:
        return self._sealed.seal(orjson.dumps(asdict(tokens)).decode())

    def _open(self, found: Mapping[str, Any]) -> Tokens:
        """Raises `ValueError`."""
        return Tokens(**orjson.loads(self._sealed.open(found["sealed"])))
