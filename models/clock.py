"""The time as MongoDB keeps it: UTC, whole milliseconds."""

from datetime import UTC, datetime


def now() -> datetime:
    """The present, cut to milliseconds, so that what is hashed or sent equals what is stored."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, exact for what `now` gives."""
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def timestamp(moment: datetime) -> str:
    """As documents show it: UTC with `Z` and milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
