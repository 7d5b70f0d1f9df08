"""Exports of a finished analysis: as a workbook, or into a spreadsheet of its user's Google account.

Both are made by a child process: neither the results nor what is made of them is looked at in the hub's own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import orjson

from config import assistant
from hub.analyser.child_process import ChildFailed, ChildInterrupted, Children
from hub.analyser.jobs import Analyses
from hub.errors import Code, HubError
from hub.integrations.google_api import Spreadsheet
from hub.integrations.integrations import Integrations
from models.database import Document

_CHILD: Final = "hub.analyser.export_child"
_RETRY_SECONDS: Final = 5.0


class Exports:
    """One per process."""

    def __init__(self, analyses: Analyses, integrations: Integrations, children: Children) -> None:
        self._children = children
        self._analyses = analyses
        self._google = integrations.google
        self._workbooks, self._spreadsheets = _Turns(), _Turns()  # the latter wait for Google, the former need not

    async def workbook(self, user: str, analysis_id: str, include_examples: bool) -> bytes:
        """The bytes of an .xlsx file. Raises `HubError`: NOT_FOUND, CONFLICT (nothing to export), UNAVAILABLE."""
        analysis = await self._analyses.find(user, analysis_id)
        async with self._workbooks.one():
            return await self._made("xlsx", analysis, include_examples)

    async def spreadsheet(self, user: str, analysis_id: str, name: str | None, include_examples: bool) -> Spreadsheet:
        """A new spreadsheet in the user's Google account; its turn lasts until Google has all of it.

        Raises `HubError`: NOT_FOUND, CONFLICT (nothing to export, or no Google account), UNAVAILABLE.
        """
        self._google.check_set_up()
        await self._google.connected(user)  # before anything is made
        analysis = await self._analyses.find(user, analysis_id)
        title = name or f"API analysis {analysis_id}"
        try:
            async with self._spreadsheets.one(), asyncio.timeout(assistant.EXPORT_SECONDS_MAX):
                # Nothing but the split lines is kept of what was made, for as long as Google takes to read them.
                sheets, *values = (await self._made("sheets", analysis, include_examples)).split(b"\n")
                return await self._google.new_spreadsheet(user, title, orjson.loads(sheets)["sheets"], values)
        except TimeoutError:
            message = f"Google did not take the spreadsheet within {assistant.EXPORT_SECONDS_MAX:g} seconds"
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS) from None

    async def _made(self, kind: str, analysis: Document, include_examples: bool) -> bytes:
        examples = "yes" if include_examples else "no"
        results = await self._analyses.results(analysis)
        if results is None:
            raise HubError(Code.CONFLICT, f"This analysis is {analysis['status']}: there is nothing to export")
        try:
            return await self._children.run_with_files(
                *(_CHILD, kind, examples), given=results, answer_bytes_max=assistant.ANALYSIS_EXPORT_BYTES_MAX
            )
        except ChildInterrupted:
            message = "The export was interrupted before it was done"
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS) from None
        except ChildFailed as error:
            raise HubError(Code.CONFLICT, f"This analysis cannot be exported: {error}") from None


class _Turns:
    """So many exports of a kind at once: each holds results, and what is made of them."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(assistant.EXPORTS_AT_ONCE)
        self._wanted = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Raises `HubError` UNAVAILABLE where too many wait already."""
        if self._wanted >= assistant.EXPORTS_AT_ONCE + assistant.EXPORTS_WAITING_MAX:
            raise HubError(Code.UNAVAILABLE, "Too many exports are being made", retry_after_seconds=_RETRY_SECONDS)
        self._wanted += 1
        try:
            async with self._free:
                yield
        finally:
            self._wanted -= 1
