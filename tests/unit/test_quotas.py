"""Quotas in the wallet: what counts, when a period turns over and where, what its user is told, what is given back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from config.plans import load_plans
from hub.batch import Batch, Outcome, Snapshot
from hub.budgets import Budget
from hub.errors import Code, Exhausted, HubError
from hub.operations import ExtendHold, HoldChange, Operation, PlaceHold, SettleHold
from hub.quotas import PERIODS, Quota, quota_of, standing
from models import wallets
from models.database import Document

FRIDAY = datetime(2026, 11, 27, 12, tzinfo=UTC)
PLANS = load_plans()
FREE = quota_of(PLANS, "free", "UTC")
ENDS = ("2026-11-28T00:00:00.000Z", "2026-11-30T00:00:00.000Z", "2026-12-01T00:00:00.000Z")


def free(zone: str) -> Quota:
    return quota_of(PLANS, "free", zone)


def of(daily: int | None, weekly: int | None = None, monthly: int | None = None, zone: str = "UTC") -> Quota:
    return Quota({"daily": daily, "weekly": weekly, "monthly": monthly}, ZoneInfo(zone))


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


class User:
    """One wallet over time: each request is a batch of its own, as a quiet hub would commit it."""

    def __init__(self, credits: int = 10**6) -> None:
        self.wallet: Document = wallets.new_wallet("ada", "epoch", FRIDAY) | {"credits": credits}
        self.holds: dict[str, Document] = {}
        self.told: list[Document] = []
        self._asked = 0

    def apply(self, moment: datetime, *changes: HoldChange) -> Outcome:
        batch = Batch(Snapshot({"ada": self.wallet}, self.holds, set()), moment)
        outcome = batch.apply(Operation("op", holds=changes))
        self.wallet = batch.wallets["ada"]
        self.holds = {name: hold for name, hold in batch.holds.items() if hold is not None}
        self.told += [event["data"] for event in outcome.events if event["type"] == "quota.warning"]
        return outcome

    def place(self, quota: Quota | None, want: int = 1, at_least: int = 1, budgets: Sequence[Budget] = ()) -> PlaceHold:
        self._asked += 1
        hold = f"h{self._asked}"
        return PlaceHold(
            *(hold, "ada", want, at_least, "node_1", FRIDAY, "stream", "msg", "gpt-4", 10), budgets, quota=quota
        )

    def ask(self, quota: Quota | None = FREE, moment: datetime = FRIDAY, times: int = 1) -> str:
        """So many requests; the hold of the last."""
        for _ in range(times):
            outcome = self.apply(moment, self.place(quota))
            assert outcome.applied is not None, outcome.error
        return f"h{self._asked}"

    def refused(self, quota: Quota = FREE, moment: datetime = FRIDAY) -> HubError:
        before = self.wallet
        outcome = self.apply(moment, self.place(quota))
        assert isinstance(outcome.error, HubError) and self.wallet is before and outcome.events == []
        return outcome.error

    def exhausted(self, quota: Quota = FREE, moment: datetime = FRIDAY) -> Exhausted:
        error = self.refused(quota, moment)
        assert error.code is Code.RATE_LIMITED and error.temporary and error.exhausted is not None
        return error.exhausted

    def end(self, hold: str, charge: int = 1, moment: datetime = FRIDAY, *, fruitless: bool = False) -> None:
        outcome = self.apply(moment, SettleHold(hold, "ada", charge, "usage", fruitless=fruitless))
        assert outcome.applied is not None, outcome.error

    def used(self, quota: Quota = FREE, moment: datetime = FRIDAY) -> tuple[int, ...]:
        stands = standing(self.wallet, quota, moment)
        return tuple(stands[period]["used"] for period in PERIODS)

    def resets(self, quota: Quota = FREE, moment: datetime = FRIDAY) -> tuple[str, ...]:
        stands = standing(self.wallet, quota, moment)
        return tuple(stands[period]["resets_at"] for period in PERIODS)


def test_a_request_counts_in_each_period_when_its_hold_stands() -> None:
    user = User()
    assert (user.used(), user.resets()) == ((0, 0, 0), ENDS)
    hold = user.ask(times=3)
    assert (user.used(), user.resets()) == ((3, 3, 3), ENDS)
    assert user.holds[hold]["quota"] == {"daily": "2026-11-27", "weekly": "2026-11-23", "monthly": "2026-11-01"}
    user.end(hold)
    assert user.used() == (3, 3, 3)
    assert {period: entry["limit"] for period, entry in standing(user.wallet, FREE, FRIDAY).items()} == {
        "daily": 50,
        "weekly": 350,
        "monthly": 1_500,
    }


def test_a_hold_without_a_quota_writes_none() -> None:
    user = User()
    hold = user.ask(None)
    assert "quota" not in user.holds[hold]
    user.end(hold, fruitless=True)
    assert "quota" not in user.wallet


def test_what_is_refused_for_credits_does_not_count() -> None:
    user = User(credits=5)
    outcome = user.apply(FRIDAY, user.place(FREE, want=6, at_least=6))
    assert isinstance(outcome.error, HubError) and outcome.error.code is Code.INSUFFICIENT_CREDITS
    assert user.used() == (0, 0, 0)
    budget = Budget("key_1", 10, "day")  # of a key that is no more
    outcome = user.apply(FRIDAY, user.place(FREE, budgets=[budget]))
    assert isinstance(outcome.error, HubError) and outcome.error.code is Code.UNAUTHENTICATED
    assert user.used() == (0, 0, 0)


def test_requests_of_one_batch_count_one_after_the_other() -> None:
    user = User()
    batch = Batch(Snapshot({"ada": user.wallet}, {}, set()), FRIDAY)
    outcomes = [batch.apply(Operation(f"op{number}", holds=[user.place(FREE)])) for number in range(200)]
    assert [outcome.applied is not None for outcome in outcomes] == [True] * 50 + [False] * 150
    (wallet,) = batch.changed_wallets()
    assert [wallet["quota"][period]["used"] for period in PERIODS] == [50, 50, 50]
    assert [event["data"]["used"] for outcome in outcomes for event in outcome.events] == [40, 45]


def test_the_period_that_ends_last_binds_and_says_when() -> None:
    user = User()
    user.ask(of(3), times=3)
    assert user.exhausted(of(3)) == Exhausted("daily", 3, 3, utc(2026, 11, 28))
    assert user.exhausted(of(3, 3, 9)) == Exhausted("weekly", 3, 3, utc(2026, 11, 30))
    assert user.exhausted(of(3, 3, 2)) == Exhausted("monthly", 2, 3, utc(2026, 12, 1))
    error = user.refused(of(3))
    assert error.retry_after_seconds == 12 * 3_600
    assert error.message == "The quota of 3 requests a day is used up. It begins anew at 2026-11-28T00:00:00.000Z."
    user.ask(of(3), utc(2026, 11, 28))
    assert user.used(of(3), utc(2026, 11, 28)) == (1, 4, 4)


def test_an_unlimited_tier_is_counted_and_never_refused_or_warned() -> None:
    user, unlimited = User(), quota_of(PLANS, "enterprise", "UTC")
    assert FREE.binds and of(None, None, 5).binds and not unlimited.binds
    user.ask(unlimited, times=60)
    assert (user.used(unlimited), user.told) == ((60, 60, 60), [])
    assert standing(user.wallet, unlimited, FRIDAY)["daily"]["limit"] is None


# --- turning over ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "moment", "ends"),
    [
        ("UTC", utc(2026, 11, 27, 23, 59, 59), ENDS),
        ("Asia/Tokyo", utc(2026, 11, 27, 14, 59), ("2026-11-27T15:00", "2026-11-29T15:00", "2026-11-30T15:00")),
        ("Asia/Tokyo", utc(2026, 11, 27, 15), ("2026-11-28T15:00", "2026-11-29T15:00", "2026-11-30T15:00")),
        ("Pacific/Honolulu", utc(2026, 12, 1, 9), ("2026-12-01T10:00", "2026-12-07T10:00", "2026-12-01T10:00")),
        # the week that has the year's end in its middle begins in one year and ends in the other
        ("UTC", utc(2026, 12, 31, 12), ("2027-01-01T00:00", "2027-01-04T00:00", "2027-01-01T00:00")),
        ("UTC", utc(2027, 1, 1), ("2027-01-02T00:00", "2027-01-04T00:00", "2027-02-01T00:00")),
        ("UTC", utc(2024, 12, 30), ("2024-12-31T00:00", "2025-01-06T00:00", "2025-01-01T00:00")),
        # a day of 23 hours, one of 25, and a midnight that its clock leaves out
        ("Europe/Berlin", utc(2026, 3, 28, 23), ("2026-03-29T22:00", "2026-03-29T22:00", "2026-03-31T22:00")),
        ("America/New_York", utc(2026, 11, 1, 4), ("2026-11-02T05:00", "2026-11-02T05:00", "2026-12-01T05:00")),
        ("America/Santiago", utc(2026, 9, 5, 12), ("2026-09-06T04:00", "2026-09-07T03:00", "2026-10-01T03:00")),
        ("UTC", utc(2028, 2, 29, 1), ("2028-03-01T00:00", "2028-03-06T00:00", "2028-03-01T00:00")),
    ],
)
def test_periods_are_those_of_the_users_calendar(zone: str, moment: datetime, ends: tuple[str, ...]) -> None:
    assert [end[:16] for end in User().resets(free(zone), moment)] == [end[:16] for end in ends]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Santiago", "America/New_York", "Pacific/Chatham"])
def test_each_period_of_a_year_begins_at_zero_when_the_one_before_ends(zone: str) -> None:
    """From each end to the next: no hour belongs to two periods or to none, whatever the clocks do."""
    user, quota, moment = User(), free(zone), utc(2026, 1, 1, 12)
    here, days = ZoneInfo(zone), 0
    while moment < utc(2027, 2, 1):
        user.ask(quota, moment)
        end = datetime.fromisoformat(user.resets(quota, moment)[0])
        user.ask(quota, end - timedelta(milliseconds=1))
        assert user.used(quota, end - timedelta(milliseconds=1))[0] == 2
        assert [n for n in user.used(quota, end) if n == 0] == [0] * (
            1 + (end.astimezone(here).weekday() == 0) + (end.astimezone(here).day == 1)
        )
        assert timedelta(hours=23) <= end - moment or days == 0
        assert (end.astimezone(here).date() - moment.astimezone(here).date()).days == 1
        moment, days = end, days + 1
    assert days in (396, 397)


def test_a_clock_that_is_late_opens_no_period_anew() -> None:
    user = User()
    user.ask(of(2), utc(2026, 12, 1, 0, 0, 1), times=2)
    assert user.exhausted(of(2), utc(2026, 11, 30, 23, 59, 58)).resets_at == utc(2026, 12, 2)


def test_who_moves_their_clock_gets_no_more_days_than_begin() -> None:
    """Monday in Samoa lasts until Tuesday noon by UTC; on Kiribati Wednesday has begun by then."""
    west, east = "Pacific/Pago_Pago", "Pacific/Kiritimati"
    user, moment, served = User(), utc(2026, 11, 23, 12), 0
    while moment < utc(2026, 12, 23, 12):  # thirty days, and at each half hour the zone that suits
        for zone in (west, east, "UTC"):
            quota = of(5, zone=zone)
            while user.apply(moment, user.place(quota)).error is None:
                served += 1
        moment += timedelta(minutes=30)
    assert 30 * 5 <= served <= 32 * 5


def test_a_zone_that_is_left_has_to_end_its_day_too() -> None:
    user, west, east = User(), of(1, zone="Pacific/Pago_Pago"), of(1, zone="Pacific/Kiritimati")
    user.ask(west, utc(2026, 11, 24, 10, 30))  # Monday there, Wednesday in the east
    assert user.exhausted(east, utc(2026, 11, 24, 10, 30)).resets_at == utc(2026, 11, 24, 11)
    user.ask(east, utc(2026, 11, 24, 11))
    assert user.exhausted(west, utc(2026, 11, 24, 11)).resets_at == utc(2026, 11, 26, 11)  # when Wednesday ends


@pytest.mark.parametrize("zone", [None, "", "Nowhere/Land"])
def test_without_a_known_zone_days_are_those_of_utc(zone: str | None) -> None:
    assert User().resets(quota_of(PLANS, "free", zone)) == ENDS


# --- warnings ----------------------------------------------------------------------------------------------------


def test_each_threshold_is_told_once_a_period() -> None:
    user = User()
    user.ask(times=50)
    told = {"user_id": "ada", "quota_type": "daily", "limit": 50, "timestamp": "2026-11-27T12:00:00.000Z"}
    assert user.told == [{**told, "used": 40, "percentage": 80}, {**told, "used": 45, "percentage": 90}]
    user.told.clear()
    user.ask(moment=utc(2026, 11, 28, 12), times=50)
    assert [warning["used"] for warning in user.told] == [40, 45]


def test_each_period_tells_its_own() -> None:
    user = User()
    user.ask(of(None, 10, 20), times=10)
    assert [(warning["quota_type"], warning["used"]) for warning in user.told] == [("weekly", 8), ("weekly", 9)]
    user.ask(of(None, 10, 20), utc(2026, 11, 30), times=8)
    later = [(warning["quota_type"], warning["used"]) for warning in user.told[2:]]
    assert later == [("monthly", 16), ("weekly", 8), ("monthly", 18)]


def test_a_request_that_passes_both_thresholds_is_told_of_the_higher() -> None:
    user = User()
    user.ask(of(1))
    assert [(warning["used"], warning["percentage"]) for warning in user.told] == [(1, 100)]


def test_what_is_given_back_and_asked_again_is_not_told_again() -> None:
    user = User()
    user.ask(times=39)
    for _ in range(3):
        user.end(user.ask(), 0, fruitless=True)
    assert [warning["used"] for warning in user.told] == [40]


def test_another_tier_in_mid_period_has_its_own_limits_and_the_same_counter() -> None:
    user, basic = User(), quota_of(PLANS, "basic", "UTC")
    user.ask(times=50)
    user.refused()
    user.ask(basic, times=349)
    assert user.used(basic) == (399, 399, 399)
    assert [warning["limit"] for warning in user.told] == [50, 50]
    user.ask(basic)
    assert [(warning["used"], warning["limit"]) for warning in user.told] == [(40, 50), (45, 50), (400, 500)]
    assert user.exhausted() == Exhausted("weekly", 350, 400, utc(2026, 11, 30))


def test_who_comes_back_to_a_tier_is_not_told_again() -> None:
    user, basic = User(), quota_of(PLANS, "basic", "UTC")
    user.ask(times=41)
    user.ask(basic)
    user.ask(times=2)
    assert [warning["used"] for warning in user.told] == [40]
    user.ask()
    assert [warning["used"] for warning in user.told] == [40, 45]


# --- giving back -------------------------------------------------------------------------------------------------


def test_what_came_to_nothing_is_given_back_once() -> None:
    user = User()
    kept, lost = user.ask(of(2)), user.ask(of(2))
    user.refused(of(2))
    user.end(lost, 0, fruitless=True)
    assert user.used(of(2)) == (1, 1, 1)
    user.ask(of(2))
    user.end(kept)
    assert user.used(of(2)) == (2, 2, 2)
    user.refused(of(2))


def test_only_the_periods_that_still_go_on_get_it_back() -> None:
    user, tomorrow = User(), utc(2026, 11, 28, 12)
    lost = user.ask()
    user.ask(moment=tomorrow)
    user.end(lost, 0, tomorrow, fruitless=True)
    assert user.used(moment=tomorrow) == (1, 1, 1)
    late = user.ask(moment=tomorrow)
    user.end(late, 0, utc(2026, 12, 1, 12), fruitless=True)  # nothing was asked since: its counters still stand
    user.ask(moment=utc(2026, 12, 1, 12))
    assert user.used(moment=utc(2026, 12, 1, 12)) == (1, 1, 1)


def test_an_extension_does_not_count() -> None:
    user = User()
    hold = user.ask()
    assert user.apply(FRIDAY, ExtendHold(hold, "ada", 5)).applied is not None
    assert user.used() == (1, 1, 1)
    assert user.holds[hold]["quota"]["daily"] == "2026-11-27"
