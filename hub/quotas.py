"""Quotas: how many requests a user may make in a day, a week and a month, counted in the user's wallet.

    wallet["quota"] = {"daily": {"of": "2026-11-27", "ends_at": ..., "used": 40, "told": {"50": 80}},
                       "weekly": {...}, "monthly": {...}}

`of` is the first day of the period that is counted, `ends_at` when it ends where it was opened, `used` the requests in it,
`told` by limit the last threshold, in per cent of it, of which its user has been told. The limit is that of the user's tier:
another tier finds the same requests, has limits of its own and tells of its own thresholds, and a former one not again.

They stand in the wallet for the reason that budgets do (`hub/budgets.py`): it is read, guarded by its version and written
with each hold anyway. A request counts when its hold stands; one that came to nothing by our or a provider's fault is given
back when its hold ends.

Days begin by the user's own clock, which a user may set. So a period is over when it has ended both where it was opened and
where the user is now: periods only rise, and whoever moves their clock gets no more of them than have begun.

The functions that `hub/batch.py` calls know no clock, and replace the counters of a wallet that an operation has copied for
itself, never changing them in place. `usage` alone reads.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from config import limits
from config.plans import Plans
from hub.calendar_days import end_of, zone_of
from hub.errors import Code, Exhausted, HubError
from hub.identity_cache import Identity
from models import wallets
from models.clock import now, timestamp
from models.database import Database, Document

Period = Literal["daily", "weekly", "monthly"]
PERIODS: Final[tuple[Period, ...]] = ("daily", "weekly", "monthly")
_COUNTED_API: Final = "ai_playground"  # quotas bind its own paths alone
_SAID: Final = {"daily": "a day", "weekly": "a week", "monthly": "a month"}


@dataclass(frozen=True, slots=True)
class Quota:
    """How many requests each period may have, None is unlimited; periods begin at midnight in `zone`."""

    limits: Mapping[Period, int | None]
    zone: ZoneInfo

    @property
    def binds(self) -> bool:
        """Whether a request may be refused for it."""
        return any(limit is not None for limit in self.limits.values())


def quota_of(plans: Plans, tier: str, timezone: str | None) -> Quota:
    """What a tier allows to a user of this time zone, by its IANA name."""
    return Quota({period: plans.quota(tier, period) for period in PERIODS}, zone_of(timezone))


def is_counted(api: str) -> bool:
    """Whether requests of this API count against a quota."""
    return api == _COUNTED_API


def quota_for(plans: Plans, identity: Identity, api: str) -> Quota | None:
    """What a request of this API counts against, if anything."""
    if not is_counted(api):
        return None
    return quota_of(plans, identity.tier, identity.user.get("timezone"))


# --- periods ----------------------------------------------------------------------------------------------------


def _first_day(period: Period, day: date) -> date:
    """Of the period that a day lies in; a week's is its Monday, so that it may lie in the year before."""
    if period == "weekly":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if period == "monthly" else day


def _end(period: Period, first: date, zone: ZoneInfo) -> datetime:
    """When a period that began with this day ends in a place, UTC."""
    days = {"daily": 1, "weekly": 7}.get(period) or ((first + timedelta(days=31)).replace(day=1) - first).days
    return end_of(first + timedelta(days=days - 1), zone)


def _resets_at(period: Period, counter: Document, zone: ZoneInfo) -> datetime:
    """When what is counted is forgotten: the period has then ended where it was opened, and in `zone`."""
    ends_at: datetime = counter["ends_at"]
    return max(ends_at, _end(period, date.fromisoformat(counter["of"]), zone))


def _current(period: Period, counter: Document | None, zone: ZoneInfo, moment: datetime) -> Document:
    """The counter as it is at `moment`: a new one when the counted period is over. A clock that is late opens none."""
    if counter is not None and moment < _resets_at(period, counter, zone):
        return counter
    first = _first_day(period, moment.astimezone(zone).date())
    return {"of": first.isoformat(), "ends_at": _end(period, first, zone), "used": 0, "told": {}}


def _counters(wallet: Document, zone: ZoneInfo, moment: datetime) -> dict[Period, Document]:
    counted = wallet.get("quota", {})
    return {period: _current(period, counted.get(period), zone, moment) for period in PERIODS}


# --- what happens to a wallet that an operation has copied for itself ---------------------------------------------


def count(wallet: Document, quota: Quota | None, moment: datetime) -> tuple[Document, list[Document]]:
    """Count one request; what its hold is to keep of that, and the data of each `quota.warning` that is due.

    Raises `HubError` RATE_LIMITED where a period has no request left.
    """
    if quota is None:
        return {}, []
    counters = _counters(wallet, quota.zone, moment)
    _check_left(counters, quota, moment)
    warnings = []
    for period, counter in counters.items():
        limit = quota.limits[period]
        used, told = counter["used"] + 1, counter["told"]
        if limit is not None and (threshold := _threshold(used, limit)) > told.get(str(limit), 0):
            told = {**told, str(limit): threshold}
            warnings.append(_warning(wallet["_id"], period, used, limit, moment))
        counters[period] = {**counter, "used": used, "told": told}
    wallet["quota"] = counters
    return {"quota": {period: counter["of"] for period, counter in counters.items()}}, warnings


def give_back(wallet: Document, hold: Document) -> None:
    """A hold came to nothing: it does not count where the periods that it was counted in are still going on."""
    counted = wallet.get("quota", {})
    ours = {period: of for period, of in hold.get("quota", {}).items() if counted[period]["of"] == of}
    if ours:
        returned = {period: {**counted[period], "used": counted[period]["used"] - 1} for period in ours}
        wallet["quota"] = {**counted, **returned}


def _check_left(counters: Mapping[Period, Document], quota: Quota, moment: datetime) -> None:
    """Of several periods without a request left the one that ends last binds: before that nothing can be asked."""
    spent = [
        Exhausted(period, limit, counters[period]["used"], _resets_at(period, counters[period], quota.zone))
        for period, limit in quota.limits.items()
        if limit is not None and counters[period]["used"] >= limit
    ]
    if spent:
        raise _refusal(max(spent, key=lambda exhausted: exhausted.resets_at), moment)


def _refusal(exhausted: Exhausted, moment: datetime) -> HubError:
    allowed, resets_at = f"{exhausted.limit} requests {_SAID[exhausted.kind]}", timestamp(exhausted.resets_at)
    seconds = max(1, math.ceil((exhausted.resets_at - moment).total_seconds()))
    message = f"The quota of {allowed} is used up. It begins anew at {resets_at}."
    return HubError(Code.RATE_LIMITED, message, retry_after_seconds=seconds, exhausted=exhausted)


def _threshold(used: int, limit: int) -> int:
    """The highest one that has been reached, in per cent; 0 below the first."""
    return max((percent for percent in limits.QUOTA_WARNING_PERCENTS if used * 100 >= percent * limit), default=0)


def _warning(user: str, period: Period, used: int, limit: int, moment: datetime) -> Document:
    return {
        "user_id": user,
        "quota_type": period,
        "used": used,
        "limit": limit,
        "percentage": used * 100 // limit,
        "timestamp": timestamp(moment),
    }


# --- how it stands ------------------------------------------------------------------------------------------------


def standing(wallet: Document, quota: Quota, moment: datetime) -> dict[str, dict[str, Any]]:
    """`{daily, weekly, monthly}`, each `{used, limit, resets_at}`; a period without a request ends as if it had one."""
    return {
        period: {
            "used": counter["used"],
            "limit": quota.limits[period],
            "resets_at": timestamp(_resets_at(period, counter, quota.zone)),
        }
        for period, counter in _counters(wallet, quota.zone, moment).items()
    }


async def usage(database: Database, plans: Plans, user: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """How a user's quotas stand now, as `standing` has them; `user` is the user's document."""
    wallet = await wallets.wallet(database, user["_id"])
    return standing(wallet or {}, quota_of(plans, user["tier"], user["timezone"]), now())
