"""The parts of insight, joined."""

from collections.abc import Mapping
from dataclasses import dataclass

from config import limits
from config.catalogue import AiModel
from hub.insight.overview import Overview
from hub.insight.rankings import Rankings
from hub.insight.ratings import Ratings
from hub.insight.uptime import Uptime
from hub.ledger import Ledger
from hub.tasks import Tasks
from hub.throttle import Throttle
from models.database import Database


@dataclass(frozen=True, slots=True)
class Insight:
    """One per process."""

    uptime: Uptime
    overview: Overview
    rankings: Rankings
    ratings: Ratings

    def start(self, tasks: Tasks) -> None:
        """Measure the uptime until the tasks end."""
        tasks.repeat(self.uptime.mark, limits.NODE_HEARTBEAT_SECONDS, "uptime")


def insight_of(database: Database, ledger: Ledger, catalogue: Mapping[str, AiModel], throttle: Throttle) -> Insight:
    uptime, ratings = Uptime(database), Ratings(database, ledger, throttle)
    return Insight(uptime, Overview(database, uptime), Rankings(database, catalogue), ratings)
