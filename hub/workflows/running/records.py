"""Steps' records as the database has them, and as plans see them: what was said in them is JSON text there.

{"output": Said}  --stored-->  {"output": '{"a.b":1}'}  --seen-->  the same            pure; no text is read
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from hub.workflows.definitions.graph import Json
from hub.workflows.running import scope
from hub.workflows.running.said import NOTHING, Said
from hub.workflows.running.steps import SAID
from models.database import Document

FAILED: Final = "WORKFLOW_EXECUTION_FAILED"


def stored(record: Mapping[str, Any]) -> Document:
    """As it is written."""
    return {**record, **{name: record[name].text for name in SAID if name in record}}


def seen(record: Mapping[str, Any]) -> Json:
    """As it was written."""
    return {**record, **{name: Said(record[name]) for name in SAID if name in record}}


def of_execution(execution: Mapping[str, Any]) -> dict[str, Json]:
    """All records of an execution by their keys, as plans see them."""
    return {key: seen(record) for key, record in execution["steps"].items()}


def failure_view(error: Mapping[str, Any]) -> Json:
    """What an execution failed with, as its owner is told: by the document's one code for it, and as `reason` by ours."""
    told = {name: value for name, value in error.items() if name != "code"}
    return {"code": FAILED, "reason": error.get("code"), **told}


def result_of(execution: Mapping[str, Any]) -> Said:
    """What a completed execution gave; null of one that did not come to that."""
    if execution["status"] != "completed":
        return NOTHING
    definition: Json = orjson.loads(execution["definition"])
    return scope.result(definition, of_execution(execution))
