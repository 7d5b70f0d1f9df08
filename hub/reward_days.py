"""The calendar of the daily reward: whose day it is, and when the day of an earlier claim is over. Pure.

A user may set any time zone, and of two zones one may have another date than the other. So what counts is that the day of
the claim before has ended both where that was made and where the user is now: dates only rise, and nobody gets more
rewards than days have begun.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.calendar_days import end_of, zone_of


def claimed(day: date, zone: ZoneInfo) -> dict[str, str]:
    """What a claim's entry keeps of its day, in its metadata."""
    return {"date": day.isoformat(), "timezone": zone.key}


def next_claim(claims: Sequence[Mapping[str, Any]], zone: ZoneInfo, moment: datetime) -> datetime:
    """When the days of these claims are over, both where they were made and in `zone`; `moment` where there are none."""
    days = [(date.fromisoformat(claim["date"]), zone_of(claim.get("timezone"))) for claim in claims]
    return max((end_of(day, place) for day, there in days for place in (there, zone)), default=moment)


def operation_id(user: str, day: date) -> str:
    """One a date, unique among the entries."""
    return f"reward:{user}:{day.isoformat()}"


def operation_ids(user: str, moment: datetime) -> list[str]:
    """The claims that may still count: no place on Earth is a day from UTC, so that older dates are over everywhere."""
    today = moment.astimezone(UTC).date()
    return [operation_id(user, today + timedelta(days=days)) for days in (-1, 0, 1)]
