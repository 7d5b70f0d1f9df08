"""When schedules fire: expressions that nobody should have, clocks that are set, and times that were missed."""

import random
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from config import workflows as limits
from hub.errors import Code, HubError
from hub.workflows.definitions.schedule import Schedule, check

NEXT_SECONDS_MAX = 0.01
NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


def schedule(cron: str, zone: str | None = None) -> Schedule:
    return Schedule.of({"cron": check(cron), "timezone": zone})


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(cron: str, zone: str, after: str, count: int) -> list[str]:
    """The next times, as the zone's clock shows them."""
    fires, at = [], datetime.fromisoformat(after).astimezone(UTC)
    for _ in range(count):
        at = schedule(cron, zone).next_fire(at)
        fires.append(at.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z"))
    return fires


@pytest.mark.parametrize(
    "cron",
    [
        *(
            "* * * * * *",
            "* * * *",
            "",
            " ",
            "@daily",
            "@reboot",
            "* * * * *\n",
            "*\t* * * *",
            "*  * * * *",
            "* * * * *\u00a0",
        ),
        *(
            "*/0 * * * *",
            "60 * * * *",
            "* 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "0 0 * * 8",
            "0 0 * * foo",
            "0 0 * may-9 *",
        ),
        *("0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 feb *", "-1 * * * *", "1- * * * *", "1.5 * * * *", "0x1 * * * *"),
        *(
            "0 0 l * *",
            "0 0 * * 1#2",
            "0 0 15w * *",
            "h * * * *",
            "r * * * *",
            "? * * * *",
            "0 9-9 * * *",
            "0 09-9 * * *",
            "0 9 * * 7-0",
            "0 9 * * 1,07-0",
        ),
        *("0 0 * * Mon-mon", "0-59/1" + ",0-59/1" * 1_500 + " * * * *", "*" * 10_000, "١ * * * *", "{{cron}} * * * *"),
    ],
)
def test_what_is_no_schedule_is_refused_at_once(cron: str) -> None:
    begun = time.thread_time()
    with pytest.raises(HubError) as caught:
        check(cron, "trigger.cron")
    assert caught.value.code is Code.INVALID and caught.value.details[0].field == "trigger.cron"
    assert time.thread_time() - begun < NEXT_SECONDS_MAX


@pytest.mark.parametrize(
    ("cron", "after", "fires"),
    [
        ("0 9 * * *", "2026-03-01T08:59:59.999", "2026-03-01T09:00"),
        ("0 9 * * *", "2026-03-01T09:00:00", "2026-03-02T09:00"),
        ("*/15 9-17 * * mon-fri", "2026-02-27T17:45", "2026-03-02T09:00"),
        ("0 0 29 2 *", "2096-03-01T00:00", "2104-02-29T00:00"),
        ("0 0 13 * fri", "2026-03-01T00:00", "2026-03-06T00:00"),
        ("0 0 30 2 mon", "2026-03-01T00:00", "2027-02-01T00:00"),
        ("0 0 * * 7", "2026-03-01T00:00", "2026-03-08T00:00"),
        ("0 22-2 * * *", "2026-03-01T02:30", "2026-03-01T22:00"),
        ("30 4 1,15 JAN-MAR/2 *", "2026-01-15T04:30", "2026-03-01T04:30"),
    ],
)
def test_the_next_time_by_the_clock_of_utc(cron: str, after: str, fires: str) -> None:
    assert schedule(cron).next_fire(moment(after)) == moment(fires)


def test_a_time_that_the_clock_leaves_out_fires_when_it_is_set_forward() -> None:
    assert shown("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 2) == ["29 03:00 +0200", "30 02:30 +0200"]
    assert shown("*/20 2,3 * * *", "Europe/Berlin", "2026-03-29T01:00+01:00", 3) == [
        *("29 03:00 +0200", "29 03:20 +0200", "29 03:40 +0200")
    ]
    assert shown("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T23:00+10:30", 1) == ["04 02:30 +1100"]
    assert shown("0 12 * * *", "Pacific/Apia", "2011-12-29T13:00-10:00", 2) == ["31 00:00 +1400", "31 12:00 +1400"]


def test_a_time_that_the_clock_shows_twice_fires_the_first_time() -> None:
    assert shown("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+02:00", 2) == ["25 02:30 +0200", "26 02:30 +0100"]
    assert shown("30 2 * * *", "Europe/Berlin", "2026-10-25T02:10+01:00", 1) == ["26 02:30 +0100"]
    assert shown("*/20 2 25 10 *", "Europe/Berlin", "2026-10-25T00:00+02:00", 3) == [
        *("25 02:00 +0200", "25 02:20 +0200", "25 02:40 +0200")
    ]
    assert shown("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00+11:00", 2) == [
        "05 01:45 +1100",
        "06 01:45 +1030",
    ]


def test_every_hour_means_every_hour_that_passes() -> None:
    assert shown("30 * * * *", "Europe/Berlin", "2026-03-29T00:45+01:00", 3) == [
        *("29 01:30 +0100", "29 03:30 +0200", "29 04:30 +0200")
    ]
    assert shown("30 * * * *", "Europe/Berlin", "2026-10-25T01:00+02:00", 4) == [
        *("25 01:30 +0200", "25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100")
    ]


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        *(("Europe/Berlin", "2026-03-29T01:00"), ("Europe/Berlin", "2026-10-25T01:00")),
        *(("Europe/Dublin", "2026-10-25T01:00"), ("Australia/Lord_Howe", "2026-04-04T15:00")),
        *(("Antarctica/Troll", "2026-10-25T01:00"), ("America/New_York", "2026-03-08T07:00")),
    ],
)
def test_every_minute_that_the_clock_shows_counts_whatever_it_does(zone: str, change: str) -> None:
    every = schedule("0,30,59 * * * *", zone)
    at = moment(change) - timedelta(minutes=150)
    for _ in range(15):
        following = every.next_fire(at)
        passed = [at + timedelta(minutes=n) for n in range(1, round((following - at) / timedelta(minutes=1)))]
        assert following.astimezone(ZoneInfo(zone)).minute in (0, 30, 59)
        assert not [each for each in passed if each.astimezone(ZoneInfo(zone)).minute in (0, 30, 59)]
        at = following


def _matches(cron: str, at: datetime) -> bool:
    """A simple reader of cron: lists, ranges and steps of numbers."""
    minute, hour, day, month, week = cron.split(" ")
    days = _in(day, at.day, 1, 31), _in(week, at.isoweekday() % 7, 0, 6)
    right_day = all(days) if "*" in (day, week) else any(days)
    return _in(minute, at.minute, 0, 59) and _in(hour, at.hour, 0, 23) and _in(month, at.month, 1, 12) and right_day


def _in(field: str, value: int, low: int, high: int) -> bool:
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.replace("*", f"{low}-{high}").partition("-")
        if value in range(int(first), int(last or (high if step else first)) + 1, int(step or 1)):
            return True
    return False


def _some_field(chance: random.Random, low: int, high: int) -> str:
    first = chance.randint(low, high - 1)
    return chance.choice(
        [
            *("*", "*", f"*/{chance.randint(2, 9)}"),
            f"{first}",
            f"{first}-{chance.randint(first + 1, high)}",
            f"{low},{high}",
        ]
    )


def test_it_fires_when_a_simple_reader_says_so() -> None:
    chance = random.Random(5)
    for _ in range(40):
        bounds = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 6)]
        cron = " ".join(_some_field(chance, low, high) for low, high in bounds)
        at = moment("2026-01-01T00:00") + timedelta(minutes=chance.randint(0, 500_000))
        fires = schedule(cron).next_fire(at)
        assert _matches(cron, fires), cron
        passed = (at + timedelta(minutes=n) for n in range(1, min(int((fires - at).total_seconds() / 60), 1_500)))
        assert not any(_matches(cron, each) for each in passed), cron


def _by_minutes(cron: str, zone: str, after: datetime) -> datetime:
    """The rules once more, by looking at the clock each minute: a time of certain hours comes when the clock shows it, or
    something later, for the first time.
    """
    every_hour, at = cron.split(" ")[1] == "*", after.replace(second=0) - timedelta(hours=3)
    highest = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    while True:
        at += timedelta(minutes=1)
        wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        new = [wall - timedelta(minutes=n) for n in range(int((wall - highest) / timedelta(minutes=1)))]
        highest = max(highest, wall)
        if at > after and any(_matches(cron, each) for each in ([wall] if every_hour else new)):
            return at


@pytest.mark.parametrize(
    ("zone", "change"),
    [
        *(("Europe/Berlin", "2026-03-29T01:00"), ("Europe/Berlin", "2026-10-25T01:00")),
        *(("Australia/Lord_Howe", "2026-04-04T15:00"), ("Australia/Lord_Howe", "2026-10-03T15:30")),
        *(("Antarctica/Troll", "2026-03-29T01:00"), ("Antarctica/Troll", "2026-10-25T01:00")),
        *(("America/St_Johns", "2010-03-14T03:31"), ("America/St_Johns", "2010-11-07T02:31")),
        *(("Africa/Casablanca", "2026-02-15T02:00"), ("Pacific/Apia", "2011-12-30T10:00")),
    ],
)
def test_around_a_set_clock_it_fires_when_looking_at_it_says_so(zone: str, change: str) -> None:
    chance = random.Random(change)
    for hours in ("*", "*", "0-3", "1,2", "23,0,1"):
        cron = f"{chance.randint(0, 29)},{chance.randint(30, 59)} {hours} * * *"
        at = moment(change) - timedelta(seconds=chance.randint(0, 9_000))
        for _ in range(5):
            fires = schedule(cron, zone).next_fire(at)
            assert fires == _by_minutes(cron, zone, at), cron
            at = fires + timedelta(seconds=chance.choice([0, 0, 1_200]))


def test_times_are_a_minute_apart_at_least_and_ascend_in_every_zone() -> None:
    chance = random.Random(6)
    for zone in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Antarctica/Troll", "Africa/Casablanca"):
        for cron in ("59 1,2 * * *", "*/30 1-3 * * *", "0,59 * * * *", "*/7 */2 * * *"):
            at = moment("2026-01-01T00:00") + timedelta(minutes=chance.randint(0, 500_000))
            for _ in range(12):
                following = schedule(cron, zone).next_fire(at)
                assert following >= at.replace(second=0) + timedelta(minutes=1)
                at = following


def test_a_zone_that_is_gone_counts_as_utc() -> None:
    assert schedule("0 9 * * *", "Mars/Olympus").next_fire(moment("2026-03-01T08:00")) == moment("2026-03-01T09:00")


def test_there_is_an_end_to_the_calendar() -> None:
    with pytest.raises(HubError):
        schedule("0 0 1 1 *").next_fire(moment("9999-12-31T23:59"))


@pytest.mark.parametrize(
    "cron", ["* * * * *", "0 0 29 2 *", "59 23 31 12 *", "*/7 */5 1-31/3 jan-dec/2 mon-fri", "0 0 29 2 sun"]
)
def test_the_next_time_is_found_in_little_time(cron: str) -> None:
    """On the worst days too: within an hour that comes twice, and a leap year after one that is none."""
    for after in (moment("2026-10-25T00:59:30"), moment("2026-10-25T01:59:30"), moment("2096-03-01T00:00")):
        spent = []
        for _ in range(3):
            begun = time.thread_time()
            schedule(cron, "Europe/Berlin").next_fire(after)
            spent.append(time.thread_time() - begun)
        assert min(spent) < NEXT_SECONDS_MAX
    assert len(cron) <= limits.CRON_CHARS_MAX
