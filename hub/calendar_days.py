"""Days as users have them, each by its own clock. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def zone_of(name: str | None) -> ZoneInfo:
    """A user's time zone; one that is not known any more counts as UTC."""
    try:
        return ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError):  # unknown, not a name of a zone, or the name of a folder of them
        return ZoneInfo("UTC")


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """When a day is over in a place, UTC."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
