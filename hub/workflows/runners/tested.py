"""What steps give in test mode, in which nothing leaves the hub and nothing is charged: their own form, and what they would
have done. Pure.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hub.workflows.graph import Json

_SHOWN_CHARS: Final = 500
_TEST: Final = {"test": True}


def _ai_call(inputs: Json) -> str:
    return f"[test: {inputs['model']} was not asked] {inputs['prompt'][:_SHOWN_CHARS]}"


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


# Of all types that would ask somebody, or wait.
TESTED: Final[Mapping[str, Callable[[Json], Any]]] = {
    "ai_call": _ai_call,
    "send_email": _send_email,
    "http_request": _http_request,
    "telegram_message": _telegram_message,
    "google_sheets_append": _google_sheets_append,
    "approval": _approval,
    "delay": _delay,
}
