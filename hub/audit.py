"""The auditor: does every wallet equal the sum of its entries, and is its chain whole?

`audit` reads everything and names what differs; `DriftMonitor` does the same all the time for the wallets that changed,
from the entries that it has not summed yet. Both only read.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from config import limits
from models import wallets
from models.clock import now
from models.database import Database, Document

log = structlog.get_logger(__name__)

_OVERLAP = timedelta(seconds=limits.MONEY_SECONDS_MAX + 5)  # an `updated_at` is older than its commit; clocks differ
_HOLD_READS_MAX = 20  # tries to find a busy wallet standing still


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it must be."""

    wallet: str
    what: str


async def audit(database: Database) -> AsyncIterator[Difference]:
    """Recompute every wallet from its entries and verify its chain and holds, yielding each difference."""
    held = await _held(database)
    async for wallet in wallets.scan_wallets(database):
        async for difference in _audit_wallet(database, wallet, held):
            yield difference


@dataclass(frozen=True, slots=True)
class _Held:
    """What open holds add up to: of each wallet, and of each budget in it."""

    sums: dict[str, int]
    budgets: dict[str, dict[str, int]]

    def faults(self, wallet: Document) -> list[str]:
        """A budget's counters may be gone before its last hold; those that are there count every hold."""
        sums, found = self.budgets.get(wallet["_id"], {}), []
        if wallet["credits_held"] != (held := self.sums.get(wallet["_id"], 0)):
            found.append(f"credits_held is {wallet['credits_held']}, its open holds add up to {held}")
        for key, counters in wallet.get("budgets", {}).items():
            if counters["held"] != (held := sums.get(key, 0)):
                found.append(f"the budget of {key} has {counters['held']} held, its open holds add up to {held}")
        return found


async def _held(database: Database) -> _Held:
    return _Held(await wallets.hold_sums(database), await wallets.budget_sums(database))


async def _audit_wallet(database: Database, wallet: Document, held: _Held) -> AsyncIterator[Difference]:
    user = wallet["_id"]
    sums = {"credit": 0, "point": 0}
    seq, head = 0, wallets.GENESIS
    async for entry in wallets.scan_entries(database, user):
        if entry["seq"] > wallet["seq"]:
            break  # written while we read
        sums[entry["unit"]] += entry["amount"]
        for what in _entry_faults(entry, seq, head, sums):
            yield Difference(user, f"entry {entry['_id']}: {what}")
        seq, head = entry["seq"], entry["hash"]
    for what in _wallet_faults(wallet, sums, seq, head):
        yield Difference(user, what)
    if held.faults(wallet):
        async for difference in _audit_holds(database, user):
            yield difference


def _entry_faults(entry: Document, seq: int, head: str, sums: dict[str, int]) -> list[str]:
    faults = []
    if entry["seq"] != seq + 1:
        faults.append(f"seq is {entry['seq']} after {seq}")
    if entry["previous_hash"] != head:
        faults.append("previous_hash is not the hash of the entry before")
    if entry["hash"] != wallets.entry_hash(entry):
        faults.append("hash does not match its content")
    if entry["balance_after"] != sums[entry["unit"]]:
        faults.append(f"balance_after is {entry['balance_after']}, the entries add up to {sums[entry['unit']]}")
    return faults


def _wallet_faults(wallet: Document, sums: dict[str, int], seq: int, head: str) -> list[str]:
    faults = []
    for name, unit in (("credits", "credit"), ("points", "point")):
        if wallet[name] != sums[unit]:
            faults.append(f"{name} is {wallet[name]}, its entries add up to {sums[unit]}")
    if (wallet["seq"], wallet["head"]) != (seq, head):
        faults.append(f"seq and head do not name the last entry (seq {wallet['seq']}, entries end at {seq})")
    if wallet["credits"] < wallet["credits_held"]:
        faults.append("more is held than there is")
    return faults


async def _audit_holds(database: Database, user: str) -> AsyncIterator[Difference]:
    """Holds and wallets are not read at one moment: only a wallet that stood still meanwhile can be blamed."""
    for _ in range(_HOLD_READS_MAX):
        before = await wallets.wallet(database, user)
        held = await _held(database)
        after = await wallets.wallet(database, user)
        faults = [] if before is None else held.faults(before)
        if before is None or after is None or not faults:
            return
        if before["version"] == after["version"]:
            for fault in faults:
                yield Difference(user, fault)
            return


class DriftMonitor:
    """Sums what is new in changed wallets; `drifting` names the wallets whose balance is not their entries' sum."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._summed: OrderedDict[str, tuple[int, int, int]] = OrderedDict()  # user -> seq, credits, points
        self._since = datetime.min.replace(tzinfo=UTC)  # the first pass is over all
        self._last_full = now()
        self.drifting: set[str] = set()

    async def check(self) -> int:
        """One pass over the wallets changed since the last one (once a day over all); how many drift."""
        started = now()
        if started - self._last_full > timedelta(seconds=limits.DRIFT_FULL_SECONDS):
            self._summed.clear()
            self._since = datetime.min.replace(tzinfo=UTC)
            self._last_full = started
        async for wallet in wallets.scan_changed(self._database, self._since):
            await self._check_wallet(wallet)
        self._since = started - _OVERLAP
        return len(self.drifting)

    async def _check_wallet(self, wallet: Document) -> None:
        user = wallet["_id"]
        known = (wallet["seq"], wallet["credits"], wallet["points"])
        if self._summed.get(user) == known:
            return  # a hold moved, no entry: nothing to add up
        seq, credit, point = self._summed.get(user, (0, 0, 0))
        count, sums = await wallets.entry_sums(self._database, user, after=seq, until=wallet["seq"])
        credit, point = credit + sums.get("credit", 0), point + sums.get("point", 0)
        right = (credit, point, seq + count) == (wallet["credits"], wallet["points"], wallet["seq"])
        if right:
            self.drifting.discard(user)
            self._summed[user] = (wallet["seq"], credit, point)
            self._summed.move_to_end(user)
        else:
            log.error("ledger drift", wallet=user, credits=wallet["credits"], entries=credit, seq=wallet["seq"])
            self.drifting.add(user)
            self._summed.pop(user, None)
        if len(self._summed) > limits.WALLET_CACHE_ENTRIES:
            self._summed.popitem(last=False)
