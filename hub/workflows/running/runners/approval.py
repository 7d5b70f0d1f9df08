"""`approval`: somebody is asked, and the step waits for an answer (`Executions.answer_approval`), or until its time is over.

reached --one operation--> waiting, a notification for the owner, a letter to whom `to` names
due again, still waiting --> nobody answered: failed
"""

from datetime import datetime, timedelta
from typing import Final

from config import workflows as limits
from hub.notifications import notice
from hub.workflows.running import steps
from hub.workflows.running.runners.send_email import letter
from hub.workflows.running.runners.work import Done, Failed, Work
from models.clock import timestamp

_TITLE: Final = "A workflow waits for you"


class Approvals:
    """Runs `approval`. One per process; `public_url` is where the hub is found."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url

    async def __call__(self, work: Work) -> Done:
        """Raises `Failed` where its time is over."""
        if work.record is not None and work.record["status"] == "waiting":
            raise Failed("expired", "Nobody answered in time")
        until = work.at + timedelta(seconds=work.inputs.get("timeout_seconds", limits.APPROVAL_SECONDS))
        told = self._told(work, until)
        insert, event = notice(work.execution["user"], "info", "workflows", _TITLE, told[: limits.NOTICE_CHARS_MAX])
        to: str | None = work.inputs.get("to")
        letters = [] if to is None else [letter(work, to, _TITLE, told)]
        wanted = {"message": work.inputs["message"], "to": to, "due_at": until}
        return Done(
            steps.waiting(work.step, until),
            inserts=[insert, *letters],
            events=[event],
            fields={f"approvals.{work.step.key}": wanted},
            note=f"{work.step.key} waits for an answer",
        )

    def _told(self, work: Work, until: datetime) -> str:
        """What is asked, and how to answer."""
        number, execution = work.execution["number"], work.execution["_id"]
        path = f"/api/workflows/{number}/executions/{execution}/approvals/{work.step.key}"
        how = f'Answer by {timestamp(until)}: POST {self._public_url}{path} with {{"approved": true}} or false.'
        return f"{how}\n\n{work.inputs['message']}"
