"""Exports of a finished analysis: as a workbook, or into a spreadsheet of its user's Google account.

Both are made by a child process: neither the results nor what is made of them is looked at in the hub's own.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import orjson

from config import assistant
from hub.analyser.child_process import ChildFailed, Children
from hub.analyser.jobs import Analyses
from hub.errors import Code, HubError
from hub.integrations.google_api import Spreadsheet
from hub.integrations.integrations import Integrations

_CHILD: Final = "hub.analyser.export_child"
_RETRY_SECONDS: Final = 5.0


class Exports:
    """One per process."""

    def __init__(self, analyses: Analyses, integrations: Integrations, children: Children) -> None:
        self._children = children
        self._analyses = analyses
        self._integrations = integrations
        self._free = asyncio.Semaphore(assistant.EXPORTS_AT_ONCE)
        self._wanted = 0

    async def workbook(self, user: str, analysis_id: str, include_examples: bool) -> bytes:
        """The bytes of an .xlsx file. Raises `HubError`: NOT_FOUND, CONFLICT (nothing to export), UNAVAILABLE."""
        return await self._made("xlsx", user, analysis_id, include_examples)

    async def spreadsheet(self, user: str, analysis_id: str, name: str | None, include_examples: bool) -> Spreadsheet:
        """A new spreadsheet in the user's Google account.

        Raises `HubError`: NOT_FOUND, CONFLICT (nothing to export, or no Google account), UNAVAILABLE.
        """
        await self._integrations.connected(user, "google")  # before anything is made
        made = await self._made("sheets", user, analysis_id, include_examples)
        sheets, *values = made.split(b"\n")
        title = name or f"API analysis {analysis_id}"
        return await self._integrations.new_spreadsheet(user, title, orjson.loads(sheets)["sheets"], values)

    async def _made(self, kind: str, user: str, analysis_id: str, include_examples: bool) -> bytes:
        analysis = await self._analyses.find(user, analysis_id)
        examples = "yes" if include_examples else "no"
        async with self._turn():
            results = await self._analyses.results(analysis)
            if results is None:
                raise HubError(Code.CONFLICT, f"This analysis is {analysis['status']}: there is nothing to export")
            try:
                return await self._children.run_with_files(
                    *(_CHILD, kind, examples), given=results, answer_bytes_max=assistant.ANALYSIS_EXPORT_BYTES_MAX
                )
            except ChildFailed as error:
                raise HubError(Code.CONFLICT, f"This analysis cannot be exported: {error}") from None

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Raises `HubError` UNAVAILABLE where too many wait already."""
        if self._wanted >= assistant.EXPORTS_AT_ONCE + assistant.EXPORTS_WAITING_MAX:
            raise HubError(Code.UNAVAILABLE, "Too many exports are being made", retry_after_seconds=_RETRY_SECONDS)
        self._wanted += 1
        try:
            async with self._free:
                yield
        finally:
            self._wanted -= 1
