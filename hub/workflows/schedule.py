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
from collections.abc import Iterator
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
_EVERY: Final = ["*"]  # as croniter writes a field in which nothing is left out
_RANGE: Final = r"(?:[0-9]{1,2}(?:-[0-9]{1,2})?|[A-Za-z]{3}(?:-[A-Za-z]{3})?)"
_PART: Final = rf"(?:\*|{_RANGE})(?:/[0-9]{{1,2}})?"
_FIELD: Final = re.compile(rf"{_PART}(?:,{_PART})*+")
_ENDS: Final = re.compile(r"(\w+)-(\w+)")
_LEAP_YEAR: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MINUTE: Final = timedelta(minutes=1)


def check(cron: str, field: str = "cron") -> str:
    """The expression, if a schedule may have it. Raises `HubError` INVALID naming `field`.

    Its length and its form come first: what croniter would read otherwise than cron, or slowly, never gets to it.
    """
    if len(cron) > limits.CRON_CHARS_MAX:
        raise invalid(field, f"must have at most {limits.CRON_CHARS_MAX} characters")
    parts = cron.split(" ")
    if len(parts) != _FIELDS or not all(map(_FIELD.fullmatch, parts)):
        raise invalid(field, "must be minute, hour, day of month, month and day of week, such as 0 9 * * mon-fri")
    if any(_is_one(low, high) for low, high in _ENDS.findall(cron)):
        raise invalid(field, "has a range from a value to itself")
    try:
        next(_walls(cron, _LEAP_YEAR), None)
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
        every_hour = croniter.expand(self.cron)[0][_HOUR] == _EVERY
        try:
            return min(self._next_of(after, showing, every_hour) for showing in ((0, 1) if every_hour else (0,)))
        except (CroniterBadDateError, OverflowError):
            raise _never("cron") from None

    def due(self, last: datetime, at: datetime) -> datetime | None:
        """What is due at `at`, if any of its moments came since `last`: the first, so that all who ask find the same.

        It stands for all that were missed with it: the next to come is `next_fire(at)`.
        """
        first = self.next_fire(last)
        return first if first <= at else None

    def _next_of(self, after: datetime, showing: int, every_hour: bool) -> datetime:
        """The same, where a time that the clock shows twice is taken to be its first showing (0) or its second (1)."""
        shown = after.astimezone(self.zone)
        begin = shown - _repetition(shown) if showing > shown.fold else shown
        for wall in _walls(self.cron, begin):
            moment = self._moment(wall.replace(tzinfo=self.zone, fold=showing), every_hour)
            if moment is not None and moment > after:
                return moment
        raise _never("cron")

    def _moment(self, local: datetime, every_hour: bool) -> datetime | None:
        """When the clock shows this; where it never does, when it is set forward, or None for a schedule of every hour."""
        moment = local.astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == local.replace(tzinfo=None):
            return moment
        return None if every_hour else self._set_forward(local)

    def _set_forward(self, local: datetime) -> datetime:
        """The moment at which the clock leaves this time out, to the minute, by halving what lies around it."""
        early, late = (local.replace(fold=fold).astimezone(UTC) for fold in (1, 0))
        before = early.astimezone(self.zone).utcoffset()
        while late - early > _MINUTE:
            middle = early + (late - early) // _MINUTE // 2 * _MINUTE
            if middle.astimezone(self.zone).utcoffset() == before:
                early = middle
            else:
                late = middle
        return late


def _repetition(local: datetime) -> timedelta:
    """How much of the clock comes twice around this time; nothing on most days."""
    first, second = (local.replace(fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return max(first - second, timedelta())


def _walls(cron: str, after: datetime) -> Iterator[datetime]:
    """Times on a clock that is never set, without a zone. Raises what croniter does."""
    wall = after.replace(tzinfo=None, fold=0)
    times = croniter(cron, wall, datetime, max_years_between_matches=limits.CRON_YEARS_MAX)
    return (times.get_next() for _ in range(limits.CRON_TIMES_PASSED_MAX))


def _never(field: str) -> HubError:
    return invalid(field, "has no date that there will ever be")
