"""Group commit: the one task of a process that writes wallets, entries, holds and what must be true with them.

    callers --submit()--> queue --up to 512--> one transaction --> results to the callers, pushes to the broker

While one commit is under way the next batch gathers by itself: alone an operation waits for nobody, and a crowd shares
the cost of one commit. A refused operation fails alone; a conflict with another process repeats the batch, then splits it.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import structlog

from config import limits
from hub.batch import Batch, Outcome, Snapshot, claims
from hub.errors import Code, HubError
from hub.last_written import LastWritten
from hub.operations import Applied, Composed, ExtendHold, Operation, SettleHold
from models import wallets as shapes
from models.clock import now
from models.database import (
    Conflict,
    Database,
    DatabaseUnavailable,
    Document,
    DuplicateKey,
    OutcomeUnknown,
    Transaction,
)
from models.notification_settings import NOTIFICATION_SETTINGS

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0  # what a caller is told to wait when the database is away


@dataclass(slots=True)
class Waiting:
    """An operation in the queue and whom to tell."""

    operation: Operation | Composed
    done: asyncio.Future[Applied]


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit made true: the wallets as they now stand and the new events, in order."""

    wallets: Sequence[Document]
    events: Sequence[Document]
    operations: int
    spent_micro: int  # micro-credits charged for usage


@dataclass(frozen=True, slots=True)
class Needed:
    """What decides whether operations can be applied, and how.

    `keys` are values of `(collection, field)` that may be taken; `told` are the users whose notification settings matter.
    """

    users: set[str]
    holds: set[str]
    keys: dict[tuple[str, str], list[Any]]
    told: set[str]


@dataclass(frozen=True, slots=True)
class Known:
    """Wallets and holds that a batch assumes to be as this process wrote them last."""

    wallets: dict[str, Document] = field(default_factory=dict)
    holds: dict[str, Document] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.wallets or self.holds)


class Committer:
    """Owns the ledger's session and its queue; `on_commit` is called after each commit, before the callers are told."""

    def __init__(self, database: Database, on_commit: Callable[[Committed], None]) -> None:
        self._database = database
        self._on_commit = on_commit
        self._queue: deque[Waiting] = deque()
        self._filled = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._session: Any = None
        self._in_flight = 0
        self.ended = False  # nothing is committed any more
        self.hub_hears: Set[str] = frozenset()  # types of events, of whichever user, that wait to be delivered
        self._wallets = LastWritten("version")
        self._holds = LastWritten("amount")

    @property
    def session_id(self) -> Any:
        """The id by which another node can end what this process left open."""
        return self._session.session_id

    def open(self) -> None:
        self._session = self._database.new_session()
        self._database.call_when_down(self._on_down)

    def start(self, task: asyncio.Task[None]) -> None:
        """Keep the task that runs `run`, so that `close` can end it."""
        self._task = task

    async def close(self) -> None:
        """Commit what waits, then end."""
        while (self._queue or self._in_flight) and self._task is not None and not self._task.done():
            await asyncio.sleep(0.01)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._session is not None:
            await self._session.end_session()

    async def submit(self, operation: Operation | Composed) -> Applied:
        """Have one operation committed. Cancelling the caller does not undo it.

        Raises `HubError` (refused, UNAVAILABLE with nothing written, OUTCOME_UNKNOWN) or `HoldGone`.
        """
        if self.ended or not self._database.up:
            raise _unavailable()
        if len(self._queue) >= limits.LEDGER_QUEUE_MAX:
            raise HubError(Code.UNAVAILABLE, "The ledger has all it can take", retry_after_seconds=_RETRY_SECONDS)
        waiting = Waiting(operation, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._filled.set()
        return await waiting.done  # a cancelled caller cancels this future alone, and `_tell` passes it over

    async def run(self) -> None:
        """Commit batches until cancelled; whoever waits then is told so."""
        batch: list[Waiting] = []
        try:
            while True:
                await self._filled.wait()
                batch = self._take()
                self._in_flight = len(batch)
                await self._commit(batch)
                self._in_flight = 0
                _end_if_cancelled()
        finally:
            self.ended = True
            _fail(batch, _unknown())
            self._refuse_queue()

    def _refuse_queue(self) -> None:
        """Tell all that wait in the queue that nothing was written."""
        _fail(self._queue, _unavailable())
        self._queue.clear()
        self._filled.clear()

    def _on_down(self) -> None:
        asyncio.get_running_loop().call_later(limits.DATABASE_DOWN_WAIT_SECONDS, self._refuse_while_down)

    def _refuse_while_down(self) -> None:
        """A commit that was sent may take longer; those who queue behind it do not have to wait for that."""
        if not self._database.up:
            self._refuse_queue()

    def _take(self) -> list[Waiting]:
        batch: list[Waiting] = []
        size = 0
        while self._queue and len(batch) < limits.BATCH_OPERATIONS_MAX and size < limits.BATCH_BYTES_MAX:
            alone = isinstance(self._queue[0].operation, Composed)
            if alone and batch:
                break
            waiting = self._queue.popleft()
            size += waiting.operation.size_bytes
            batch.append(waiting)
            if alone:
                break
        if not self._queue:
            self._filled.clear()
        return batch

    async def _commit(self, batch: list[Waiting]) -> None:
        for number in range(limits.BATCH_CONFLICT_TRIES):
            try:
                applied, outcomes = await self._write_all(batch, assume=number == 0)
            except (Conflict, DuplicateKey) as error:
                log.info("batch collided", operations=len(batch), error=str(error)[:200])
                last: Exception = error
                continue
            except DatabaseUnavailable:
                return _fail(batch, _unavailable())
            except OutcomeUnknown:
                return _fail(batch, _unknown())
            except HubError as error:  # what a composed operation found makes it refuse; it stands alone
                return _fail(batch, error)
            except Exception as error:  # a validator refused it, or it cannot even be encoded: one operation's fault
                log.warning("batch failed", operations=len(batch), exc_info=True)
                last = error
                break
            return self._tell_all(batch, applied, outcomes)
        return await self._split(batch, last)

    async def _split(self, batch: list[Waiting], error: Exception) -> None:
        """Something in the batch cannot be written: halve it until that operation stands alone, and fail it."""
        if len(batch) == 1:
            log.error("operation failed", operation=batch[0].operation.id, error=str(error)[:500])
            return _fail(batch, _refused(error))
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        return await self._commit(batch[middle:])

    async def _write_all(self, batch: list[Waiting], assume: bool) -> tuple[Batch, list[Outcome]]:
        """Apply and write a batch, where we `assume` so on what this process wrote last, else on fresh reads."""
        plain = [waiting.operation for waiting in batch if isinstance(waiting.operation, Operation)]
        needed = _needed(plain)
        first = Known(self._wallets.of(needed.users), self._holds.of(needed.holds)) if assume else Known()
        moment = now()
        assumptions = [first]  # for the first run: the driver repeats what met another transaction

        async def body(transaction: Transaction) -> tuple[Batch, list[Outcome]]:
            known = assumptions.pop() if assumptions else Known()
            operations = [await _made(waiting.operation, transaction) for waiting in batch]
            reading = needed if len(plain) == len(batch) else _needed(operations)
            snapshot = await self._read(transaction, reading, known)
            applied = Batch(snapshot, moment)
            outcomes = [applied.apply(operation) for operation in operations]
            if known and any(outcome.error for outcome in outcomes):
                raise Conflict("refused by what was written last: to be asked of the database")
            await _write(transaction, applied)
            return applied, outcomes

        applied, outcomes = await self._database.transaction(body, session=self._session)
        self._wallets.keep(applied.wallets)
        self._holds.keep(applied.holds)
        return applied, outcomes

    async def _read(self, transaction: Transaction, needed: Needed, known: Known) -> Snapshot:
        """What is needed and not known, in as few reads as possible."""
        wallets = await _by_id(transaction, shapes.WALLETS, needed.users - known.wallets.keys())
        holds = await _by_id(transaction, shapes.HOLDS, needed.holds - known.holds.keys())
        self._wallets.correct(wallets)
        settings = await _by_id(transaction, NOTIFICATION_SETTINGS, needed.told)
        taken: set[tuple[str, str, Any]] = set()
        for (collection, name), values in needed.keys.items():
            rows = await transaction.find(collection, {name: {"$in": values}}, {name: 1})
            taken.update((collection, name, row[name]) for row in rows)
        return Snapshot({**known.wallets, **wallets}, {**known.holds, **holds}, taken, settings, self.hub_hears)

    def _tell_all(self, batch: list[Waiting], applied: Batch, outcomes: list[Outcome]) -> None:
        events = [event for outcome in outcomes for event in outcome.events]
        try:
            self._on_commit(Committed(applied.changed_wallets(), events, len(batch), applied.spent_micro))
        except Exception:  # the commit stands, and its callers have to hear just that
            log.exception("commit not announced", operations=len(batch))
        for waiting, outcome in zip(batch, outcomes, strict=True):
            _tell(waiting, outcome)


def _end_if_cancelled() -> None:
    """The driver waits by `asyncio.wait_for`, which on Python 3.11 may lose a cancellation that comes with the answer."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _made(operation: Operation | Composed, transaction: Transaction) -> Operation:
    return await operation.compose(transaction) if isinstance(operation, Composed) else operation


async def _by_id(transaction: Transaction, collection: str, ids: set[str]) -> dict[str, Document]:
    found = await transaction.find(collection, {"_id": {"$in": sorted(ids)}}) if ids else []
    return {row["_id"]: row for row in found}


def _needed(operations: Sequence[Operation]) -> Needed:
    users: set[str] = set()
    holds: set[str] = set()
    keys: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for operation in operations:
        users.update(leg.wallet for leg in operation.legs)
        users.update(change.wallet for change in operation.holds)
        users.update(change.wallet for change in operation.budgets)
        users.update(event.user for event in operation.events)
        users.update(operation.webhooks)
        users.update(operation.recharge_below)
        users.difference_update(operation.new_wallets)
        holds.update(change.hold for change in operation.holds if isinstance(change, ExtendHold | SettleHold))
        if operation.once:
            keys["entries", "operation"].append(operation.id)
        for insert in operation.inserts:
            for name, (collection, _, value) in claims(insert):
                keys[collection, name].append(value)
    return Needed(users, holds, keys, _told(operations))


def _told(operations: Sequence[Operation]) -> set[str]:
    """Whose notification settings matter; who is only just coming to be has none."""
    return {
        insert.telling.user
        for operation in operations
        for insert in operation.inserts
        if insert.telling is not None and insert.telling.user not in operation.new_wallets
    }


async def _write(transaction: Transaction, batch: Batch) -> None:
    writes = batch.writes()
    for collection, updates in writes.guarded_updates.items():  # first: an assumption that fails costs nothing else
        await transaction.update(collection, updates, all_match=True)
    for collection, documents in writes.inserts.items():
        if documents:
            await transaction.insert(collection, documents)
    for collection, updates in writes.updates.items():
        await transaction.update(collection, updates)
    for collection, updates in writes.upserts.items():
        await transaction.update(collection, updates, upsert=True)
    for collection, queries in writes.guarded_deletes.items():
        await transaction.delete(collection, queries, all_match=True)
    for collection, queries in writes.deletes.items():
        await transaction.delete(collection, queries)


def _tell(waiting: Waiting, outcome: Outcome) -> None:
    if waiting.done.done():
        return
    if outcome.applied is not None:
        waiting.done.set_result(outcome.applied)
    else:
        waiting.done.set_exception(outcome.error or HubError(Code.INTERNAL, "The ledger gave no answer"))
        waiting.done.exception()  # seen: a caller that was cancelled meanwhile leaves no complaint in the log


def _fail(batch: Sequence[Waiting], error: HubError) -> None:
    for waiting in batch:
        _tell(waiting, Outcome(error=error))


def _unavailable() -> HubError:
    message = "The database is away; nothing was written"
    return HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS)


def _refused(error: Exception) -> HubError:
    """What its caller is told of an operation that could not be written, alone and again and again."""
    if isinstance(error, Conflict):  # others write the same at this moment: no CONFLICT, which is for good
        message = "Others are changing the same at this moment; nothing was written"
        return HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS)
    code = Code.CONFLICT if isinstance(error, DuplicateKey) else Code.INTERNAL
    return HubError(code, "The ledger could not write this")


def _unknown() -> HubError:
    message = "The outcome is unknown: repeat the request with the same Idempotency-Key"
    return HubError(Code.OUTCOME_UNKNOWN, message, retry_after_seconds=_RETRY_SECONDS)
