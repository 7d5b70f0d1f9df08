"""Budgets: how many credits an API key may spend in a period, counted in its owner's wallet.

    wallet["budgets"] = {key id: {"held": n, "spent": {"period": "day", "of": "2026-11-27", "amount": n}}}

The counters are part of the wallet because that is read, guarded by its version and written with each hold anyway: a budget
costs no write of its own, and no two nodes can spend the same credit of it. They come with the key's limit and go with the
key; a key whose counters are gone reserves nothing more. Which period is counted is theirs to say, whatever an older hold
remembers of it. Amounts are micro-credits. No I/O and no clock: `hub/batch.py` calls these functions on an operation's own
copy of a wallet, whose counters are replaced and never changed in place.
"""

from collections.abc import Mapping
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
    """At most `limit` micro-credits by this key in each period of the counters; `period` is what it was when asked for."""

    key: str
    limit: int
    period: Period


@dataclass(frozen=True, slots=True)
class OpenBudget:
    """Have a wallet count what an API key spends. Counters of the same period are kept; another one begins at zero."""

    wallet: str
    key: str
    period: Period


@dataclass(frozen=True, slots=True)
class EndBudget:
    """Remove the counters of an API key that is no more; from then on it reserves nothing."""

    wallet: str
    key: str


BudgetChange = OpenBudget | EndBudget


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


def left(counters: Document, budget: Budget, moment: datetime) -> int:
    """What may still be reserved; what is held from an earlier period counts in this one, where it will be spent."""
    counted: int = counters["held"] + spent(counters, moment)["amount"]
    return max(0, budget.limit - counted)


# --- what happens to a wallet that an operation has copied for itself --------------------------------------------


def change(wallet: Document, wanted: BudgetChange, moment: datetime) -> None:
    counted = wallet.get("budgets", {})
    if isinstance(wanted, OpenBudget):
        counters = counted.get(wanted.key)
        if counters is None or counters["spent"]["period"] != wanted.period:
            held = 0 if counters is None else counters["held"]
            fresh = {"held": held, "spent": _nothing_spent(wanted.period, moment)}
            wallet["budgets"] = {**counted, wanted.key: fresh}
    else:
        wallet["budgets"] = {key: counters for key, counters in counted.items() if key != wanted.key}


def reserve(wallet: Document, budget: Budget | None, want: int, moment: datetime, at_least: int = 0) -> int:
    """How much of `want` the budget lets be held, which is all without one, and count that.

    Raises `HubError` where it is less than `at_least`: INSUFFICIENT_CREDITS, or UNAUTHENTICATED when the key is no more.
    """
    if budget is None:
        return want
    counted = wallet.get("budgets", {})
    counters = counted.get(budget.key)
    if counters is None:
        return _of_nothing(at_least)
    available = left(counters, budget, moment)
    if available < at_least:
        raise _used_up(budget)
    amount = min(want, available)
    wallet["budgets"] = {**counted, budget.key: {**counters, "held": counters["held"] + amount}}
    return amount


def check(counted: Mapping[str, Document], budget: Budget | None, amount: int, moment: datetime) -> None:
    """Whether so much may be reserved by a wallet's counters. Raises `HubError` as `reserve` does."""
    reserve({"budgets": counted}, budget, amount, moment, at_least=amount)


def settle(wallet: Document, budget: Budget | None, held: int, charged: int, moment: datetime) -> Document:
    """A hold has ended: count what was charged as spent, and give what the charge's entry is to tell of it.

    Of a key that was withdrawn meanwhile nothing is counted any more; the wallet pays all the same.
    """
    if budget is None:
        return {}
    counted = wallet.get("budgets", {})
    if (counters := counted.get(budget.key)) is not None:
        now_spent = spent(counters, moment)
        now_spent = {**now_spent, "amount": now_spent["amount"] + charged}
        wallet["budgets"] = {**counted, budget.key: {"held": counters["held"] - held, "spent": now_spent}}
    return {"key": budget.key}


def _of_nothing(at_least: int) -> int:
    if at_least:
        raise HubError(Code.UNAUTHENTICATED, "The API key that asked for this was withdrawn")
    return 0


def _used_up(budget: Budget) -> HubError:
    limit = f"{credits_text(budget.limit)} credits {_SAID[budget.period]}"
    return HubError(
        Code.INSUFFICIENT_CREDITS, f"The budget of this API key, {limit}, does not suffice for this request"
    )


def kept_in_hold(budget: Budget | None) -> Document:
    """What a hold's document keeps, so that whoever extends or settles it goes by the same budget."""
    if budget is None:
        return {}
    return {"budget": {"key": budget.key, "limit": budget.limit, "period": budget.period}}


def budget_in(hold: Document) -> Budget | None:
    """The budget that a hold counts against, if any."""
    kept = hold.get("budget")
    return Budget(**kept) if kept else None
