"""Google's APIs as the hub uses them: spreadsheets made and filled, and whose account it is. Plain JSON over HTTPS.

It knows no user of ours: each call is given an access token, and raises `TokenRefused` where another one may do. All other
failures are `HubError`s: UNAVAILABLE, CONFLICT for what Google does not allow, and OUTCOME_UNKNOWN where rows may have been
added.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson

from config import assistant
from config.settings import Settings
from hub.errors import Code, HubError
from hub.integrations.calls import CompanyApi, away, unknown
from hub.retry_after import retry_after_seconds

_PAUSES: Final = (0.5, 2.0)  # seconds before a call is made again that Google could not take just then
_LATER: Final = (429, 500, 502, 503, 504)
_NOT_BEGUN: Final = (429, 503)  # after the others it may have been done: what must not be done twice is not asked again
_REFUSED: Final = (400, 404)  # no such spreadsheet or range: another time is no better
_away: Final = partial(away, "google")
_unknown: Final = partial(unknown, "google")


class TokenRefused(Exception):
    """The access token is not good, or not any more."""


@dataclass(frozen=True, slots=True)
class Spreadsheet:
    """One that was made: Google's id, the address for a browser, and the titles of its sheets."""

    id: str
    url: str
    sheets: tuple[str, ...]


class GoogleApi(CompanyApi):
    """One per process."""

    def __init__(self, settings: Settings) -> None:
        self._sheets = f"{settings.google_sheets_url}/v4/spreadsheets"
        self._drive = f"{settings.google_drive_url}/drive/v3"

    async def account(self, token: str) -> str:
        """The e-mail address of the account that a token is of."""
        answer = await self._call("GET", f"{self._drive}/about?fields=user(emailAddress)", token)
        return str(answer.get("user", {}).get("emailAddress", ""))

    async def create(self, token: str, title: str, sheets: list[dict[str, Any]]) -> Spreadsheet:
        """An empty spreadsheet; of `sheets` each has a `title`, `rows` and `columns`."""
        body = {"properties": {"title": title}, "sheets": [_sheet(sheet) for sheet in sheets]}
        fields = "spreadsheetId,spreadsheetUrl,sheets.properties.title"
        made = await self._call("POST", f"{self._sheets}?fields={fields}", token, orjson.dumps(body), _NOT_BEGUN)
        try:
            titles = tuple(str(sheet["properties"]["title"]) for sheet in made["sheets"])
            return Spreadsheet(str(made["spreadsheetId"]), str(made["spreadsheetUrl"]), titles)
        except (LookupError, TypeError) as error:
            raise _away("its answer names no spreadsheet") from error

    async def fill(self, token: str, spreadsheet_id: str, body: bytes) -> None:
        """Write cells: `body` is one of `values:batchUpdate`. Done twice it comes to the same."""
        await self._call("POST", f"{self._sheets}/{quote(spreadsheet_id, '')}/values:batchUpdate", token, body)

    async def append(self, token: str, spreadsheet_id: str, cells: str, rows: list[list[Any]]) -> str:
        """Add rows below a table, as they are: no text becomes a formula. The range that was written.

        Asked once: where no answer comes the rows may have, and would stand there twice.
        """
        where = f"{quote(spreadsheet_id, '')}/values/{quote(cells, '')}:append"
        options = "valueInputOption=RAW&insertDataOption=INSERT_ROWS"
        body = orjson.dumps({"majorDimension": "ROWS", "values": rows})
        try:
            status, after, answer = await self._asked("POST", f"{self._sheets}/{where}?{options}", token, body)
        except aiohttp.ClientConnectorError as error:
            raise _away(f"{type(error).__name__}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unknown(type(error).__name__) from error
        if status in _NOT_BEGUN:
            raise _away(f"status {status}: {_said(answer)}", retry_after_seconds(after))
        if status in _LATER:
            raise _unknown(f"status {status}: {_said(answer)}")
        if status in _REFUSED:
            raise HubError(Code.CONFLICT, f"Google does not do this: {_said(answer)}")
        written = _checked(status, answer).get("updates")
        return str(written.get("updatedRange", cells)) if isinstance(written, dict) else cells

    async def delete(self, token: str, spreadsheet_id: str) -> None:
        await self._call("DELETE", f"{self._drive}/files/{quote(spreadsheet_id, '')}", token)

    async def _call(
        self, method: str, url: str, token: str, body: bytes | None = None, again: Collection[int] = _LATER
    ) -> dict[str, Any]:
        """The answer of one call, made again after the statuses of `again`: Google could not take it."""
        for pause in _PAUSES:
            status, _, answer = await self._once(method, url, token, body)
            if status not in again:
                return _checked(status, answer)
            await asyncio.sleep(pause)
        status, after, answer = await self._once(method, url, token, body)
        if status in _LATER:
            raise _away(f"status {status}: {_said(answer)}", retry_after_seconds(after))
        return _checked(status, answer)

    async def _once(self, method: str, url: str, token: str, body: bytes | None) -> tuple[int, str | None, Any]:
        try:
            return await self._asked(method, url, token, body)
        except (aiohttp.ClientError, OSError) as error:
            raise _away(f"{type(error).__name__}: {error}") from error

    async def _asked(self, method: str, url: str, token: str, body: bytes | None) -> tuple[int, str | None, Any]:
        """The status, Retry-After, and the answer. Raises what aiohttp does."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        call = self._session.request(method, url, data=body, headers=headers, allow_redirects=False)
        async with call as response:
            text = await _read(response)
        return response.status, response.headers.get("Retry-After"), _parsed(text)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    kept = bytearray()
    async for piece in response.content.iter_any():
        kept += piece
        if len(kept) > assistant.INTEGRATION_ANSWER_BYTES_MAX:
            raise _away("its answer is too large")
    return bytes(kept)


def _parsed(text: bytes) -> Any:
    """Whatever is no JSON counts as an empty object; a successful deletion says nothing."""
    try:
        return orjson.loads(text) if text else {}
    except ValueError:
        return {}


def _checked(status: int, answer: Any) -> dict[str, Any]:
    if status == 401:
        raise TokenRefused
    if status == 403:
        raise HubError(Code.CONFLICT, f"Google does not allow this: {_said(answer)}")
    if not 200 <= status < 300 or not isinstance(answer, dict):
        raise _away(f"status {status}: {_said(answer)}")
    return answer


def _said(answer: Any) -> str:
    """Google's own words, where it has any."""
    try:
        return str(answer["error"]["message"])[: assistant.INTEGRATION_SAID_CHARS_MAX]
    except (LookupError, TypeError):
        return "it gives no reason"


def _sheet(sheet: dict[str, Any]) -> dict[str, Any]:
    grid = {"rowCount": sheet["rows"], "columnCount": sheet["columns"]}
    frozen = {"frozenRowCount": 1} if sheet["rows"] > 1 else {}  # Google refuses a sheet that is frozen as a whole
    return {"properties": {"title": sheet["title"], "gridProperties": {**grid, **frozen}}}
