"""What steps give in test mode, in which nothing leaves the hub and nothing is charged: their own form, and what they would
have done. Those of `UNTESTED` ask nobody and wait for nothing: they are done as ever. Pure.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from config import workflows as limits
from hub.workflows.definitions.graph import Json

_TEST: Final = {"test": True}


def _ai_call(inputs: Json) -> str:
    return f"[test: {inputs['model']} was not asked] {inputs['prompt'][: limits.TEST_PROMPT_CHARS_SHOWN]}"


def _send_email(inputs: Json) -> Json:
    return {**_TEST, "message_id": "", "to": inputs["to"], "subject": inputs["subject"], "body": inputs["body"]}


def _http_request(inputs: Json) -> Json:
    asked = {"method": inputs["method"], "url": inputs["url"], "body": inputs.get("body")}
    return {**_TEST, "status": 200, "headers": {}, **asked}


def _telegram_message(inputs: Json) -> Json:
    return {**_TEST, "message_id": 0, "chat_id": inputs.get("chat_id"), "text": inputs["text"]}


def _google_sheets_append(inputs: Json) -> Json:
    return {**_TEST, "range": inputs["range"], "rows": len(inputs["values"])}


def _approval(inputs: Json) -> Json:
    return {**_TEST, "by": "", "comment": ""}


def _delay(inputs: Json) -> None:
    return None


UNTESTED: Final = frozenset({"condition", "transform", "for_each"})
# Of all other types: one that is missing here fails in test mode.
TESTED: Final[Mapping[str, Callable[[Json], Any]]] = {
    "ai_call": _ai_call,
    "send_email": _send_email,
    "http_request": _http_request,
    "telegram_message": _telegram_message,
    "google_sheets_append": _google_sheets_append,
    "approval": _approval,
    "delay": _delay,
}
