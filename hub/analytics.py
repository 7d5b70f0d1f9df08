"""Analytics of one user: a dashboard of what was used, figures by AI model and day, and events that programs send.

All figures are the totals of days (`models/usage.py`), a document for each day and AI model that was used: a year of one
model is added up in some 5 ms, however many requests each day had. 300,000 rows took 770 ms on the same machine.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from config import limits
from hub.errors import Code, HubError
from models import analytics_events, usage
from models.clock import now
from models.database import Database, Document
from models.ids import new_id


@dataclass(frozen=True, slots=True)
class UsageFigures:
    """What was used of each AI model and on each UTC day: `{_id, requests, tokens, charged, duration_ms}`."""

    models: list[Document]
    days: list[Document]


class Analytics:
    """One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def dashboard(self, user: str, moment: datetime | None = None) -> Document:
        """All figures, 0 where there is nothing: `requests`, `tokens`, `charged` (micro-credits) and `duration_ms` of all
        time, `requests_` and `charged_` of `today`, `week` (from Monday) and `month`, by UTC days.
        """
        today = usage.day_of(moment or now())
        since = {"today": today, "week": today - timedelta(days=today.weekday()), "month": today.replace(day=1)}
        names = [f"{figure}_{period}" for period in since for figure in ("requests", "charged")]
        nothing = dict.fromkeys(("requests", "tokens", "charged", "duration_ms", *names), 0)
        return {**nothing, **await usage.totals(self._database, user, since)}

    async def usage(self, user: str, first: datetime | None, last: datetime | None, model: str | None) -> UsageFigures:
        """From the first day to the last one, both included, by whatever API it was asked; days are the latest
        `USAGE_DAYS_SHOWN_MAX` that had any, oldest first.
        """
        most = limits.USAGE_DAYS_SHOWN_MAX
        return UsageFigures(*await usage.by_model_and_day(self._database, user, first, last, model, most))

    async def track(self, user: str, kind: str, name: str, properties: Document) -> Document:
        """Keep one event. Raises `HubError` RATE_LIMITED where a user has sent all that a day may have."""
        moment = now()
        today, most = usage.day_of(moment), limits.ANALYTICS_EVENTS_PER_DAY_MAX
        if await analytics_events.count_since(self._database, user, today, most) >= most:
            wait = (today + timedelta(days=1) - moment).total_seconds()
            raise HubError(Code.RATE_LIMITED, f"At most {most} events a day are kept", retry_after_seconds=wait)
        event: Document = {"_id": new_id("evt"), "user": user, "type": kind, "name": name}
        event |= {"properties": properties, "created_at": moment}
        await analytics_events.add(self._database, event)
        return event
