"""When a schedule fires: five fields of cron, read by the wall clock of a time zone.

    cron --check--> saved ... Schedule.of(cron, zone) --next_fire(after)--> the next moment, in UTC

Croniter reads the fields and walks the calendar. Its extensions (seconds, years, `@daily`, `L`, `#`, `W`, `H`) are refused
before it sees them, so that no two times are less than a minute apart. Where day of month and day of week are both given
either will do, as in cron. The zone's clock is read by `zoneinfo` alone, by two rules that hold in all zones:

- A schedule of every hour (`*` there) goes by what the clock shows: it fires whenever that is one of its minutes, in an
  hour that comes twice both times, and at nothing that the clock leaves out.
- A schedule of certain hours fires once for each of its times: where the clock shows it twice, at the first; where the
  clock leaves it out, at the moment at which it is set forward (for several of its times together, once).

Pure. What was missed, for however long, is due once.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

from config import workflows as limits
from hub.calendar_days import zone_of
from hub.errors import HubError, invalid

_FIELDS: Final = 5
_HOUR: Final = 1
_WEEKDAY: Final = 4
_EVERY: Final = ["*"]  # as croniter writes a field in which nothing is left out
_RANGE: Final = r"(?:[0-9]{1,2}(?:-[0-9]{1,2})?|[A-Za-z]{3}(?:-[A-Za-z]{3})?)"
_PART: Final = rf"(?:\*|{_RANGE})(?:/[0-9]{{1,2}})?"
_FIELD: Final = re.compile(rf"{_PART}(?:,{_PART})*+")
_ENDS: Final = re.compile(r"(\w+)-(\w+)")
_SUNDAYS: Final = re.compile(r"\b0?7-0?0\b")  # from Sunday to itself by its two numbers; 0-7 is the whole week
_LEAP_YEAR: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)
_INSTANT: Final = timedelta(microseconds=1)


def check(cron: str, field: str = "cron") -> str:
    """The expression, if a schedule may have it. Raises `HubError` INVALID naming `field`.

    Its length and its form come first: what croniter would read otherwise than cron, or slowly, never gets to it.
    """
    if len(cron) > limits.CRON_CHARS_MAX:
        raise invalid(field, f"must have at most {limits.CRON_CHARS_MAX} characters")
    parts = cron.split(" ")
    if len(parts) != _FIELDS or not all(map(_FIELD.fullmatch, parts)):
        raise invalid(field, "must be minute, hour, day of month, month and day of week, such as 0 9 * * mon-fri")
    if any(_is_one(low, high) for low, high in _ENDS.findall(cron)) or _SUNDAYS.search(parts[_WEEKDAY]):
        raise invalid(field, "has a range from a value to itself")
    try:
        _wall_after(cron, _LEAP_YEAR)
    except CroniterBadCronError:
        raise invalid(field, "has a value that is not one of its field's") from None
    except CroniterBadDateError:
        raise _never(field) from None
    return cron


def _is_one(low: str, high: str) -> bool:
    """Croniter takes `9-9` to be every hour, which nobody who wrote it can have meant."""
    return low.lower().lstrip("0") == high.lower().lstrip("0")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression that passed its check, and the time zone whose clock it is read by."""

    cron: str
    zone: ZoneInfo

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Schedule":
        """Of a trigger's configuration. A zone that is not known any more counts as UTC."""
        return cls(config["cron"], zone_of(config.get("timezone")))

    def next_fire(self, after: datetime) -> datetime:
        """The first of its moments that is later than `after`, in UTC. Raises `HubError` INVALID where none comes."""
        shown = after.astimezone(self.zone)
        every_hour = croniter.expand(self.cron)[0][_HOUR] == _EVERY
        showings = (0, 1) if every_hour and _repetition(shown) else (0,)
        try:
            return min(self._next_of(shown, showing, every_hour) for showing in showings)
        except (CroniterBadDateError, OverflowError):
            raise _never("cron") from None

    def _next_of(self, shown: datetime, showing: int, every_hour: bool) -> datetime:
        """The same, where a time that the clock shows twice is taken to be its first showing (0) or its second (1)."""
        wall = self._begin(shown, showing)
        for _ in range(limits.CRON_GAPS_PASSED_MAX):
            local = _wall_after(self.cron, wall).replace(tzinfo=self.zone, fold=showing)
            moment = local.astimezone(UTC)
            if moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                return moment
            set_at = self._set_at(local)
            if not every_hour:
                return set_at
            wall = set_at.astimezone(self.zone) - _INSTANT
        raise _never("cron")

    def _begin(self, shown: datetime, showing: int) -> datetime:
        """Where to look on the clock: later than what it shows, and among what it shows twice, past what is over or before
        what is still to come.
        """
        repetition = _repetition(shown)
        if not repetition or showing == shown.fold:
            return shown
        again = self._set_at(shown).astimezone(self.zone)
        return again + repetition * shown.fold - _INSTANT

    def _set_at(self, local: datetime) -> datetime:
        """The moment at which the clock is set, to the minute, for a time that it shows twice or leaves out: halved out of
        the two moments that this time may mean, of which one lies before it.
        """
        early, late = sorted(local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        before = early.astimezone(self.zone).utcoffset()
        while late - early > _MINUTE:
            middle = early + (late - early) / 2
            if middle.astimezone(self.zone).utcoffset() == before:
                early = middle
            else:
                late = middle
        return late.replace(second=0, microsecond=0)


def _repetition(local: datetime) -> timedelta:
    """How much of the clock comes twice around this time; nothing on most days."""
    first, second = (local.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return max(first - second, timedelta())


def _wall_after(cron: str, after: datetime) -> datetime:
    """The next time on a clock that is never set, without a zone. Raises what croniter does."""
    wall = after.replace(tzinfo=None, fold=0)
    times = croniter(cron, wall, datetime, max_years_between_matches=limits.CRON_YEARS_MAX)
    found: datetime = times.get_next()
    return found


def _never(field: str) -> HubError:
    return invalid(field, "has no date that there will ever be")
