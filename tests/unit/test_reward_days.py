"""The reward's calendar, against somebody who sets another time zone whenever that could pay."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub import reward_days
from hub.calendar_days import zone_of

ZONES = ("Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC", "America/St_Johns", "Pacific/Chatham")
BEGIN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)  # within these days the clocks of St. John's and of Chatham change
DAYS = 30


class _Claimer:
    """Claims by the calendar, with the entries in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.moments: list[datetime] = []

    def claim(self, zone_name: str, moment: datetime) -> bool:
        zone = zone_of(zone_name)
        known = [self.entries[name] for name in reward_days.operation_ids("u", moment) if name in self.entries]
        if reward_days.next_claim(known, zone, moment) > moment:
            return False
        day = moment.astimezone(zone).date()
        assert reward_days.operation_id("u", day) not in self.entries
        self.entries[reward_days.operation_id("u", day)] = reward_days.claimed(day, zone)
        self.moments.append(moment)
        return True


def _check(claimer: _Claimer) -> None:
    claims = list(claimer.entries.values())
    dates = [claim["date"] for claim in claims]
    assert dates == sorted(set(dates)), "dates only rise"
    assert len(dates) <= DAYS + 2, "as for who begins just before a midnight and ends just after one"
    for earlier, moment in zip(claims, claimer.moments[1:], strict=False):
        assert moment.astimezone(ZoneInfo(earlier["timezone"])).date().isoformat() > earlier["date"]


@pytest.mark.parametrize("first", range(len(ZONES)))
def test_who_tries_every_zone_at_every_half_hour_gets_no_more_than_who_stays(first: int) -> None:
    claimer = _Claimer()
    for half_hour in range(DAYS * 48):
        for zone in (*ZONES[first:], *ZONES[:first]):
            claimer.claim(zone, BEGIN + timedelta(minutes=30 * half_hour))
    assert len(claimer.moments) >= DAYS
    _check(claimer)


@pytest.mark.parametrize("seed", range(20))
def test_nor_does_who_waits_for_the_right_moment(seed: int) -> None:
    random, claimer, moment = Random(seed), _Claimer(), BEGIN
    while moment < BEGIN + timedelta(days=DAYS):
        claimer.claim(random.choice(ZONES), moment)
        moment += timedelta(minutes=random.choice((1, 29, 61, 600, 1_439)))
    _check(claimer)


def test_who_stays_has_a_reward_each_day_from_midnight_on() -> None:
    for zone_name in ZONES:
        claimer, zone = _Claimer(), ZoneInfo(zone_name)
        midnight = datetime(2026, 3, 1, tzinfo=zone)
        for day in range(DAYS):
            moment = (midnight + timedelta(days=day)).astimezone(UTC)
            assert claimer.claim(zone_name, moment)
            assert not claimer.claim(zone_name, moment + timedelta(hours=22, minutes=59))


def test_a_zone_that_nobody_knows_is_utc() -> None:
    for name in (None, "", "Not/AZone", "America", "../etc/passwd", "\0"):
        assert zone_of(name).key == "UTC"
