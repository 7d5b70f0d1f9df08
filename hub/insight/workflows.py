"""The figures of workflows: how many there are, and how often they were executed."""

from dataclasses import dataclass
from datetime import datetime

from models import executions, workflows
from models.database import Database, Document


@dataclass(frozen=True, slots=True)
class WorkflowFigures:
    """`executions` are those of the workflows that there are, ever; `executions_since` are all from the moment on that was
    asked for. `most_active` is `{number, name}`, of one user's alone.
    """

    count: int = 0
    executions: int = 0
    executions_since: int = 0
    most_active: Document | None = None


async def figures(database: Database, since: datetime, user: str | None = None) -> WorkflowFigures:
    """Of one user, or of all together. Raises `DatabaseError`."""
    count, executed = await workflows.totals(database, user)
    return WorkflowFigures(
        count=count,
        executions=executed,
        executions_since=await executions.count_since(database, since, user),
        most_active=None if user is None else await workflows.most_active(database, user),
    )
