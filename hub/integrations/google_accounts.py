"""A user's Google account: connected by a consent, tried, and written to by spreadsheets.

    connect --tokens, sealed--> INTEGRATIONS --opened, renewed when near their end--> Google's API
                                     +-- consent ended there: status `error`, and its user is told

Tokens are sealed at rest and opened for the one call that needs them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final, TypeVar

import orjson
import structlog

from config import assistant
from config.settings import Settings
from hub.errors import Code, HubError
from hub.google import Google
from hub.google_sign_in import Beginning
from hub.integrations import uses
from hub.integrations.endings import UNREADABLE, mark_broken, not_connected
from hub.integrations.google_api import GoogleApi, Spreadsheet, TokenRefused
from hub.integrations.google_consent import SCOPES, GoogleConsent, Tokens
from hub.ledger import Ledger
from hub.sealed import Sealed
from models import counters, integrations
from models.clock import now
from models.database import Database, Document
from models.ids import new_id

T = TypeVar("T")

log = structlog.get_logger(__name__)

_KIND: Final = "google"
_UNNAMED: Final = "Google"
_ENDED: Final = "Google says that the hub may not use this account any more"


class GoogleAccounts:
    """One per process. Methods raise `DatabaseError`, and `HubError` as they say."""

    def __init__(self, settings: Settings, database: Database, ledger: Ledger, sealed: Sealed) -> None:
        self._database = database
        self._ledger = ledger
        self._google = Google(settings)
        self._consent = GoogleConsent(settings, database, self._google)
        self._api = GoogleApi(settings)
        self._sealed = sealed

    async def open(self) -> None:
        """Must run in the loop that will use it."""
        await self._google.open()
        await self._api.open()

    async def close(self) -> None:
        await self._google.close()
        await self._api.close()

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

    async def connect(self, user: str, given: Mapping[str, Any], project: int | None) -> Document:
        """By an `oauth_code` that a program of the user's has from Google, for the `redirect_uri` that is given.

        Raises `HubError`: INVALID, CONFLICT, UNAVAILABLE.
        """
        tokens = await self._consent.exchange(given["oauth_code"], given.get("redirect_uri"), None)
        return await self._keep(user, tokens, project)

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
            "type": _KIND,
            "name": name or _UNNAMED,
            "status": "connected",
            "sealed": self._seal(tokens),
            "renewed_at": moment,
            "connected_at": moment,
            "last_used": None,
            **({} if project is None else {"project": project}),
        }
        former = await integrations.of_type(self._database, user, _KIND)
        kept = await integrations.put(self._database, made)
        if former is not None and former["name"] not in (kept["name"], _UNNAMED):
            await self.disconnected(former)  # of the same account it would take back what was given just now
        return kept

    def webhook_url(self, found: Document) -> None:
        """Google sends nothing."""

    async def disconnected(self, found: Document) -> None:
        """Take the consent back at Google, of an account that is connected no more."""
        try:
            await self._consent.revoke(self._open(found))
        except (HubError, ValueError) as error:  # it is gone here, which is what was asked for
            log.info("a consent was not taken back at Google", error=str(error)[:200])

    # --- using --------------------------------------------------------------------------------------------------

    async def test(self, found: Document) -> dict[str, Any]:
        """Whose the account is, as it is now, and what may be done by it. Raises `HubError`: CONFLICT, UNAVAILABLE."""
        name = await self._using(found, self._api.account)
        _, tokens = await self._good(found)
        return {"account": name, "can_write_spreadsheets": not set(SCOPES).isdisjoint(tokens.scopes)}

    async def connected(self, user: str) -> Document:
        """One that can be used. Raises `HubError` CONFLICT, and how to connect it."""
        return await uses.connected(self._database, user, _KIND)

    async def append_rows(self, user: str, spreadsheet_id: str, cells: str, rows: list[list[Any]]) -> str:
        """Below a table in a spreadsheet of the user's Google account; the range that was written.

        Raises `HubError`: CONFLICT, UNAVAILABLE, OUTCOME_UNKNOWN where they may have been added.
        """
        google = await self.connected(user)
        return await self._using(google, lambda token: self._api.append(token, spreadsheet_id, cells, rows))

    async def new_spreadsheet(
        self, user: str, title: str, sheets: list[dict[str, Any]], bodies: Sequence[bytes]
    ) -> Spreadsheet:
        """In the user's Google account; `bodies` fill its sheets. One that cannot be filled is removed again.

        Raises `HubError`: CONFLICT, UNAVAILABLE.
        """
        google = await self.connected(user)
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
            raise await mark_broken(self._ledger, found, _ENDED) from None

    async def _good(self, found: Document) -> tuple[Document, Tokens]:
        """An integration as it is by now, and its tokens, renewed where they are near their end."""
        latest = await integrations.of_type(self._database, found["user"], found["type"])
        if latest is None:
            raise not_connected(found["type"], Code.CONFLICT)
        try:
            tokens = self._open(latest)
        except ValueError:
            raise await mark_broken(self._ledger, latest, UNREADABLE) from None
        margin = assistant.INTEGRATION_TOKEN_MARGIN_SECONDS
        if tokens.expires_at > now().timestamp() + margin:
            return latest, tokens
        return await self._renewed(latest, tokens)

    async def _renewed(self, found: Document, tokens: Tokens) -> tuple[Document, Tokens]:
        fresh = await self._consent.renew(tokens)
        if fresh is None:
            raise await mark_broken(self._ledger, found, _ENDED)
        moment = now()
        await integrations.renew(self._database, found, self._seal(fresh), moment)
        return {**found, "renewed_at": moment}, fresh

    # --- tokens -------------------------------------------------------------------------------------------------

    def _seal(self, tokens: Tokens) -> str:
        return self._sealed.seal(orjson.dumps(asdict(tokens)).decode())

    def _open(self, found: Mapping[str, Any]) -> Tokens:
        """Raises `ValueError`."""
        return Tokens(**orjson.loads(self._sealed.open(found["sealed"])))
