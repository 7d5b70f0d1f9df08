"""What can be asked of the ledger: an operation is everything that must become true together.

    Operation = entries (money) + hold changes + events + documents          all or nothing, once per `id`

Plain data. `hub/ledger.py` builds the usual ones, `hub/committer.py` writes them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from hub.budgets import Budget, BudgetChange
from hub.errors import Code, HubError
from hub.quotas import Quota
from models.clock import now
from models.counters import COUNTERS
from models.database import Document, Transaction

Unit = Literal["credit", "point"]
Kind = Literal["purchase", "usage", "bonus", "gift", "exchange", "refund", "adjustment", "reward"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One entry to be: `amount` is signed, in micro-credits or whole points."""

    wallet: str
    unit: Unit
    kind: Kind
    amount: int
    description: str
    metadata: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlaceHold:
    """Reserve `want` micro-credits; with less available as much as there is, but never less than `at_least`.

    Each of the `budgets` bounds the hold as the wallet does, for as long as it stands: its document keeps them. Of a
    `quota` it takes one request, and is refused where none is left.
    """

    hold: str
    wallet: str
    want: int
    at_least: int
    node: str
    expires_at: datetime
    stream: str
    message: str
    model: str
    prompt_tokens: int
    budgets: Sequence[Budget] = ()
    idempotency: str | None = None  # the key's record that goes with a hold whose owner died, where no message tells it
    quota: Quota | None = None
    hops: int = 0  # as an operation's


@dataclass(frozen=True, slots=True)
class ExtendHold:
    """Add up to `want` micro-credits to a hold: as much as is available, perhaps nothing."""

    hold: str
    wallet: str
    want: int


@dataclass(frozen=True, slots=True)
class SettleHold:
    """End a hold, charging the smaller of `charge` and what it holds; a charge of zero makes no entry.

    The entry's operation is the hold's id, so a hold settles once, whoever tries. A `fruitless` one, of which nothing
    came by our or a provider's fault, does not count against its user's quota.
    """

    hold: str
    wallet: str
    charge: int
    description: str
    metadata: Document = field(default_factory=dict)
    fruitless: bool = False


HoldChange = PlaceHold | ExtendHold | SettleHold


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a settled hold came to, in micro-credits; `seq` is the wallet's last entry number."""

    hold: int
    charged: int
    released: int
    balance_after: int
    seq: int


@dataclass(frozen=True, slots=True)
class Telling:
    """Marks a notification's parts: they stand as far as this user's settings, read in the transaction, want them."""

    user: str
    category: str


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event for a user's channel. `data` may be a function of the operation's receipt, known only when applied.

    With `telling` it is left out where its user does not want to be told in the application.
    """

    user: str
    type: str
    data: Document | Callable[[Receipt | None], Document]
    telling: Telling | None = None


def _already_there(field_name: str) -> Exception:
    return HubError(Code.CONFLICT, f"This {field_name} exists already")


@dataclass(frozen=True, slots=True)
class Insert:
    """A document to insert; `unique` names its fields whose values come from outside, so that another may hold them.

    A twin is looked for before writing, so that it fails this operation alone, with the error that `taken` makes of the
    field's name. A document without such fields may be a function of the operation's receipt. With `telling` it is a
    notification: it notes by which media its user wants to be told, and is left out where by none. `result` gives
    further fields, those that are known only when the operation is applied: balances, the entries' ids.
    """

    collection: str
    document: Document | Callable[[Receipt | None], Document]
    unique: Sequence[str] = ()
    taken: Callable[[str], Exception] = _already_there
    telling: Telling | None = None
    result: "Callable[[Applied], Document] | None" = None


@dataclass(frozen=True, slots=True)
class Update:
    """An update of one document, if it is still there. `change` may be a function of the operation's receipt.

    Its owner may delete a message while it is being written: that must not stop the money. `result` gives further
    fields to set, those that are known only when the operation is applied. With `upsert` it is made where it is not
    there.
    """

    collection: str
    query: Mapping[str, Any]
    change: Document | Callable[[Receipt | None], Document]
    result: "Callable[[Applied], Document] | None" = None
    upsert: bool = False


def in_turn(what: str) -> Update:
    """Written by all operations that must see each other's outcome, as those that count how many there are: of two at
    once the second is composed anew. Setting a moment would not do: where both have the same, the later write is none.
    """
    return Update(COUNTERS, {"_id": what}, {"$inc": {"value": 1}}, upsert=True)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove one document, if it is still there."""

    collection: str
    query: Mapping[str, Any]


@dataclass(slots=True)
class Operation:
    """One unit of work for the committer. `id` names its entries; use the hold's id when it settles one.

    `new_wallets` are made with the operation (sign-up). `webhooks` says how many of a user's endpoints are switched on
    now: only then the user's events wait to be delivered; `recharge_below` below how many micro-credits a user's
    rule has more bought, 0 for never. `once` says that the id comes from outside (a payment) and has to be looked up among
    the entries before it is applied. `hops` is how many workflows led to it, one after the other: its events
    carry that to whatever they set off.
    """

    id: str
    legs: Sequence[Leg] = ()
    holds: Sequence[HoldChange] = ()
    budgets: Sequence[BudgetChange] = ()
    events: Sequence[NewEvent] = ()
    inserts: Sequence[Insert] = ()
    updates: Sequence[Update] = ()
    deletes: Sequence[Delete] = ()
    new_wallets: Sequence[str] = ()
    webhooks: Mapping[str, int] = field(default_factory=dict)
    recharge_below: Mapping[str, int] = field(default_factory=dict)
    once: bool = False
    hops: int = 0
    created_at: datetime = field(default_factory=now)
    size_bytes: int = 1_000  # a rough figure that bounds a batch


@dataclass(frozen=True, slots=True)
class Composed:
    """An operation that is made inside the transaction that writes it, from what that transaction reads.

    For what depends on documents as they are (the last administrator, a balance to be set). `compose` only reads, and
    refuses by raising `HubError`. It may run several times; what the last run gives is what stands. It sees a snapshot,
    so two nodes may both find true what one of them is about to end: where that matters the operation also updates a
    document that the other must update too. It is committed by itself: rare work, that must not hold up a batch.
    """

    id: str
    compose: Callable[[Transaction], Awaitable[Operation]]
    size_bytes: int = 1_000


@dataclass(frozen=True, slots=True)
class WalletState:
    """A wallet as it stands after a commit. Micro-credits; `version` orders states, `budgets` are counters by API
    key and project.
    """

    user: str
    credits: int
    credits_held: int
    points: int
    seq: int
    version: int
    epoch: str
    offset: int
    budgets: Mapping[str, Document]

    @property
    def available(self) -> int:
        return self.credits - self.credits_held


@dataclass(frozen=True, slots=True)
class Applied:
    """What an operation came to, once its commit stands."""

    wallets: Mapping[str, WalletState]
    held: int = 0  # micro-credits in the hold after PlaceHold or ExtendHold
    receipt: Receipt | None = None
    entry_ids: Sequence[str] = ()
