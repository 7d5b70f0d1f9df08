"""Claims: which process works at a document now, so that no two do. `claim` is the fencing token of one turn, `node` whose
it is, and `claimed_until` its end, by the server's own time: clocks of two nodes may differ by more than a claim lasts.
"""

from datetime import UTC, datetime
from typing import Final

from models.database import Document

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)  # until when what is unclaimed is claimed
FREE: Final = {"claim": None, "node": None, "claimed_until": NEVER}


def until(seconds: int) -> Document:
    """For an update by a pipeline: so long from now."""
    return {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": seconds}}


def unclaimed() -> Document:
    """The part of a query for what nobody has a claim to, or not any more."""
    return {"$expr": {"$lte": ["$claimed_until", "$$NOW"]}}
