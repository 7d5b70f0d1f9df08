"""The ledger: the only module through which money moves.

    async with ledger.hold(place, ...) as hold:     reserve        -> wallet.credits_held
        await hold.extend(more)                     reserve more
        await hold.settle(charge, ...)              one entry, the rest is free again
    (left without a settlement: released)

Every change goes through the group commit as an `Operation`; after the commit this module publishes the events and the new
balance. It never reads a wallet in order to write it: the committer does both in one transaction.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from config import limits
from hub.batch import HoldGone, wallet_state
from hub.committer import Committed, Committer
from hub.errors import Code, HubError
from hub.operations import (
    Applied,
    Composed,
    Delete,
    ExtendHold,
    Insert,
    NewEvent,
    Operation,
    PlaceHold,
    Receipt,
    SettleHold,
    Update,
    WalletState,
)
from hub.prices import credits_number
from hub.realtime.broker import Broker, Publication, user_channel
from hub.tasks import Tasks
from models import wallets
from models.database import Database
from models.ids import new_id

log = structlog.get_logger(__name__)

_RETRIED = (Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN, Code.CONFLICT)
_RETRY_SECONDS_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Undo:
    """Changes that take back what was to stand with a hold."""

    updates: Sequence[Update] = ()
    deletes: Sequence[Delete] = ()


class Hold:
    """A reservation of micro-credits that ends by `settle`, or by itself with a charge of zero."""

    def __init__(self, ledger: "Ledger", place: PlaceHold) -> None:
        self._ledger = ledger
        self._place = place
        self.amount = 0
        self.settling = False

    @property
    def id(self) -> str:
        return self._place.hold

    async def place(
        self, inserts: Sequence[Insert], updates: Sequence[Update], events: Sequence[NewEvent], size_bytes: int
    ) -> None:
        """Reserve; `inserts`, `updates` and `events` stand with the hold or not at all.

        Raises `HubError`: INSUFFICIENT_CREDITS, or whatever a taken unique key says.
        """
        operation = Operation(
            id=f"place:{self.id}",
            holds=[self._place],
            inserts=inserts,
            updates=updates,
            events=events,
            hops=self._place.hops,
            size_bytes=size_bytes,
        )
        self.amount = (await self._ledger.commit(operation)).held

    async def extend(self, want: int, updates: Sequence[Update], size_bytes: int) -> int:
        """Reserve up to `want` micro-credits more (0 only writes the checkpoint); what the hold has now."""
        operation = Operation(
            id=new_id("extend"),
            holds=[ExtendHold(self.id, self._place.wallet, want)],
            updates=updates,
            size_bytes=size_bytes,
        )
        self.amount = (await self._ledger.commit(operation)).held
        return self.amount

    async def settle(
        self,
        charge: int,
        description: str,
        metadata: dict[str, Any],
        *,
        fruitless: bool = False,
        inserts: Sequence[Insert] = (),
        updates: Sequence[Update] = (),
        deletes: Sequence[Delete] = (),
        events: Sequence[NewEvent] = (),
        size_bytes: int = 1_000,
    ) -> Receipt:
        """Charge `charge`, and free the rest of what is held, together with what else must be true.

        A charge above the hold first takes what else is available, and never more than there is. `fruitless`: nothing came
        of it by our or a provider's fault.
        Repeats itself while the database is away or an outcome unknown: a hold settles once, so this is safe.
        """
        self.settling = True  # from now on nobody else ends it: should this fail, the sweeper charges the checkpoint
        wallet = self._place.wallet
        short = charge - self.amount
        extension = [ExtendHold(self.id, wallet, short)] if short > 0 else []
        operation = Operation(
            id=self.id,
            holds=[*extension, SettleHold(self.id, wallet, charge, description, metadata, fruitless)],
            inserts=inserts,
            updates=updates,
            deletes=deletes,
            events=events,
            hops=self._place.hops,
            size_bytes=size_bytes,
        )
        return await self._ledger.settle(operation, wallet)


class Ledger:
    """Wallets of this hub. One per process."""

    def __init__(
        self, database: Database, broker: Broker, on_commit: Callable[[Committed], None] = lambda committed: None
    ) -> None:
        self._database = database
        self._broker = broker
        self._tasks = Tasks()  # until `start`
        self._committer = Committer(database, self._committed)
        self._states: OrderedDict[str, WalletState] = OrderedDict()
        self.unsettled: set[str] = set()  # holds whose settlement failed: the sweeper's, although we live
        self.on_commit = [on_commit]  # each is told of every commit

    def open(self) -> None:
        """Make the session whose id the node's document carries; nothing is committed before `start`."""
        self._committer.open()

    def start(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._committer.start(self._tasks.start(self._committer.run(), "ledger committer"))

    async def close(self) -> None:
        await self._committer.close()

    def hub_hears(self, types: Set[str]) -> None:
        """The types of events of which the hub's own webhooks are to hear, from the next commit on."""
        self._committer.hub_hears = types

    @property
    def session_id(self) -> Any:
        return self._committer.session_id

    async def commit(self, operation: Operation | Composed) -> Applied:
        """Have an operation committed, once; see `Committer.submit` for what it raises."""
        return await self._committer.submit(operation)

    @asynccontextmanager
    async def hold(
        self,
        place: PlaceHold,
        inserts: Sequence[Insert] = (),
        updates: Sequence[Update] = (),
        events: Sequence[NewEvent] = (),
        size_bytes: int = 1_000,
        undo: Undo = Undo(),
    ) -> AsyncIterator[Hold]:
        """Reserve credits for as long as the block runs; left without a settlement they are released.

        `undo` is what must be taken back with a hold that is released, or that may stand although nobody was told so.
        """
        hold = Hold(self, place)
        try:
            await hold.place(inserts, updates, events, size_bytes)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or _is_unknown(error):
                self._tasks.start(self._take_back(hold, undo), f"take back {hold.id}")
            raise
        try:
            yield hold
        finally:
            if not hold.settling:
                await self._take_back(hold, undo)

    async def _take_back(self, hold: Hold, undo: Undo) -> None:
        """Release a hold that came to nothing, or whose placing was cut off; where it does not stand nothing is to do."""
        await hold.settle(0, "released", {}, fruitless=True, updates=undo.updates, deletes=undo.deletes)

    async def settle(self, operation: Operation, user: str) -> Receipt:
        """Commit an operation that ends a hold, repeating it until its outcome is known.

        Raises `HubError` when that takes longer than a hold or the ledger lives, or it cannot be written; then the sweeper
        settles it.
        """
        pause = 0.1
        deadline = asyncio.get_running_loop().time() + limits.HOLD_SECONDS
        while True:
            try:
                applied = await self.commit(operation)
            except HoldGone:
                return await self._earlier_receipt(operation.id, user)
            except HubError as error:
                if error.code is Code.CONFLICT and await self._was_settled(operation.id):
                    # The hold of this id that was placed anew is charged by nobody any more: the sweeper lets it go.
                    self._leave_to_sweeper(operation.id)
                    return await self._earlier_receipt(operation.id, user)
                late = self._committer.ended or asyncio.get_running_loop().time() > deadline
                if late or error.code not in _RETRIED:
                    self._leave_to_sweeper(operation.id)
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, _RETRY_SECONDS_MAX)
                continue
            if applied.receipt is None:
                raise HubError(Code.INTERNAL, "A settlement left no receipt")
            return applied.receipt

    async def _was_settled(self, hold_id: str) -> bool:
        """Whether a hold of this id was charged before, so that one that was placed anew never will be."""
        return await wallets.entry_by_operation(self._database, hold_id) is not None

    def _leave_to_sweeper(self, hold_id: str) -> None:
        """Beyond the bound it comes to it all the same, once the hold expires."""
        if len(self.unsettled) < limits.UNSETTLED_HOLDS_MAX:
            self.unsettled.add(hold_id)

    async def _earlier_receipt(self, hold_id: str, user: str) -> Receipt:
        """What an earlier attempt, whose answer was lost, or the sweeper came to."""
        entry = await wallets.entry_by_operation(self._database, hold_id)
        if entry is not None:
            return Receipt(-entry["amount"], -entry["amount"], 0, entry["balance_after"], entry["seq"])
        state = await self.wallet(user)
        return Receipt(0, 0, 0, state.credits, state.seq)

    async def wallet(self, user: str) -> WalletState:
        """A user's wallet as the database has it. Raises `HubError` NOT_FOUND."""
        document = await wallets.wallet(self._database, user)
        if document is None:
            raise HubError(Code.NOT_FOUND, "No such wallet")
        state = wallet_state(document)
        self._remember(state)
        return state

    def last_known(self, user: str) -> WalletState | None:
        """The wallet as this process saw it last: a hint for refusing early, never a ground for granting."""
        return self._states.get(user)

    def _remember(self, state: WalletState) -> None:
        known = self._states.get(state.user)
        if known is None or known.version <= state.version:
            self._states[state.user] = state
            self._states.move_to_end(state.user)
        if len(self._states) > limits.WALLET_CACHE_ENTRIES:
            self._states.popitem(last=False)

    def _committed(self, committed: Committed) -> None:
        """After a commit: tell everyone who follows these users."""
        for tell in self.on_commit:
            tell(committed)
        for event in committed.events:
            publication = Publication("event", event["type"], event["data"], event["epoch"], event["offset"])
            self._broker.publish(event["channel"], publication)
        for document in committed.wallets:
            state = wallet_state(document)
            self._remember(state)
            self._broker.publish(user_channel(state.user), Publication("state", "balance", balance_view(state)))


def _is_unknown(error: BaseException) -> bool:
    return isinstance(error, HubError) and error.code is Code.OUTCOME_UNKNOWN


def balance_view(state: WalletState) -> dict[str, Any]:
    """The `balance` push: credits as numbers with up to six decimals, points whole."""
    return {
        "credits": credits_number(state.credits),
        "credits_held": credits_number(state.credits_held),
        "points": state.points,
        "version": state.version,
    }
