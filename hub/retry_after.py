"""The header `Retry-After` of other people's servers: seconds, or a date."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_after_seconds(text: str | None) -> float | None:
    """Seconds from now, at least zero; None where it is absent or unreadable."""
    if not text:
        return None
    try:
        if text[0].isdigit():
            return at_least_zero(float(text))
        return at_least_zero((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # not a number, not a date, or a date without a zone
        return None


def at_least_zero(seconds: float) -> float:
    """Raises `ValueError` for what no sleep ends on: `nan` and `1e999` parse as numbers."""
    if not math.isfinite(seconds):
        raise ValueError("not a finite number")
    return max(0.0, seconds)
