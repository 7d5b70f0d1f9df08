"""Budgets of API keys in the wallet: what a hold may take, what is spent, how a period turns over, and how a key ends."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest

from hub.batch import Batch, Outcome, Snapshot
from hub.budgets import Budget, BudgetChange, CloseBudget, EndBudget, OpenBudget, Period, name_of
from hub.errors import Code, HubError
from hub.operations import ExtendHold, HoldChange, Operation, PlaceHold, SettleHold
from models import wallets
from models.database import Document

MONDAY = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)  # the last second of a month, and of the week's first day
BUDGET = Budget("key_1", 100, "day")


def counters(held: int = 0, spent: int = 0, period: Period = "day", moment: datetime = MONDAY) -> Document:
    return {"held": held, "spent": {"period": period, "of": name_of(period, moment), "amount": spent}}


def wallet(credits: int = 1_000, held: int = 0, **budgets: Document) -> Document:
    made = wallets.new_wallet("ada", "epoch", MONDAY) | {"credits": credits, "credits_held": held, "version": 7}
    return {**made, "budgets": budgets} if budgets else made


def hold(amount: int, *kept: Document) -> Document:
    made: Document = {"_id": "h1", "wallet": "ada", "amount": amount, "node": "node_1"}
    return made | {"budgets": list(kept)} if kept else made


def batch(found: Document, *holds: Document, moment: datetime = MONDAY) -> Batch:
    return Batch(Snapshot({"ada": found}, {row["_id"]: row for row in holds}, set()), moment)


def place(want: int, at_least: int = 1, hold: str = "h1", budgets: Sequence[Budget] = (BUDGET,)) -> PlaceHold:
    return PlaceHold(hold, "ada", want, at_least, "node_1", MONDAY, "stream", "msg", "gpt-4", 10, budgets)


def settle(charge: int, hold: str = "h1") -> SettleHold:
    return SettleHold(hold, "ada", charge, "usage", {"model": "gpt-4"})


def apply(made: Batch, *changes: HoldChange) -> Outcome:
    return made.apply(Operation("h1", holds=changes))


def held(outcome: Outcome) -> int:
    assert outcome.applied is not None, outcome.error
    return outcome.applied.held


def refusal(outcome: Outcome) -> HubError:
    assert isinstance(outcome.error, HubError)
    return outcome.error


KEPT = {"key": "key_1", "limit": 100, "period": "day"}


@pytest.mark.parametrize(
    ("credits", "before", "want", "taken"),
    [
        (1_000, counters(), 60, 60),
        (1_000, counters(30, 30), 60, 40),
        (25, counters(), 60, 25),
        (1_000, counters(0, 99), 9, 1),
    ],
)
def test_a_hold_takes_what_wallet_and_budget_have(credits: int, before: Document, want: int, taken: int) -> None:
    made = batch(wallet(credits, key_1=before))
    assert held(apply(made, place(want))) == taken
    assert made.wallets["ada"]["credits_held"] == taken
    assert made.wallets["ada"]["budgets"] == {"key_1": {**before, "held": before["held"] + taken}}
    (written,) = made.writes().inserts["holds"]
    assert (written["amount"], written["budgets"]) == (taken, [KEPT])


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (2_500_000, "2.5 credits a day"),
        (0, "0 credits a day"),
        (10, "0.00001 credits a day"),
        (1_000_000_000_000, "1000000 credits a day"),
    ],
)
def test_a_budget_that_is_used_up_is_named(limit: int, said: str) -> None:
    made = batch(wallet(10_000_000, key_1=counters(0, limit - 4)))
    error = refusal(apply(made, place(50, at_least=5, budgets=[Budget("key_1", limit, "day")])))
    assert (
        error.code is Code.INSUFFICIENT_CREDITS and "budget of this API key" in error.message and said in error.message
    )
    assert made.changed_wallets() == []


def test_an_empty_wallet_is_not_called_a_budget() -> None:
    error = refusal(apply(batch(wallet(4, key_1=counters())), place(50, at_least=5)))
    assert error.code is Code.INSUFFICIENT_CREDITS and "budget" not in error.message


def test_a_limit_that_was_lowered_below_what_is_spent_takes_nothing() -> None:
    made = batch(wallet(key_1=counters(50, 80)), hold(50, KEPT))
    assert held(apply(made, ExtendHold("h1", "ada", 10))) == 50
    assert refusal(apply(made, place(10, hold="h2"))).code is Code.INSUFFICIENT_CREDITS


def test_an_extension_stops_at_the_budget_of_its_hold() -> None:
    made = batch(wallet(held=70, key_1=counters(70, 10)), hold(70, KEPT))
    assert [held(apply(made, ExtendHold("h1", "ada", 15))) for _ in range(3)] == [85, 90, 90]
    assert made.wallets["ada"]["credits_held"] == 90
    assert made.wallets["ada"]["budgets"]["key_1"]["held"] == 90


@pytest.mark.parametrize(("charge", "spent"), [(0, 10), (30, 40), (70, 80), (10**9, 80)])
def test_a_settlement_moves_what_is_held_to_what_is_spent(charge: int, spent: int) -> None:
    made = batch(wallet(held=70, key_1=counters(70, 10)), hold(70, KEPT))
    outcome = apply(made, settle(charge))
    assert outcome.applied is not None and outcome.applied.receipt is not None
    assert made.wallets["ada"]["budgets"] == {"key_1": counters(0, spent)}
    assert made.wallets["ada"]["credits_held"] == 0
    entries = made.writes().inserts["entries"]
    assert [entry["metadata"] for entry in entries] == ([{"model": "gpt-4", "key": "key_1"}] if charge else [])


def test_keys_and_their_owner_have_nothing_of_each_others_budgets() -> None:
    made = batch(wallet(key_1=counters(), key_2=counters(5, 5)))
    assert held(apply(made, place(60))) == 60
    assert held(apply(made, place(500, hold="h2", budgets=()))) == 500
    assert made.wallets["ada"]["budgets"] == {"key_1": counters(60), "key_2": counters(5, 5)}
    assert "budgets" not in made.writes().inserts["holds"][1]


def test_a_wallet_without_budgets_is_written_without_any() -> None:
    made = batch(wallet())
    assert held(apply(made, place(60, budgets=()))) == 60
    apply(made, settle(50))
    assert "budgets" not in made.wallets["ada"]


def test_a_refused_operation_leaves_the_budget_as_it_was() -> None:
    made = batch(wallet(key_1=counters()))
    assert refusal(apply(made, place(60), place(60, at_least=41, hold="h2"))).code is Code.INSUFFICIENT_CREDITS
    assert made.wallets["ada"]["budgets"] == {"key_1": counters()}
    assert held(apply(made, place(100))) == 100


@pytest.mark.parametrize(
    ("period", "later", "begins"),
    [
        ("day", timedelta(seconds=1), True),
        ("week", timedelta(seconds=1), False),
        ("week", timedelta(days=6), False),
        ("week", timedelta(days=6, seconds=1), True),
        ("month", timedelta(seconds=1), True),
        ("month", timedelta(0), False),
        ("total", timedelta(days=4_000), False),
        ("day", timedelta(days=-1), False),
        ("month", timedelta(days=-40), False),
    ],
)
def test_a_new_period_begins_at_zero_and_what_is_held_comes_along(
    period: Period, later: timedelta, begins: bool
) -> None:
    """A node whose clock is late opens no period anew."""
    moment = MONDAY + later
    budget = Budget("key_1", 100, period)
    made = batch(wallet(held=30, key_1=counters(30, 60, period)), hold(30, {**KEPT, "period": period}), moment=moment)
    assert held(apply(made, place(100, hold="h2", budgets=[budget]))) == (70 if begins else 10)
    apply(made, settle(20))
    expected = counters(70, 20, period, moment) if begins else counters(10, 80, period)
    assert made.wallets["ada"]["budgets"] == {"key_1": expected}


@pytest.mark.parametrize(
    ("moment", "names"),
    [
        (datetime(2026, 11, 27, 12, tzinfo=UTC), ("2026-11-27", "2026-W48", "2026-11")),
        (datetime(2027, 1, 1, tzinfo=UTC), ("2027-01-01", "2026-W53", "2027-01")),
        (datetime(2024, 12, 30, tzinfo=UTC), ("2024-12-30", "2025-W01", "2024-12")),
        (datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=2))), ("2026-11-30", "2026-W49", "2026-11")),
    ],
)
def test_periods_are_those_of_the_calendar_in_utc(moment: datetime, names: tuple[str, ...]) -> None:
    assert (name_of("day", moment), name_of("week", moment), name_of("month", moment)) == names
    assert name_of("total", moment) == "total"


def changed(made: Batch, change: BudgetChange) -> Document:
    outcome = made.apply(Operation("key", budgets=[change]))
    assert outcome.applied is not None, outcome.error
    budgets: Document = made.wallets["ada"]["budgets"]
    return budgets


def test_counters_are_opened_once_and_another_period_begins_at_zero() -> None:
    made = batch(wallet())
    assert changed(made, OpenBudget("ada", "key_1", "day")) == {"key_1": counters()}
    made = batch(wallet(key_1=counters(30, 60), key_2=counters(1, 2)))
    kept = {"key_1": counters(30, 60), "key_2": counters(1, 2)}
    assert changed(made, OpenBudget("ada", "key_1", "day")) == kept
    assert changed(made, OpenBudget("ada", "key_1", "total")) == {**kept, "key_1": counters(30, 0, "total")}


def test_a_hold_of_the_former_period_counts_in_the_one_that_is_counted_now() -> None:
    """Else an answer that runs while its key is changed would have what was spent forgotten."""
    made = batch(wallet(held=30, key_1=counters(30, 60, "total")), hold(30, KEPT))
    apply(made, settle(20))
    assert made.wallets["ada"]["budgets"] == {"key_1": counters(0, 80, "total")}


def test_a_key_that_is_no_more_reserves_nothing_and_what_it_held_is_settled() -> None:
    made = batch(wallet(held=70, key_1=counters(70, 10)), hold(70, KEPT))
    assert changed(made, EndBudget("ada", "key_1")) == {}
    assert held(apply(made, ExtendHold("h1", "ada", 10))) == 70
    assert refusal(apply(made, place(10, hold="h2"))).code is Code.UNAUTHENTICATED
    outcome = apply(made, settle(50))
    assert outcome.applied is not None and outcome.applied.receipt is not None
    assert (outcome.applied.receipt.charged, made.wallets["ada"]["credits_held"]) == (50, 0)
    assert made.wallets["ada"]["budgets"] == {}


PROJECT = Budget("proj_1", 50, "total", project=3)
KEPT_PROJECT = {"key": "proj_1", "limit": 50, "period": "total", "project": 3}


@pytest.mark.parametrize(
    ("of_key", "of_project", "taken"),
    [
        (counters(), counters(10, 5, "total"), 35),
        (counters(30, 60), counters(0, 0, "total"), 10),
        (counters(), counters(0, 0, "total"), 50),
    ],
)
def test_the_tighter_of_two_budgets_bounds_a_hold_and_both_count_it(
    of_key: Document, of_project: Document, taken: int
) -> None:
    made = batch(wallet(key_1=of_key, proj_1=of_project))
    assert held(apply(made, place(60, budgets=[BUDGET, PROJECT]))) == taken
    (written,) = made.writes().inserts["holds"]
    assert (written["amount"], written["budgets"]) == (taken, [KEPT, KEPT_PROJECT])
    assert held(apply(made, ExtendHold("h1", "ada", 100))) == taken, "neither lets more be held"
    apply(made, settle(4))
    assert made.wallets["ada"]["budgets"] == {
        key: {"held": before["held"], "spent": {**before["spent"], "amount": before["spent"]["amount"] + 4}}
        for key, before in (("key_1", of_key), ("proj_1", of_project))
    }
    (entry,) = made.writes().inserts["entries"]
    assert entry["metadata"] == {"model": "gpt-4", "key": "key_1", "project": 3}


@pytest.mark.parametrize(
    ("limit", "said"), [(50, "this project, 0.00005 credits in all,"), (2, "this project, 0.000002")]
)
def test_a_projects_budget_that_is_used_up_is_called_the_projects(limit: int, said: str) -> None:
    made = batch(wallet(key_1=counters(), proj_1=counters(0, 48, "total")))
    error = refusal(apply(made, place(50, at_least=5, budgets=[BUDGET, Budget("proj_1", limit, "total", 3)])))
    assert error.code is Code.INSUFFICIENT_CREDITS and said in error.message
    assert made.changed_wallets() == [], "not even the key's is counted"


def test_a_project_without_a_limit_is_counted() -> None:
    made = batch(wallet(proj_1=counters(0, 10**9, "total")))
    assert held(apply(made, place(700, budgets=[Budget("proj_1", None, "total", 3)]))) == 700
    assert held(apply(made, ExtendHold("h1", "ada", 100))) == 800
    apply(made, settle(750))
    assert made.wallets["ada"]["budgets"] == {"proj_1": counters(0, 10**9 + 750, "total")}


def test_closed_counters_reserve_nothing_count_what_was_held_and_go_on_when_they_are_opened() -> None:
    made = batch(wallet(held=30, proj_1=counters(30, 5, "total")), hold(30, KEPT_PROJECT))
    assert changed(made, CloseBudget("ada", "proj_1")) == {"proj_1": {**counters(30, 5, "total"), "closed": True}}
    assert held(apply(made, ExtendHold("h1", "ada", 5))) == 30
    assert refusal(apply(made, place(1, hold="h2", budgets=[PROJECT]))).code is Code.NOT_FOUND
    apply(made, settle(20))
    assert made.wallets["ada"]["budgets"] == {"proj_1": {**counters(0, 25, "total"), "closed": True}}
    assert changed(made, OpenBudget("ada", "proj_1", "total")) == {"proj_1": counters(0, 25, "total")}
    assert held(apply(made, place(100, hold="h2", budgets=[PROJECT]))) == 25


def test_what_has_no_counters_is_not_closed() -> None:
    made = batch(wallet(key_1=counters()))
    assert changed(made, CloseBudget("ada", "proj_1")) == {"key_1": counters()}


def test_a_hold_of_an_earlier_version_goes_by_its_only_budget() -> None:
    made = batch(wallet(held=70, key_1=counters(70, 10)), hold(70) | {"budget": KEPT})
    assert held(apply(made, ExtendHold("h1", "ada", 100))) == 90
    apply(made, settle(50))
    assert made.wallets["ada"]["budgets"] == {"key_1": counters(0, 60)}


def test_of_many_counters_those_that_moved_are_written() -> None:
    made = batch(wallet(key_1=counters(), key_2=counters(5, 5), proj_1=counters(0, 0, "total")))
    assert held(apply(made, place(20, budgets=[BUDGET, PROJECT]))) == 20
    ((_, change),) = made.writes().guarded_updates["wallets"]
    moved = {name for name in change["$set"] if name.startswith("budgets")}
    assert moved == {"budgets.key_1", "budgets.proj_1"}
    made = batch(wallet(key_1=counters(), key_2=counters(5, 5)))
    changed(made, EndBudget("ada", "key_1"))
    ((_, change),) = made.writes().guarded_updates["wallets"]
    assert change["$set"]["budgets"] == {"key_2": counters(5, 5)}
