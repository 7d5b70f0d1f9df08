"""Document analyses: asked for, made in the background by whichever process is free, and kept for a month.

    address or file --create--> ANALYSES --claim--> document -> child process -> results, and the word of it
                                   ^-- a process that dies leaves its claim to end --+

The hub itself never reads a document, nor the results: they come from the child as JSON, and are kept and told as such. All
that must be true together is one operation of the ledger: an analysis with its document, its end with its results.
"""

import asyncio
import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import orjson
import structlog

from config import assistant
from hub.analyser.child_process import ChildFailed, Children
from hub.analyser.fetching import FetchFailed, fetched
from hub.analyser.uploads import Uploaded
from hub.errors import Code, HubError
from hub.job_loop import JobLoop
from hub.ledger import Ledger
from hub.operations import Composed, Delete, Insert, NewEvent, Operation, Update, in_turn
from hub.safe_http import SafeHttp
from hub.tasks import Tasks
from models import analyses
from models.analyses import ANALYSES, ANALYSIS_PARTS
from models.clock import now, timestamp
from models.database import Database, Document, Transaction
from models.ids import new_id

log = structlog.get_logger(__name__)

_CHILD: Final = "hub.analyser.child"
_RESULTS: Final = b'{"results":'
_LEVEL: Final = 1
_INTERRUPTED: Final = "The hub was interrupted while it analysed this document, each time that it tried"


class _Failed(Exception):
    """An analysis came to nothing: `told` is its `error`."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.told = {"message": message, **({} if field is None else {"field": field})}


class Analyses:
    """One per process; all of them share the jobs."""

    def __init__(self, database: Database, ledger: Ledger, http: SafeHttp, tasks: Tasks, children: Children) -> None:
        self._database = database
        self._ledger = ledger
        self._http = http
        self._tasks = tasks
        self._children = children
        self._loop = JobLoop(
            *("analyses", self._claim, self._attempt, tasks),
            at_once=assistant.ANALYSES_AT_ONCE,
            poll_seconds=assistant.ANALYSIS_POLL_SECONDS,
        )

    def start(self) -> None:
        """Make what is due, until `close`, and sweep what was left half done."""
        self._tasks.start(self._loop.run(), "analyses")
        self._tasks.repeat(self.sweep, assistant.ANALYSIS_SWEEP_SECONDS, "parts of analyses")

    async def close(self) -> None:
        await self._loop.close(assistant.ANALYSIS_CLOSE_SECONDS)

    # --- what users ask for -------------------------------------------------------------------------------------

    def check_address(self, given: dict[str, Any]) -> None:
        """Raises `HubError` INVALID for a `source_url` that is not ours to call."""
        if "source_url" in given:
            self._http.check_readable(given["source_url"], "source_url")

    async def of_address(self, user: str, url: str, document_format: str) -> Document:
        """A new analysis of what an address gives. Raises `HubError`: INVALID, TOO_LARGE (more than a user may have)."""
        self._http.check_readable(url, "source_url")
        return await self._create(user, document_format, {"type": "url", "url": url}, b"")

    async def of_upload(self, user: str, uploaded: Uploaded) -> Document:
        """A new analysis of a document that came in. Raises `HubError` TOO_LARGE (more than a user may have)."""
        source = {"type": "file", "name": uploaded.name}
        return await self._create(user, uploaded.format, source, uploaded.packed)

    async def _create(self, user: str, document_format: str, source: Document, packed: bytes) -> Document:
        analysis_id, moment = new_id("analysis"), now()
        expires_at = moment + timedelta(days=assistant.ANALYSIS_DAYS)
        count = await analyses.add_parts(self._database, analysis_id, packed, moment, expires_at)
        made = analyses.new_analysis(analysis_id, user, document_format, source, count, moment, expires_at)

        async def compose(transaction: Transaction) -> Operation:
            _check_quota(await analyses.statuses_within(transaction, user))
            updates = [in_turn(f"analyses:{user}"), *_named(analysis_id, count)]
            return Operation(analysis_id, inserts=[Insert(ANALYSES, made)], updates=updates)

        try:
            await self._ledger.commit(Composed(analysis_id, compose))
        except HubError as error:
            if error.code is Code.TOO_LARGE:
                await analyses.remove_parts(self._database, analysis_id, count)
            raise
        self._loop.wake()
        return made

    async def find(self, user: str, analysis_id: str) -> Document:
        """Raises `HubError` NOT_FOUND, for somebody else's too."""
        return _there(await analyses.of_user(self._database, user, analysis_id))

    async def page(self, user: str, skip: int, limit: int) -> tuple[list[Document], int]:
        """Newest first, and how many there are in all."""
        return await analyses.page(self._database, user, skip=skip, limit=limit)

    async def results(self, analysis: Document) -> bytes | None:
        """The results as JSON; None before they are there. Raises `HubError` NOT_FOUND where it was removed meanwhile."""
        if analysis["status"] != "completed":
            return None
        packed = await analyses.parts(self._database, analysis["claim"], analysis["results_parts"])
        if packed is None:
            raise _unknown()
        return await asyncio.to_thread(zlib.decompress, packed)

    async def remove(self, user: str, analysis_id: str) -> None:
        """With all that belongs to it. Raises `HubError` NOT_FOUND, for somebody else's too."""
        operation_id = new_id("analysis_end")

        async def compose(transaction: Transaction) -> Operation:
            found = _there(await analyses.within(transaction, user, analysis_id))
            of_results = _gone(str(found["claim"]), found.get("results_parts", 0))
            whole = [Delete(ANALYSES, {"_id": analysis_id}), *_gone(analysis_id, found["source_parts"]), *of_results]
            return Operation(operation_id, deletes=whole)

        await self._ledger.commit(Composed(operation_id, compose))

    # --- jobs ---------------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Remove what a process that died left: parts that nothing came to name, and folders of its children."""
        older_than = now() - timedelta(seconds=assistant.ANALYSIS_PART_ALONE_SECONDS)
        await analyses.sweep(self._database, older_than)
        await self._children.sweep()

    async def _claim(self) -> Document | None:
        moment = now()
        until = moment + timedelta(seconds=assistant.ANALYSIS_LEASE_SECONDS)
        return await analyses.claim(self._database, new_id("claim"), moment, until)

    async def _attempt(self, analysis: Document) -> None:
        """One attempt, and what becomes of the analysis."""
        try:
            results = await self._analysed(analysis)
        except (_Failed, ChildFailed, FetchFailed) as error:
            told = error.told if isinstance(error, _Failed) else {"message": str(error)}
            await self._end(analysis, {"status": "failed", "error": told})
            return
        packed = await asyncio.to_thread(zlib.compress, results, _LEVEL)
        claim, moment = str(analysis["claim"]), now()
        count = await analyses.add_parts(self._database, claim, packed, moment, analysis["expires_at"])
        await self._end(analysis, {"status": "completed", "results_parts": count}, _named(claim, count))

    async def _analysed(self, analysis: Document) -> bytes:
        """The results as JSON. Raises `_Failed`, `ChildFailed` or `FetchFailed`."""
        if analysis["attempts"] > assistant.ANALYSIS_ATTEMPTS_MAX:
            raise _Failed(_INTERRUPTED)
        document = await self._document(analysis)
        answer = await self._children.run(
            _CHILD, analysis["format"], given=document, answer_bytes_max=assistant.ANALYSIS_RESULTS_BYTES_MAX
        )
        if answer.startswith(_RESULTS):
            return answer[len(_RESULTS) : -1]
        raise _refusal(answer)

    async def _document(self, analysis: Document) -> bytes:
        if analysis["source"]["type"] == "url":
            return await fetched(self._http, analysis["source"]["url"])
        packed = await analyses.parts(self._database, analysis["_id"], analysis["source_parts"])
        if packed is None:
            raise _Failed("The document is not there any more; send it once more")
        return await asyncio.to_thread(zlib.decompress, packed)

    async def _end(self, analysis: Document, outcome: Document, named: Sequence[Update] = ()) -> None:
        """Write what an attempt came to, and tell it; nothing where the analysis is gone, or another's by now."""
        analysis_id, claim, moment = analysis["_id"], analysis["claim"], now()
        change = {"$set": {**outcome, "completed_at": moment, "source_parts": 0}, "$unset": {"due_at": True}}

        async def compose(transaction: Transaction) -> Operation:
            if await analyses.claimed_within(transaction, analysis_id, claim) is None:
                return Operation(claim)
            return Operation(
                claim,
                events=[_event(analysis, outcome, timestamp(moment))],
                updates=[Update(ANALYSES, {"_id": analysis_id}, change), *named],
                deletes=_gone(analysis_id, analysis["source_parts"]),
            )

        try:
            await self._ledger.commit(Composed(claim, compose))
        except HubError as error:  # its claim ends, and another attempt is made
            log.warning("an analysis was not recorded", analysis=analysis_id, error=error.message)


def _refusal(answer: bytes) -> _Failed:
    """What the child says of a document that cannot be read."""
    try:
        error = orjson.loads(answer)["error"]
        return _Failed(str(error["message"]), error["field"])
    except (ValueError, LookupError, TypeError):
        log.error("the analyser's answer is not as it should be", answer=answer[:200].decode(errors="replace"))
        return _Failed("This document could not be analysed")


def _check_quota(statuses: Sequence[str]) -> None:
    """Raises `HubError` TOO_LARGE."""
    if len(statuses) >= assistant.ANALYSES_PER_USER_MAX:
        most = assistant.ANALYSES_PER_USER_MAX
        raise HubError(Code.TOO_LARGE, f"You have {most} analyses, which is all that you may have: delete some first")
    running = statuses.count("processing")
    if running >= assistant.ANALYSES_RUNNING_PER_USER_MAX:
        raise HubError(Code.TOO_LARGE, f"{running} of your documents are being analysed: wait for one of them to end")


def _named(whose: str, count: int) -> list[Update]:
    """Parts that belong to something from now on."""
    return [
        Update(ANALYSIS_PARTS, {"_id": part}, {"$unset": {"loose": True}}) for part in analyses.part_ids(whose, count)
    ]


def _gone(whose: str, count: int) -> list[Delete]:
    return [Delete(ANALYSIS_PARTS, {"_id": part}) for part in analyses.part_ids(whose, count)]


def _event(analysis: Document, outcome: Document, moment: str) -> NewEvent:
    told = {"analysis_id": analysis["_id"], "status": outcome["status"], "completed_at": moment}
    error = {"error": outcome["error"]} if "error" in outcome else {}
    return NewEvent(analysis["user"], f"analysis.{outcome['status']}", {**told, **error})


def _there(analysis: Document | None) -> Document:
    if analysis is None:
        raise _unknown()
    return analysis


def _unknown() -> HubError:
    return HubError(Code.NOT_FOUND, "No such analysis")
