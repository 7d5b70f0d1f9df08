"""Steps' records as the database has them, and as plans see them: what was said in them is JSON text there.

{"output": {"a.b": 1}}  --stored-->  {"output": '{"a.b":1}'}  --parsed-->  the same            pure
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from hub.workflows import scope
from hub.workflows.graph import Json
from models.database import Document

FAILED: Final = "WORKFLOW_EXECUTION_FAILED"
_TEXTS: Final = ("output", "items")


def stored(record: Mapping[str, Any]) -> Document:
    """As it is written."""
    texts = {name: orjson.dumps(record[name]).decode() for name in _TEXTS if name in record}
    return {**record, **texts}


def parsed(record: Mapping[str, Any]) -> Json:
    texts = {name: orjson.loads(record[name]) for name in _TEXTS if name in record}
    return {**record, **texts}


def of_execution(execution: Mapping[str, Any]) -> dict[str, Json]:
    """All records of an execution by their keys, as plans see them."""
    return {key: parsed(record) for key, record in execution["steps"].items()}


def failure_view(error: Mapping[str, Any]) -> Json:
    """What an execution failed with, as its owner is told: by the document's one code for it, and as `reason` by ours."""
    told = {name: value for name, value in error.items() if name != "code"}
    return {"code": FAILED, "reason": error.get("code"), **told}


def result_of(execution: Mapping[str, Any]) -> Any:
    """What a completed execution gave; None of one that did not come to that."""
    if execution["status"] != "completed":
        return None
    definition: Json = orjson.loads(execution["definition"])
    return scope.result(definition, of_execution(execution))
