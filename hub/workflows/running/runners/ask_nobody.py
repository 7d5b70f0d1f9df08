"""Steps that ask nobody: `condition`, `transform`, `delay` and the opening of a `for_each`."""

from datetime import datetime, timedelta
from typing import Final

from config import workflows as limits
from hub.errors import invalid
from hub.workflows.definitions import conditions
from hub.workflows.running import steps
from hub.workflows.running.runners.work import Done, Work
from models.clock import timestamp

_LONGEST: Final = timedelta(seconds=limits.DELAY_SECONDS_MAX)


async def condition(work: Work) -> Done:
    """Raises `HubError` INVALID where its operator cannot be asked of these values."""
    return work.done(conditions.is_met(work.inputs))


async def transform(work: Work) -> Done:
    return work.done(work.inputs["set"])


async def for_each(work: Work) -> Done:
    """Raises `HubError` INVALID where the items are no list, or too many."""
    return Done(steps.opened(work.step, work.inputs["items"]))


async def delay(work: Work) -> Done:
    """Waits until its moment, and is done when it comes back then. Raises `HubError` INVALID for one that is too far off."""
    is_over = work.record is not None and work.record["status"] == "waiting"
    until = _until(work)
    if is_over or until <= work.at:
        return work.done(None)
    if until > work.at + _LONGEST:
        raise invalid("config.until", f"must be at most {_LONGEST.days} days from when it is reached")
    return Done(steps.waiting(work.step, until), note=f"{work.step.key} waits until {timestamp(until)}")


def _until(work: Work) -> datetime:
    until: datetime | None = work.inputs.get("until")
    return until if until is not None else work.at + timedelta(seconds=work.inputs["seconds"])
