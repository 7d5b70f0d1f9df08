"""`telegram_message` and `google_sheets_append`: by their owner's own accounts at other companies.

Neither company knows a repeated call from a new one. A process that dies while it asks leaves it unknown whether that was
done: then the attempt has failed, and is repeated only where its author asked for retries.
"""

from hub.integrations.integrations import Integrations
from hub.workflows.running.runners.work import Done, Work, check_known


class TelegramMessages:
    """Runs `telegram_message`. One per process."""

    def __init__(self, integrations: Integrations) -> None:
        self._telegram = integrations.telegram

    async def __call__(self, work: Work) -> Done:
        """Raises `Failed`, `HubError`: CONFLICT where no bot is connected or the chat refuses, UNAVAILABLE."""
        check_known(work, "Telegram")
        inputs = work.inputs
        sent = await self._telegram.send(work.execution["user"], inputs["text"], inputs.get("chat_id"))
        return work.done(sent)


class SheetAppends:
    """Runs `google_sheets_append`. One per process."""

    def __init__(self, integrations: Integrations) -> None:
        self._google = integrations.google

    async def __call__(self, work: Work) -> Done:
        """Raises `Failed`, `HubError`: CONFLICT where no account is connected or Google refuses, UNAVAILABLE."""
        check_known(work, "Google")
        inputs, rows = work.inputs, work.inputs["values"]
        where = (inputs["spreadsheet_id"], inputs["range"])
        written = await self._google.append_rows(work.execution["user"], *where, rows)
        return work.done({"range": written, "rows": len(rows)})
