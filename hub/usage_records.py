"""What one paid answer leaves for statistics: its usage row and its part of its model's day totals, for one operation.

Whoever settles usage writes both, so that a user's totals are always the sums of their rows.
"""

from collections.abc import Callable
from datetime import datetime

from hub.operations import Insert, Receipt, Update
from models import usage
from models.database import Document

Row = Callable[[Receipt | None], Document]


def used(user: str, created_at: datetime, model: str, row: Row, *, broken: bool = False) -> tuple[Insert, Update]:
    """The row, known when its receipt is, and the change of its model's totals of the day on which it was begun.

    `row` is called for each of the two and has to give the same: it must not look at a clock. `broken`: the answer broke
    off by the provider's fault or ours.
    """
    return Insert(usage.USAGE, row), _of_day(
        user, created_at, model, lambda receipt: usage.counted(row(receipt), broken=broken)
    )


def fruitless(user: str, created_at: datetime, model: str) -> Update:
    """The change of its model's totals by a request of which nothing came, by the provider's fault or ours."""
    return _of_day(user, created_at, model, usage.fruitless(user, created_at, model))


def _of_day(user: str, created_at: datetime, model: str, change: Document | Row) -> Update:
    return Update(usage.USAGE_DAYS, {"_id": usage.day_id(user, created_at, model)}, change, upsert=True)
