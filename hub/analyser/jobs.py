"""Document analyses: asked for, made in the background by whichever process is free, and kept for a month.

    address or file --create--> ANALYSES --claim--> document -> child process -> results, and the word of it
                                   ^-- a process that dies leaves its claim to end --+
                                   +-- removed: the claim is not renewed, the child ended, and then it is forgotten

The hub itself never reads a document, nor the results: they come from the child as JSON, and are kept and told as such. All
that must be true together is one operation of the ledger: an analysis with its document, its end with its results.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import orjson
import structlog

from config import assistant
from hub.analyser.child_process import ChildFailed, ChildInterrupted, Children
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
from models.database import Database, DatabaseError, Document, Transaction
from models.ids import new_id

log = structlog.get_logger(__name__)

_CHILD: Final = "hub.analyser.child"
_RESULTS: Final = b'{"results":'
_LEVEL: Final = 1
_RETRY_SECONDS: Final = 10.0
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
        self._attempts: dict[str, asyncio.Timeout] = {}  # of this process, by their claims: what ends them
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
        """A new analysis of what an address gives. Raises `HubError`: INVALID, TOO_LARGE or RATE_LIMITED (more than a user
        may have, or may have under way), UNAVAILABLE.
        """
        self._http.check_readable(url, "source_url")
        return await self._create(user, document_format, {"type": "url", "url": url}, b"")

    async def of_upload(self, user: str, uploaded: Uploaded) -> Document:
        """A new analysis of a document that came in. Raises `HubError`: TOO_LARGE, RATE_LIMITED, UNAVAILABLE, as above."""
        source = {"type": "file", "name": uploaded.name}
        return await self._create(user, uploaded.format, source, uploaded.packed)

    async def _create(self, user: str, document_format: str, source: Document, packed: bytes) -> Document:
        analysis_id, moment = new_id("analysis"), now()
        expires_at = moment + timedelta(days=assistant.ANALYSIS_DAYS)
        count = await analyses.add_parts(self._database, analysis_id, packed, moment, expires_at)
        made = analyses.new_analysis(analysis_id, user, document_format, source, count, moment, expires_at)

        async def compose(transaction: Transaction) -> Operation:
            _check_quota(await analyses.statuses_within(transaction, user))
            await _check_parts(transaction, analysis_id, count)
            updates = [in_turn(f"analyses:{user}"), *_named(analysis_id, count)]
            return Operation(analysis_id, inserts=[Insert(ANALYSES, made)], updates=updates)

        try:
            await self._ledger.commit(Composed(analysis_id, compose))
        except HubError as error:
            if error.code in (Code.TOO_LARGE, Code.RATE_LIMITED):
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

    def size(self, analysis: Document) -> int:
        """Bytes of its results at most; 0 where there are none."""
        known = analysis.get("results_bytes", assistant.ANALYSIS_RESULTS_BYTES_MAX)
        return int(known) if analysis["status"] == "completed" else 0

    async def results(self, analysis: Document) -> bytes | None:
        """The results as JSON; None before they are there. Raises `HubError` NOT_FOUND where it was removed meanwhile."""
        if analysis["status"] != "completed":
            return None
        packed = await analyses.parts(self._database, analysis["claim"], analysis["results_parts"])
        if packed is None:
            raise _unknown()
        return await asyncio.to_thread(zlib.decompress, packed)

    async def remove(self, user: str, analysis_id: str) -> None:
        """With all that belongs to it; an attempt that is under way ends first, on whichever process it is.

        Raises `HubError` NOT_FOUND, for somebody else's too.
        """
        operation_id, claims = new_id("analysis_end"), set[str]()

        async def compose(transaction: Transaction) -> Operation:
            found = _there(await analyses.within(transaction, user, analysis_id))
            if found["status"] != "processing" or found["claim"] is None:
                return Operation(operation_id, deletes=_whole(found))
            claims.add(found["claim"])
            return Operation(
                operation_id, updates=[Update(ANALYSES, {"_id": analysis_id}, {"$set": {"removed": True}})]
            )

        await self._ledger.commit(Composed(operation_id, compose))
        for claim in claims:
            self._stop(claim)

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
        if analysis.get("removed"):
            await self._forget(analysis)
            return
        try:
            async with self._renewed(analysis):
                await self._analyse(analysis)
        except TimeoutError:  # it is another's by now, or removed
            await self._forget(analysis)

    async def _analyse(self, analysis: Document) -> None:
        try:
            await self._complete(analysis, await self._analysed(analysis))
        except (_Failed, ChildFailed, FetchFailed) as error:
            if isinstance(error, ChildInterrupted) and analysis["attempts"] < assistant.ANALYSIS_ATTEMPTS_MAX:
                await analyses.renew(self._database, analysis["_id"], analysis["claim"], now())
                self._loop.wake()
                return
            told = error.told if isinstance(error, _Failed) else {"message": str(error)}
            await self._end(analysis, {"status": "failed", "error": told})

    async def _complete(self, analysis: Document, results: bytes) -> None:
        packed = await asyncio.to_thread(zlib.compress, results, _LEVEL)
        claim, moment = str(analysis["claim"]), now()
        count = await analyses.add_parts(self._database, claim, packed, moment, analysis["expires_at"])
        outcome = {"status": "completed", "results_parts": count, "results_bytes": len(results)}
        await self._end(analysis, outcome, (claim, count))

    @asynccontextmanager
    async def _renewed(self, analysis: Document) -> AsyncIterator[None]:
        """An attempt, as long as its claim can be renewed. Raises `TimeoutError` where it cannot be any more."""
        claim = str(analysis["claim"])
        async with asyncio.timeout(None) as ends:
            self._attempts[claim] = ends
            renewing = self._tasks.start(self._renew(analysis["_id"], claim), f"claim of {analysis['_id']}")
            try:
                yield
            finally:
                self._attempts.pop(claim, None)
                renewing.cancel()

    async def _renew(self, analysis_id: str, claim: str) -> None:
        while claim in self._attempts:
            await asyncio.sleep(assistant.ANALYSIS_RENEW_SECONDS)
            until = now() + timedelta(seconds=assistant.ANALYSIS_LEASE_SECONDS)
            try:
                if not await analyses.renew(self._database, analysis_id, claim, until):
                    self._stop(claim)
            except DatabaseError as error:  # the claim lasts for some more rounds
                log.warning("a claim was not renewed", analysis=analysis_id, error=str(error)[:200])

    def _stop(self, claim: str) -> None:
        """End an attempt of this process: of another's its next renewal does."""
        if (ends := self._attempts.pop(claim, None)) is not None:
            ends.reschedule(asyncio.get_running_loop().time())

    async def _forget(self, analysis: Document) -> None:
        """What its user has removed goes, now that no attempt is under way."""
        operation_id = new_id("analysis_end")

        async def compose(transaction: Transaction) -> Operation:
            found = await analyses.removed_within(transaction, analysis["_id"])
            mine = found is not None and found["claim"] == analysis["claim"]
            return Operation(operation_id, deletes=_whole(found) if found is not None and mine else [])

        await self._commit(analysis, Composed(operation_id, compose))

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

    async def _end(self, analysis: Document, outcome: Document, results: tuple[str, int] = ("", 0)) -> None:
        """Write what an attempt came to, and tell it; nothing where the analysis is gone, or another's by now.

        `results` is whose parts they are, and how many.
        """
        analysis_id, claim, moment = analysis["_id"], analysis["claim"], now()
        change = {"$set": {**outcome, "completed_at": moment, "source_parts": 0}, "$unset": {"due_at": True}}

        async def compose(transaction: Transaction) -> Operation:
            if await analyses.claimed_within(transaction, analysis_id, claim) is None:
                return Operation(claim)
            await _check_parts(transaction, *results)
            return Operation(
                claim,
                events=[_event(analysis, outcome, timestamp(moment))],
                updates=[Update(ANALYSES, {"_id": analysis_id}, change), *_named(*results)],
                deletes=_gone(analysis_id, analysis["source_parts"]),
            )

        await self._commit(analysis, Composed(claim, compose))

    async def _commit(self, analysis: Document, operation: Composed) -> None:
        try:
            await self._ledger.commit(operation)
        except HubError as error:  # its claim ends, and another attempt is made
            log.warning("an analysis was not recorded", analysis=analysis["_id"], error=error.message)


def _refusal(answer: bytes) -> _Failed:
    """What the child says of a document that cannot be read."""
    try:
        error = orjson.loads(answer)["error"]
        return _Failed(str(error["message"]), error["field"])
    except (ValueError, LookupError, TypeError):
        log.error("the analyser's answer is not as it should be", answer=answer[:200].decode(errors="replace"))
        return _Failed("This document could not be analysed")


def _check_quota(statuses: Sequence[str]) -> None:
    """Raises `HubError`: TOO_LARGE, RATE_LIMITED."""
    if len(statuses) >= assistant.ANALYSES_PER_USER_MAX:
        most = assistant.ANALYSES_PER_USER_MAX
        raise HubError(Code.TOO_LARGE, f"You have {most} analyses, which is all that you may have: delete some first")
    running = statuses.count("processing")
    if running >= assistant.ANALYSES_RUNNING_PER_USER_MAX:
        message = f"{running} of your documents are being analysed: wait for one of them to end"
        raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=_RETRY_SECONDS)


async def _check_parts(transaction: Transaction, whose: str, count: int) -> None:
    """That none was swept meanwhile, as after a stall: else what names them would stand without them.

    Raises `HubError` UNAVAILABLE.
    """
    if not await analyses.all_parts_within(transaction, whose, count):
        message = "Keeping this took too long, and a part of it is gone: send it once more"
        raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS)


def _named(whose: str, count: int) -> list[Update]:
    """Parts that belong to something from now on."""
    return [
        Update(ANALYSIS_PARTS, {"_id": part}, {"$unset": {"loose": True}}) for part in analyses.part_ids(whose, count)
    ]


def _whole(analysis: Document) -> list[Delete]:
    """An analysis with all that belongs to it."""
    of_results = _gone(str(analysis["claim"]), analysis.get("results_parts", 0))
    return [Delete(ANALYSES, {"_id": analysis["_id"]}), *_gone(analysis["_id"], analysis["source_parts"]), *of_results]


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
