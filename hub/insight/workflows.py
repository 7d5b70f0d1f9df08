"""The figures of workflows. The hub runs none, so that everybody has none and none was executed."""

from dataclasses import dataclass
from typing import Final

from models.database import Document


@dataclass(frozen=True, slots=True)
class WorkflowFigures:
    """`executions_since` are those of today, or of the last day; `most_active` is `{number, name}`."""

    count: int = 0
    executions: int = 0
    executions_since: int = 0
    most_active: Document | None = None


NONE: Final = WorkflowFigures()  # of one user, and of all together
