"""Operations applied in memory, in order, to wallets and holds as one snapshot shows them. Pure: no I/O, no clock.

    Snapshot (wallets, holds, keys taken) + operations --apply()--> Writes + one Applied or error per operation

An operation that cannot be applied changes nothing: it works on copies that replace the originals at its end.
"""

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from config import limits
from hub import budgets, quotas
from hub.errors import Code, HubError
from hub.operations import (
    Applied,
    ExtendHold,
    HoldChange,
    Insert,
    Leg,
    NewEvent,
    Operation,
    PlaceHold,
    Receipt,
    SettleHold,
    Telling,
    WalletState,
)
from models import notice_jobs
from models import wallets as shapes
from models.database import Document
from models.events import EVENTS
from models.ids import new_epoch, new_id
from models.notification_settings import wanted
from models.notifications import addressed

Changes = dict[str, list[tuple[Mapping[str, Any], Mapping[str, Any]]]]  # queries with their updates, by collection

_FIELD = {"credit": "credits", "point": "points"}
_BOUND = {"credit": limits.MICRO_CREDITS_MAX, "point": limits.POINTS_MAX}


class HoldGone(Exception):
    """The hold to change does not exist: it was settled or released before."""


@dataclass(slots=True)
class Snapshot:
    """What the transaction read. `taken` holds `(collection, field, value)` that exist already."""

    wallets: dict[str, Document]
    holds: dict[str, Document]
    taken: set[tuple[str, str, Any]]
    settings: dict[str, Document] = field(default_factory=dict)  # of notifications, by user; none where none were set
    hub_hears: Set[str] = frozenset()  # types of events of which the hub's own webhooks hear


@dataclass(slots=True)
class Writes:
    """What the transaction has to write, by collection."""

    inserts: dict[str, list[Document]] = field(default_factory=lambda: defaultdict(list))
    updates: Changes = field(default_factory=lambda: defaultdict(list))
    upserts: Changes = field(default_factory=lambda: defaultdict(list))
    deletes: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    guarded_updates: Changes = field(default_factory=lambda: defaultdict(list))
    guarded_deletes: dict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))


@dataclass(slots=True)
class Outcome:
    """One operation's end: either `applied`, with its events for the broker, or an `error`."""

    applied: Applied | None = None
    events: list[Document] = field(default_factory=list)
    error: Exception | None = None


class _Draft:
    """One operation's copies of what it changes, kept only when all of it could be applied."""

    def __init__(self, batch: "Batch", operation: Operation) -> None:
        self.batch = batch
        self.operation = operation
        self.wallets: dict[str, Document] = {}
        self.holds: dict[str, Document | None] = {}
        self.entries: list[Document] = []
        self.events: list[Document] = []
        self.held = 0
        self.receipt: Receipt | None = None

    def run(self) -> Applied:
        operation = self.operation
        self._claim_keys()
        for user in operation.new_wallets:
            self.wallets[user] = shapes.new_wallet(user, new_epoch(), operation.created_at)
        for number, leg in enumerate(operation.legs):
            self._enter(leg, operation.id, number)
        for budget_change in operation.budgets:
            budgets.change(self._wallet(budget_change.wallet), budget_change, self.batch.moment)
        for change in operation.holds:
            self._change_hold(change)
        for user, count in operation.webhooks.items():
            self._wallet(user)["webhooks"] = count
        for user, micro in operation.recharge_below.items():
            self._wallet(user)["recharge_below"] = micro
        for event in operation.events:
            if event.telling is None or "inApp" in self.batch.media(event.telling):
                self._append_event(event)
        return Applied(
            wallets={user: wallet_state(wallet) for user, wallet in self.wallets.items()},
            held=self.held,
            receipt=self.receipt,
            entry_ids=[entry["_id"] for entry in self.entries],
        )

    def _claim_keys(self) -> None:
        if self.operation.once and ("entries", "operation", self.operation.id) in self.batch.taken:
            raise HubError(Code.CONFLICT, "This has been done already")
        for insert in self.operation.inserts:
            for name, key in claims(insert):
                if key in self.batch.taken:
                    raise insert.taken(name)

    def _wallet(self, user: str) -> Document:
        if user not in self.wallets:
            original = self.batch.wallets.get(user)
            if original is None:
                raise HubError(Code.NOT_FOUND, "No such wallet")
            self.wallets[user] = {**original, "version": self.batch.next_version(user)}
        return self.wallets[user]

    def _hold(self, change: ExtendHold | SettleHold) -> Document:
        hold = self.holds.get(change.hold, self.batch.holds.get(change.hold))
        if hold is None:
            raise HoldGone(change.hold)
        assert hold["wallet"] == change.wallet, "a hold is paid from the wallet that it was placed on"
        return hold

    def _enter(self, leg: Leg, operation_id: str, number: int) -> None:
        wallet = self._wallet(leg.wallet)
        name = _FIELD[leg.unit]
        balance = wallet[name] + leg.amount
        reserved = wallet["credits_held"] if leg.unit == "credit" else 0
        if balance < reserved:
            raise HubError(Code.INSUFFICIENT_CREDITS, f"Not enough {leg.unit}s for this")
        if balance > _BOUND[leg.unit]:
            raise HubError(Code.INVALID, f"A wallet cannot hold that many {leg.unit}s")
        wallet[name] = balance
        wallet["seq"] += 1
        entry = {
            "_id": new_id("txn"),
            "wallet": leg.wallet,
            "seq": wallet["seq"],
            "unit": leg.unit,
            "kind": leg.kind,
            "amount": leg.amount,
            "balance_after": balance,
            "operation": operation_id,
            "leg": number,
            "description": leg.description,
            "metadata": leg.metadata,
            "created_at": self.operation.created_at,
            "previous_hash": wallet["head"],
        }
        entry["hash"] = wallet["head"] = shapes.entry_hash(entry)
        self.entries.append(entry)

    def _change_hold(self, change: HoldChange) -> None:
        if isinstance(change, PlaceHold):
            self._place(change)
        elif isinstance(change, ExtendHold):
            self._extend(change)
        else:
            self._settle(change)

    def _place(self, change: PlaceHold) -> None:
        if change.hold in self.holds or change.hold in self.batch.holds:  # the database refuses one of another batch
            raise HubError(Code.CONFLICT, "This hold stands already")
        wallet = self._wallet(change.wallet)
        kept, warnings = quotas.count(wallet, change.quota, self.batch.moment)
        for warning in warnings:
            self._append_event(NewEvent(change.wallet, "quota.warning", warning))
        available = wallet["credits"] - wallet["credits_held"]
        if available < change.at_least:
            raise HubError(Code.INSUFFICIENT_CREDITS, "Not enough credits for this request")
        want = min(change.want, available)
        amount = budgets.reserve(wallet, change.budgets, want, self.batch.moment, change.at_least)
        wallet["credits_held"] += amount
        self.held = amount
        self.holds[change.hold] = {
            "_id": change.hold,
            "wallet": change.wallet,
            "amount": amount,
            "node": change.node,
            "stream": change.stream,
            "message": change.message,
            "model": change.model,
            "prompt_tokens": change.prompt_tokens,
            "created_at": self.operation.created_at,
            "expires_at": change.expires_at,
            **budgets.kept_in_hold(change.budgets),
            **kept,
            **({"idempotency": change.idempotency} if change.idempotency is not None else {}),
        }

    def _extend(self, change: ExtendHold) -> None:
        assert change.want >= 0
        hold = self._hold(change)
        wallet = self._wallet(change.wallet)
        want = min(change.want, wallet["credits"] - wallet["credits_held"])
        added = budgets.reserve(wallet, budgets.budgets_in(hold), want, self.batch.moment)
        wallet["credits_held"] += added
        self.held = hold["amount"] + added
        self.holds[change.hold] = {**hold, "amount": self.held}

    def _settle(self, change: SettleHold) -> None:
        assert change.charge >= 0, "a settlement never pays out"
        hold = self._hold(change)
        wallet = self._wallet(change.wallet)
        wallet["credits_held"] -= hold["amount"]
        charged = min(change.charge, hold["amount"])
        if change.fruitless:
            quotas.give_back(wallet, hold)
        by = budgets.settle(wallet, budgets.budgets_in(hold), hold["amount"], charged, self.batch.moment)
        if charged:
            metadata = {**change.metadata, **by}
            leg = Leg(change.wallet, "credit", "usage", -charged, change.description, metadata)
            self._enter(leg, change.hold, 0)
        self.holds[change.hold] = None
        self.receipt = Receipt(hold["amount"], charged, hold["amount"] - charged, wallet["credits"], wallet["seq"])

    def _append_event(self, event: NewEvent) -> None:
        wallet = self._wallet(event.user)
        wallet["offset"] += 1
        data = event.data(self.receipt) if callable(event.data) else event.data
        pending = {"pending": True} if event.type in self.batch.hub_hears or wallet.get("webhooks") else {}
        self.events.append(
            {
                "channel": f"user:{event.user}",
                "epoch": wallet["epoch"],
                "offset": wallet["offset"],
                "type": event.type,
                "data": data,
                "created_at": self.operation.created_at,
                **({"hops": self.operation.hops} if self.operation.hops else {}),
                **pending,
            }
        )


class Batch:
    """Applies operations one after the other and gathers what has to be written for all of them."""

    def __init__(self, snapshot: Snapshot, moment: datetime) -> None:
        self.moment = moment  # of the commit, not of the operations: one may have waited for long
        self.wallets = dict(snapshot.wallets)
        self.holds: dict[str, Document | None] = dict(snapshot.holds)
        self.taken = set(snapshot.taken)
        self.spent_micro = 0  # micro-credits that were charged for usage
        self.hub_hears = snapshot.hub_hears
        self._settings = snapshot.settings
        self._read_wallets = snapshot.wallets
        self._read_holds = snapshot.holds
        self._writes = Writes()

    def next_version(self, user: str) -> int:
        """The version that a wallet will have once the batch stands: one more than was read, however often it changes."""
        read = self._read_wallets.get(user)
        return read["version"] + 1 if read else 0

    def media(self, telling: Telling) -> list[str]:
        """By which media a user wants to be told."""
        return wanted(self._settings.get(telling.user), telling.category)

    def apply(self, operation: Operation) -> Outcome:
        """Apply one operation, or say why not; a refused one leaves no trace."""
        draft = _Draft(self, operation)
        try:
            applied = draft.run()
        except (HubError, HoldGone) as error:
            return Outcome(error=error)
        self._keep(draft, applied)
        return Outcome(applied=applied, events=draft.events)

    def _keep(self, draft: _Draft, applied: Applied) -> None:
        operation, writes = draft.operation, self._writes
        for wallet in draft.wallets.values():
            wallet["updated_at"] = self.moment
        self.wallets.update(draft.wallets)
        self.holds.update(draft.holds)
        writes.inserts[shapes.ENTRIES] += draft.entries
        writes.inserts[EVENTS] += draft.events
        usage = [entry for entry in draft.entries if (entry["kind"], entry["unit"]) == ("usage", "credit")]
        self.spent_micro -= sum(entry["amount"] for entry in usage)
        self.taken.add(("entries", "operation", operation.id))
        for insert in operation.inserts:
            self._insert(insert, operation, draft.receipt, applied)
        for update in operation.updates:
            change = update.change(draft.receipt) if callable(update.change) else update.change
            if update.result is not None:
                change = {**change, "$set": {**change.get("$set", {}), **update.result(applied)}}
            (writes.upserts if update.upsert else writes.updates)[update.collection].append((update.query, change))
        for delete in operation.deletes:
            writes.deletes[delete.collection].append(delete.query)

    def _insert(self, insert: Insert, operation: Operation, receipt: Receipt | None, applied: Applied) -> None:
        self.taken.update(key for _, key in claims(insert))
        document = insert.document(receipt) if callable(insert.document) else insert.document
        if insert.telling is not None:
            media = self.media(insert.telling)
            if not media:
                return
            document = addressed(document, media)
            if insert.telling.user not in operation.new_wallets:  # who has no browser and no confirmed address yet
                document = self._to_be_told(document)
        if insert.result is not None:
            document = {**document, **insert.result(applied)}
        self._writes.inserts[insert.collection].append(document)

    def _to_be_told(self, note: Document) -> Document:
        """A notification with the media that leave the hub, and a job for each of them that the same commit writes."""
        untold = [medium for medium in notice_jobs.MEDIA if medium in note["media"]]
        for medium in untold:
            more = notice_jobs.one_more(medium, note["user"], self.moment)
            self._writes.upserts[notice_jobs.NOTICE_JOBS].append(more)
        return {**note, "untold": untold} if untold else note

    def changed_wallets(self) -> list[Document]:
        """The wallets that are not as they were read."""
        return [wallet for user, wallet in self.wallets.items() if wallet is not self._read_wallets.get(user)]

    def writes(self) -> Writes:
        """All writes of the batch, wallets in the order of their ids; each wallet once, whatever happened to it."""
        for user in sorted(self.wallets):
            self._write_wallet(user, self.wallets[user])
        for hold_id, hold in self.holds.items():
            self._write_hold(hold_id, hold)
        return self._writes

    def _write_wallet(self, user: str, wallet: Document) -> None:
        read = self._read_wallets.get(user)
        if read is None:
            self._writes.inserts[shapes.WALLETS].append(wallet)
        elif wallet is not read:
            changed = {name: value for name, value in wallet.items() if value is not read.get(name)}
            if "budgets" in changed:
                changed |= budgets.written(read.get("budgets", {}), changed.pop("budgets"))
            query = {"_id": user, "version": read["version"]}
            self._writes.guarded_updates[shapes.WALLETS].append((query, {"$set": changed}))

    def _write_hold(self, hold_id: str, hold: Document | None) -> None:
        read = self._read_holds.get(hold_id)
        if read is None and hold is not None:
            self._writes.inserts[shapes.HOLDS].append(hold)
        elif read is not None and hold is None:
            self._writes.guarded_deletes[shapes.HOLDS].append({"_id": hold_id, "amount": read["amount"]})
        elif read is not None and hold is not read:
            query = {"_id": hold_id, "amount": read["amount"]}
            change = {"$set": {"amount": hold["amount"]}} if hold else {}
            self._writes.guarded_updates[shapes.HOLDS].append((query, change))


def claims(insert: Insert) -> list[tuple[str, tuple[str, str, Any]]]:
    """The unique fields of an insert with the keys that they take: `(field, (collection, field, value))`."""
    document = insert.document
    if callable(document):
        assert not insert.unique, "unique fields must be known before the operation is applied"
        return []
    return [(name, (insert.collection, name, document[name])) for name in insert.unique]


def wallet_state(wallet: Document) -> WalletState:
    """A wallet's document as the rest of the hub sees it."""
    return WalletState(
        user=wallet["_id"],
        credits=wallet["credits"],
        credits_held=wallet["credits_held"],
        points=wallet["points"],
        seq=wallet["seq"],
        version=wallet["version"],
        epoch=wallet["epoch"],
        offset=wallet["offset"],
        budgets=wallet.get("budgets", {}),
    )
