"""Progress of executions, told live to whoever watches. Lost, it is read anew: all of it stands in the execution.

{"type": "workflow.progress", "workflow_id", "execution_id", "status", "node"?, "step"?, "log": {timestamp, level, message}}
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from config import workflows as limits
from hub.realtime.broker import Broker, Publication
from hub.realtime.channels import workflows_channel
from models.clock import timestamp
from models.database import Document

Level = Literal["info", "warning", "error"]

PROGRESS: Final = "workflow.progress"


def log_line(level: Level, message: str, moment: datetime) -> Document:
    """One of an execution's logs."""
    return {"timestamp": moment, "level": level, "message": message[: limits.LOG_CHARS_MAX]}


def log_view(line: Mapping[str, Any]) -> Document:
    return {**line, "timestamp": timestamp(line["timestamp"])}


class Progress:
    """One per process."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def tell(
        self, execution: Mapping[str, Any], line: Mapping[str, Any], node: str | None = None, step: str | None = None
    ) -> None:
        """One line of an execution's logs, and the status of the step that it is about: `node` is the step's key."""
        told = {
            "workflow_id": execution["number"],
            "execution_id": execution["_id"],
            "status": execution["status"],
            **({} if node is None else {"node": node, "step": step}),
            "log": log_view(line),
        }
        self._broker.publish(workflows_channel(execution["user"]), Publication("notice", PROGRESS, told))
