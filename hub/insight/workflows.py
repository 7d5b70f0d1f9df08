"""The figures of workflows. The hub runs none, so that everybody has none and none was executed."""

from dataclasses import dataclass
from datetime import datetime

from models.database import Database, Document


@dataclass(frozen=True, slots=True)
class WorkflowFigures:
    """`executions_since` are those from the moment on that was asked for; `most_active` is `{number, name}`."""

    count: int = 0
    executions: int = 0
    executions_since: int = 0
    most_active: Document | None = None


async def figures(database: Database, since: datetime, user: str | None = None) -> WorkflowFigures:
    """Of one user, or of all together."""
    return WorkflowFigures()
