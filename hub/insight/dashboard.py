"""One user in figures: projects, workflows, what was spent and on which AI model."""

from dataclasses import dataclass
from datetime import datetime

from hub.insight import workflows
from hub.insight.workflows import WorkflowFigures
from models import projects, usage
from models.clock import now
from models.database import Database


@dataclass(frozen=True, slots=True)
class UserFigures:
    """`charged` is what all answers cost, in micro-credits, as the wallet's entries of the kind `usage` say; today is the
    UTC day. `favourite` is the AI model that was asked most often.
    """

    projects: int
    workflows: WorkflowFigures
    charged: int
    charged_today: int
    favourite: str | None


async def figures(database: Database, user: str, moment: datetime | None = None) -> UserFigures:
    """Raises `DatabaseError`."""
    today = usage.day_of(moment or now())
    totals = await usage.totals(database, user, {"today": today})
    return UserFigures(
        projects=await projects.count(database, user),
        workflows=workflows.NONE,
        charged=totals.get("charged", 0),
        charged_today=totals.get("charged_today", 0),
        favourite=await usage.favourite(database, user),
    )
