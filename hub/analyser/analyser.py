"""The document analyser as the hub has it: its jobs, and what can be made of their results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hub.analyser.answers import Answers
from hub.analyser.child_process import Children
from hub.analyser.exports import Exports
from hub.analyser.jobs import Analyses
from hub.integrations.integrations import Integrations
from hub.ledger import Ledger
from hub.safe_http import SafeHttp
from hub.tasks import Tasks
from models.database import Database


@dataclass(frozen=True, slots=True)
class Analyser:
    """One per process."""

    analyses: Analyses
    exports: Exports
    answers: Answers

    @classmethod
    def of(
        cls,
        data_dir: Path,
        database: Database,
        ledger: Ledger,
        http: SafeHttp,
        tasks: Tasks,
        integrations: Integrations,
    ) -> Self:
        children = Children(data_dir / "children")
        analyses = Analyses(database, ledger, http, tasks, children)
        return cls(analyses, Exports(analyses, integrations, children), Answers())
