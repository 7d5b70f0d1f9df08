"""Budgets: how many credits an API key or a project may spend, counted in its owner's wallet.

    wallet["budgets"] = {id of a key or project: {"held": n, "spent": {"period": "day", "of": "2026-11-27", "amount": n}}}

The counters are part of the wallet because that is read, guarded by its version and written with each hold anyway: a budget
costs no write of its own, and no two nodes can spend the same credit of it. A key's come with its limit and go with the
key. A project's come with the project, which counts without a limit too; a deleted one's are `closed` until it is restored.
What has no counters, or closed ones, reserves nothing more; closed ones still count what was held before. Which period is
counted is theirs to say, whatever an older hold remembers of it. Amounts are micro-credits. No I/O and no clock:
`hub/batch.py` calls these functions on an operation's own copy of a wallet, whose counters are replaced and never changed in
place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from hub.errors import Code, HubError
from hub.prices import credits_text
from models.database import Document

Period = Literal["day", "week", "month", "total"]
PERIODS: Final[tuple[Period, ...]] = ("day", "week", "month", "total")
_SAID: Final = {"day": "a day", "week": "a week", "month": "a month", "total": "in all"}


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `limit` micro-credits in each period of the counters that stand under `key`; None: they count, and no more.

    `period` is what it was when asked for. `project` is the number of the project whose budget this is; else it is an API
    key's.
    """

    key: str
    limit: int | None
    period: Period
    project: int | None = None


@dataclass(frozen=True, slots=True)
class OpenBudget:
    """Have a wallet count what an API key or a project spends, again if its counters were closed.

    Counters of the same period are kept; another one begins at zero.
    """

    wallet: str
    key: str
    period: Period


@dataclass(frozen=True, slots=True)
class CloseBudget:
    """Let nothing more be reserved; what is held is counted when it is settled, and what was spent is kept."""

    wallet: str
    key: str


@dataclass(frozen=True, slots=True)
class EndBudget:
    """Remove the counters of what is no more; from then on it reserves nothing."""

    wallet: str
    key: str


BudgetChange = OpenBudget | CloseBudget | EndBudget


def name_of(period: Period, moment: datetime) -> str:
    """The period that a moment lies in, by UTC: `2026-11-27`, `2026-W48` (ISO), `2026-11`, `total`; later ones sort last."""
    utc = moment.astimezone(UTC)
    if period == "week":
        year, week, _ = utc.isocalendar()
        return f"{year:04}-W{week:02}"
    return {"day": utc.strftime("%Y-%m-%d"), "month": utc.strftime("%Y-%m")}.get(period, "total")


def _nothing_spent(period: Period, moment: datetime) -> Document:
    return {"period": period, "of": name_of(period, moment), "amount": 0}


def spent(counters: Document, moment: datetime) -> Document:
    """What has been spent in the period of `moment`: nothing where that is a later one than was counted last.

    A moment earlier than what was counted is that of a node whose clock is late: it opens no period anew.
    """
    counted: Document = counters["spent"]
    begins = _nothing_spent(counted["period"], moment)
    return begins if begins["of"] > counted["of"] else counted


def _left(counters: Document, limit: int, moment: datetime) -> int:
    """What may still be reserved; what is held from an earlier period counts in this one, where it will be spent."""
    counted: int = counters["held"] + spent(counters, moment)["amount"]
    return max(0, limit - counted)


def written(before: Mapping[str, Document], after: Mapping[str, Document]) -> Document:
    """The fields by which a wallet's counters are changed: those that moved, of what may be a hundred; or all, where some
    went.
    """
    if before.keys() - after.keys():
        return {"budgets": after}
    return {f"budgets.{key}": counters for key, counters in after.items() if counters is not before.get(key)}


# --- what happens to a wallet that an operation has copied for itself --------------------------------------------


def change(wallet: Document, wanted: BudgetChange, moment: datetime) -> None:
    counted = wallet.get("budgets", {})
    counters = counted.get(wanted.key)
    if isinstance(wanted, OpenBudget):
        wallet["budgets"] = {**counted, wanted.key: _opened(counters, wanted.period, moment)}
    elif isinstance(wanted, EndBudget):
        wallet["budgets"] = {key: others for key, others in counted.items() if key != wanted.key}
    elif counters is not None:
        wallet["budgets"] = {**counted, wanted.key: {**counters, "closed": True}}


def _opened(counters: Document | None, period: Period, moment: datetime) -> Document:
    if counters is None:
        return {"held": 0, "spent": _nothing_spent(period, moment)}
    is_same = counters["spent"]["period"] == period
    return {"held": counters["held"], "spent": counters["spent"] if is_same else _nothing_spent(period, moment)}


def reserve(wallet: Document, held_to: Sequence[Budget], want: int, moment: datetime, at_least: int = 0) -> int:
    """How much of `want` every budget lets be held, which is all without one, and count that in each.

    Raises `HubError` where one lets less than `at_least`: INSUFFICIENT_CREDITS, or what `_is_no_more` says.
    """
    if not held_to:
        return want
    counted = wallet.get("budgets", {})
    amount = want
    for budget in held_to:
        amount = min(amount, _lets(counted.get(budget.key), budget, amount, at_least, moment))
    there = {budget.key: counted[budget.key] for budget in held_to if budget.key in counted}
    more = {key: {**counters, "held": counters["held"] + amount} for key, counters in there.items()}
    wallet["budgets"] = {**counted, **more}
    return amount


def _lets(counters: Document | None, budget: Budget, want: int, at_least: int, moment: datetime) -> int:
    """What one budget lets be held of `want`. Raises `HubError` as `reserve` does."""
    if counters is None or counters.get("closed"):
        if at_least:
            raise _is_no_more(budget)
        return 0
    if budget.limit is None:
        return want
    available = _left(counters, budget.limit, moment)
    if available < at_least:
        raise _used_up(budget, budget.limit)
    return available


def check(counted: Mapping[str, Document], held_to: Sequence[Budget], amount: int, moment: datetime) -> None:
    """Whether so much may be reserved by a wallet's counters. Raises `HubError` as `reserve` does."""
    reserve({"budgets": counted}, held_to, amount, moment, at_least=amount)


def settle(wallet: Document, held_to: Sequence[Budget], held: int, charged: int, moment: datetime) -> Document:
    """A hold has ended: count what was charged as spent, and give what the charge's entry is to tell of it.

    Of a key that was withdrawn meanwhile nothing is counted any more; the wallet pays all the same.
    """
    counted = wallet.get("budgets", {})
    there = {budget.key: counted[budget.key] for budget in held_to if budget.key in counted}
    if there:
        settled = {key: _settled(counters, held, charged, moment) for key, counters in there.items()}
        wallet["budgets"] = {**counted, **settled}
    return dict(map(_named, held_to))


def _named(budget: Budget) -> tuple[str, str | int]:
    return ("key", budget.key) if budget.project is None else ("project", budget.project)


def _settled(counters: Document, held: int, charged: int, moment: datetime) -> Document:
    now_spent = spent(counters, moment)
    now_spent = {**now_spent, "amount": now_spent["amount"] + charged}
    return {**counters, "held": counters["held"] - held, "spent": now_spent}


def _is_no_more(budget: Budget) -> HubError:
    """It went while the request was on its way, which is answered as the next one will be."""
    if budget.project is not None:
        return HubError(Code.NOT_FOUND, "No such project")
    return HubError(Code.UNAUTHENTICATED, "The API key that asked for this was withdrawn")


def _used_up(budget: Budget, limit_micro: int) -> HubError:
    whose = "API key" if budget.project is None else "project"
    limit = f"{credits_text(limit_micro)} credits {_SAID[budget.period]}"
    message = f"The budget of this {whose}, {limit}, does not suffice for this request"
    return HubError(Code.INSUFFICIENT_CREDITS, message)


def kept_in_hold(held_to: Sequence[Budget]) -> Document:
    """What a hold's document keeps, so that whoever extends or settles it goes by the same budgets."""
    return {"budgets": [_kept(budget) for budget in held_to]} if held_to else {}


def _kept(budget: Budget) -> Document:
    of = {} if budget.project is None else {"project": budget.project}
    return {"key": budget.key, "limit": budget.limit, "period": budget.period, **of}


def budgets_in(hold: Document) -> list[Budget]:
    """The budgets that a hold counts against; one of an earlier version of the hub has its only one as `budget`."""
    kept = hold.get("budgets") or ([hold["budget"]] if "budget" in hold else [])
    return [Budget(**each) for each in kept]


def project_of(held_to: Sequence[Budget]) -> int | None:
    """The number of the project among them, if any: what belongs to a project always counts for it."""
    return next((budget.project for budget in held_to if budget.project is not None), None)
