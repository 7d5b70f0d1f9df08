"""Goes on with executions: each that is due is claimed for one turn (turn.py), so many at once, by any process that is free.

A process that dies leaves its claims, which the sweeper ends; another goes on at the last step that was written.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog

from config import workflows as limits
from hub.errors import HubError
from hub.job_loop import JobLoop
from hub.ledger import Ledger
from hub.metrics import Metrics
from hub.tasks import Tasks
from hub.workflows.progress import Progress
from hub.workflows.running import records
from hub.workflows.running.answers import Answers, begun
from hub.workflows.running.claim import Claim, is_passing
from hub.workflows.running.plan import Plan
from hub.workflows.running.runners.work import Runner
from hub.workflows.running.turn import Turn
from hub.workflows.running.writing import Lost, Writing
from hub.workflows.workflows import definition_of
from models import executions, users
from models.clock import now
from models.database import Database, DatabaseError, Document
from models.ids import new_id

log = structlog.get_logger(__name__)

_BROKEN: Final = {"code": "internal", "message": "The hub could not go on with it, by its own fault"}


class Engine:
    """One per process; all of them share the executions. `letters_written` is called where some were."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        progress: Progress,
        runners: Mapping[str, Runner],
        answers: Answers,
        tasks: Tasks,
        node: str,
        metrics: Metrics,
        letters_written: Callable[[], None],
    ) -> None:
        self.database = database
        self.ledger = ledger
        self.progress = progress
        self.runners = runners
        self.answers = answers
        self.tasks = tasks
        self.metrics = metrics
        self.letters_written = letters_written
        self._node = node
        self._turns: dict[str, Turn] = {}  # by execution
        self._loop = JobLoop(
            *("executions", self._claim, self._turn, tasks),
            at_once=limits.EXECUTIONS_AT_ONCE,
            poll_seconds=limits.EXECUTION_POLL_SECONDS,
        )

    def wake(self, execution: str | None = None) -> None:
        """One is due: whose turn it is here looks at it at once; else it is claimed."""
        turn = self._turns.get(execution) if execution is not None else None
        if turn is not None:
            turn.wake()
        else:
            self._loop.wake()

    @property
    def closing(self) -> bool:
        return self._loop.closing

    @property
    def at_work(self) -> int:
        """Executions that this process has a turn at."""
        return len(self._turns)

    async def owner(self, user: str) -> Document | None:
        """The user for whom a workflow acts; None where that user may do nothing any more. Raises `DatabaseError`."""
        found = await users.by_id(self.database, user)
        return users.without_password(found) if found is not None and found["status"] == "active" else None

    async def run(self) -> None:
        """Go on with what is due until cancelled."""
        await self._loop.run()

    def stop(self) -> None:
        """Begin no step more from now on. What is under way goes on."""
        self._loop.stop()
        for turn in self._turns.values():
            turn.wake()

    async def close(self) -> None:
        """Begin nothing more, let the steps that are under way end for a while, and leave the rest to other processes."""
        self.stop()
        await self._loop.close(limits.EXECUTION_CLOSE_SECONDS)
        await self._loop.break_off()
        await executions.release_of(self.database, [self._node])

    async def _claim(self) -> Document | None:
        lease, busy = limits.EXECUTION_LEASE_SECONDS, self._busy_users()
        return await executions.claim(self.database, new_id("claim"), self._node, now(), lease, busy)

    def _busy_users(self) -> list[str]:
        """Those with so many turns that others would have to wait for theirs."""
        users_at_work = Counter(turn.user for turn in self._turns.values())
        return [user for user, turns in users_at_work.items() if turns >= limits.EXECUTIONS_OF_USER_AT_ONCE]

    async def _turn(self, execution: Document) -> None:
        turn: Turn | None = None
        try:
            self._turns[execution["_id"]] = turn = Turn(self, execution)
            await turn.run()
        except (HubError, DatabaseError) as error:
            await self._broke_off(execution, error)
        except Exception:
            log.exception("a turn broke", execution=execution["_id"])
            await self._broke(execution)
        finally:
            if turn is not None and self._turns.get(execution["_id"]) is turn:  # it may have been claimed here again
                del self._turns[execution["_id"]]
        self._loop.wake()

    async def _broke_off(self, execution: Document, error: HubError | DatabaseError) -> None:
        """One that cannot be written just now is left to the next turn, which goes on from its records."""
        if is_passing(error):
            log.warning("a turn broke off", execution=execution["_id"], error=str(error)[:200])
            due_at = now() + timedelta(seconds=limits.EXECUTION_AGAIN_SECONDS)
            await executions.put_off(self.database, execution, due_at)
        else:
            log.error("a turn broke", execution=execution["_id"], exc_info=error)
            await self._broke(execution)

    async def _broke(self, execution: Document) -> None:
        """It cannot go on by our own fault. After so many turns that nobody foresaw it has failed."""
        if execution.get("broken", 0) + 1 < limits.EXECUTION_BROKEN_MAX:
            due_at = now() + timedelta(seconds=limits.EXECUTION_BROKEN_SECONDS)
            await executions.broke(self.database, execution, due_at)
            return
        await self._end(execution)

    async def _end(self, claimed: Document) -> None:
        """As failed, whatever its records say; where the claim is lost, others see to that."""
        latest = await executions.by_id(self.database, claimed["_id"])  # with what the turn that broke has written
        if latest is None or latest["claim"] != claimed["claim"]:
            return
        writing = Writing(self.database, self.ledger, self.progress, latest, Claim())
        spent_micro = await self._answers_ended(latest)
        with suppress(Lost):
            await writing.end(Plan("failed", error=_BROKEN), {}, {}, latest["active_seconds"], spent_micro)
            self.metrics.execution_ended("failed")

    async def _answers_ended(self, execution: Document) -> int:
        """Answers that it began are not made any more; what they cost, in micro-credits, as far as its records say which."""
        try:
            streams = begun(execution["_id"], definition_of(execution), records.of_execution(execution))
            return await self.answers.end(execution["user"], streams)
        except Exception:
            log.exception("answers of a broken execution are not ended", execution=execution["_id"])
            return 0
