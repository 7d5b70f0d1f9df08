"""What a runner is given, and what it gives back: the words that the engine and the runners share.

Work --runner--> Done (the step's record, and what must be true with it)
             --> Failed, or any HubError (the attempt has failed)      PutOff (not yet: the same attempt, a little later)
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.operations import Insert, NewEvent
from hub.workflows.definitions.graph import Json
from hub.workflows.running import steps
from hub.workflows.running.plan import Stop
from hub.workflows.running.purse import Purse
from hub.workflows.running.steps import Step
from models.database import Document


def name_of(execution: str, key: str, attempt: int) -> str:
    """What marks all that an attempt at a step does outside."""
    return hashlib.sha256(f"{execution}/{key}/{attempt}".encode()).hexdigest()[:28]


@dataclass(frozen=True, slots=True)
class Work:
    """One step that is to be done now.

    `inputs` is its configuration, rendered and checked. `record` is how it stood before: of one that waited, or was begun
    already. `owner` is the document of the user whose workflow it is.
    """

    execution: Mapping[str, Any]
    step: Step
    inputs: Json
    record: Json | None
    owner: Mapping[str, Any]
    at: datetime
    purse: Purse

    @property
    def name(self) -> str:
        """What marks all that this attempt does outside, and the same for whoever repeats it."""
        return name_of(self.execution["_id"], self.step.key, self.step.attempt)

    def done(self, output: Any, **more: Any) -> "Done":
        return Done(steps.completed(self.step, output), **more)


@dataclass(frozen=True, slots=True)
class Done:
    """A step's record; documents and events that stand with it or not at all; further `fields` of its execution.

    `spent_micro` is what it cost, in micro-credits. `stop` ends the execution. `note` is a line for its logs.
    """

    record: Json
    spent_micro: int = 0
    inserts: Sequence[Insert] = ()
    events: Sequence[NewEvent] = ()
    fields: Document = field(default_factory=dict)
    stop: Stop | None = None
    note: str | None = None


class Failed(Exception):
    """This attempt has failed. `code` says why to programs; a `temporary` one may be tried again, not sooner than in
    `asked_seconds`, which whoever was asked wants to be left alone.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        temporary: bool = False,
        asked_seconds: float | None = None,
        spent_micro: int = 0,
        stop: Stop | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.temporary = temporary
        self.asked_seconds = asked_seconds
        self.spent_micro = spent_micro
        self.stop = stop


class PutOff(Exception):
    """It cannot be done just yet. `fields` are further ones of its record, for whoever takes it up again."""

    def __init__(self, why: str, **fields: Any) -> None:
        super().__init__(why)
        self.fields = fields


Runner = Callable[[Work], Awaitable[Done]]


def check_known(work: Work, whom: str) -> None:
    """For what nothing marks as a repetition: who was cut off while asking does not ask again by itself. Who was put off
    has not asked.

    Raises `Failed`, which may be tried again where the node's author wants that.
    """
    if work.step.begun and not work.step.let_go:
        message = f"The hub was interrupted while it asked {whom}: whether it was done is not known"
        raise Failed("outcome_unknown", message, temporary=True)
