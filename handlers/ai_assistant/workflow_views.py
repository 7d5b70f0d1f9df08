"""How workflows and their executions are shown. Pure functions from a stored document to plain JSON."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from hub.errors import HubError
from hub.prices import credits_number
from hub.webhooks.endpoints import signing_secret
from hub.workflows.progress import log_view
from hub.workflows.running import records, scope
from hub.workflows.workflows import definition_of
from models.clock import now, timestamp
from models.database import Document

Json = dict[str, Any]


def listed(workflow: Document) -> Json:
    """As it stands in lists, of a project too."""
    return {
        "id": workflow["number"],
        "name": workflow["name"],
        "description": workflow["description"],
        "enabled": workflow["enabled"],
        "trigger_type": workflow["trigger_type"],
        "trigger_config": orjson.loads(workflow["trigger_config"]),
        "project_id": workflow.get("project"),
        "created_at": timestamp(workflow["created_at"]),
        "updated_at": timestamp(workflow["updated_at"]),
        "last_execution": _moment(workflow["last_execution"]),
        "execution_count": workflow["execution_count"],
    }


def shown(workflow: Document) -> Json:
    """By itself, without its address. `spend_cap` is what one execution may cost, in credits; `notify_secret` is shown once,
    to who set the `notify_url`.
    """
    return {
        **listed(workflow),
        "definition": definition_of(workflow),
        "version": workflow["version"],
        "notify_url": workflow["notify_url"],
        "spend_cap": credits_number(workflow["spend_cap_micro"]),
        **({"notify_secret": workflow["notify_secret"]} if "notify_secret" in workflow else {}),
    }


def addresses(workflow: Document, secret: str | None, public_url: str) -> Json:
    """Where a workflow is triggered from outside, and what whoever does it may sign by; nothing of a secret that cannot be
    read any more.
    """
    if secret is None:
        return dict.fromkeys(("webhook_url", "webhook_url_by_id", "webhook_secret", "signing_secret"))
    return {
        "webhook_url": f"{public_url}/webhooks/{secret}",
        "webhook_url_by_id": f"{public_url}/webhooks/{workflow['number']}/{secret}",
        "webhook_secret": secret,
        "signing_secret": signing_secret(secret),
    }


def begun(execution: Document) -> Json:
    return {
        "execution_id": execution["_id"],
        "status": execution["status"],
        "started_at": timestamp(execution["started_at"]),
    }


def ignored(reason: str, error: HubError) -> Json:
    """Of what began nothing, and never will."""
    return {"status": "ignored", "reason": reason, "message": error.message}


def summary(execution: Document) -> Json:
    """An execution without what it did. `duration_ms` of one that has not ended is how long it has taken so far."""
    started, completed = execution["started_at"], execution.get("completed_at")
    return {
        "id": execution["_id"],
        "workflow_id": execution["number"],
        "workflow_version": execution["version"],
        "status": execution["status"],
        "trigger": execution["trigger"],
        "test_mode": execution["test_mode"],
        "started_at": timestamp(started),
        "completed_at": _moment(completed),
        "duration_ms": max(0, round(((completed or now()) - started).total_seconds() * 1_000)),
        "cancel_asked": execution["cancel_asked"],
    }


def execution(found: Document) -> Json:
    """An execution with what came of it, step by step."""
    logs = [_log(line) for line in found["logs"]]
    return {**summary(found), "result": _result(found), "logs": logs, **_steps(found)}


def _result(found: Document) -> Json:
    told = {**scope.told(records.result_of(found)), "credits_used": credits_number(found["spent_micro"])}
    error = found.get("error")
    if found["status"] != "failed" or error is None:
        return told
    return {**told, "error": records.failure_view(error)}


def _log(line: Mapping[str, Any]) -> Json:
    view = log_view(line)
    return {name: view[name] for name in ("timestamp", "level", "message")}


def _steps(found: Document) -> Json:
    steps, wanted = records.of_execution(found), found["approvals"]
    waiting = [key for key, record in steps.items() if record["status"] == "waiting" and key in wanted]
    return {
        "steps": [_step(key, record) for key, record in steps.items()],
        "approvals": [_approval(key, wanted[key], steps[key]) for key in waiting],
    }


def _step(key: str, record: Json) -> Json:
    """`node` is its id, or `{id}/{index}/{inner id}` of what a `for_each` does for an item."""
    told: Json = {"output": record["output"].fragment} if "output" in record else {}
    told |= {"error": record["error"]} if "error" in record else {}
    due = {"due_at": timestamp(record["due_at"])} if "due_at" in record else {}
    return {"node": key, "status": record["status"], "attempt": record["attempt"], **told, **due}


def _approval(key: str, wanted: Mapping[str, Any], record: Json) -> Json:
    return {"node": key, "message": wanted["message"], "to": wanted["to"], "expires_at": timestamp(record["due_at"])}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
