"""Reads by id that come together: those that are asked for in one turn of the event loop go as one query.

When thousands of clients come back at once, each has a login, a user and a wallet to be read, and a query of its own for
each of these would cost more than all else that their coming back takes. Alone a read waits for one turn of the loop.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from config import limits

Document = dict[str, Any]


class Find(Protocol):
    """A collection's `find`."""

    async def __call__(self, query: Mapping[str, Any], *, limit: int) -> Sequence[Document]: ...


class _LeaderLeft(Exception):
    """Who asked for all was cancelled: the others ask again."""


class _Round:
    """One query: what it is to find, and then what it found."""

    def __init__(self, first: str) -> None:
        self.ids = {first}
        self.found: asyncio.Future[Mapping[str, Document]] = asyncio.get_running_loop().create_future()


class Gathered:
    """Of one collection."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._open: _Round | None = None  # who asks now joins it

    async def get(self, document_id: str) -> Document | None:
        """Raises what `find` raises. The document is the caller's own, but for what is nested in it."""
        while True:
            joined = self._open
            try:
                found = await (self._lead(document_id) if joined is None else self._join(joined, document_id))
            except _LeaderLeft:
                continue
            document = found.get(document_id)
            return None if document is None else dict(document)

    async def _join(self, joined: _Round, document_id: str) -> Mapping[str, Document]:
        joined.ids.add(document_id)
        if len(joined.ids) >= limits.READS_GATHERED_MAX:
            self._open = None
        return await asyncio.shield(joined.found)

    async def _lead(self, document_id: str) -> Mapping[str, Document]:
        led = self._open = _Round(document_id)
        try:
            await asyncio.sleep(0)
            self._close(led)
            documents = await self._find({"_id": {"$in": list(led.ids)}}, limit=len(led.ids))
        except BaseException as error:
            self._close(led)
            led.found.set_exception(error if isinstance(error, Exception) else _LeaderLeft())
            led.found.exception()  # seen: nobody may have joined
            raise
        found = {document["_id"]: document for document in documents}
        led.found.set_result(found)
        return found

    def _close(self, led: _Round) -> None:
        if self._open is led:
            self._open = None
