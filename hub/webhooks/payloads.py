"""What a webhook says: each event of a user's channel by its public names, in the form that its API documents. Pure.

    event row --names_of--> public names --data_of--> data --body_of(api)--> the exact text that is sent and signed

One row may be several events to others: an answer that was paid is `chat.completion` to one, `credit.used` to another.
An endpoint has all its payloads in the form of the API by which it was made, but for `workflow.executed`, whose form is
the AI Assistant's.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from config import outgoing
from hub.choices import choice_views
from hub.streams import deltas_of
from hub.usd import usd_number
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]

CHARGES: Final = ("billing.charge", "credit.used")
USERS: Final = ("user.created", "user.updated")
# By the type of a row: what it is called to others, beside its own name.
_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "chat.completed": ("chat.completion", "ai.task.completed", *CHARGES),
    "chat.failed": ("ai.task.failed", *CHARGES),
    "embedding.completed": CHARGES,
}
_IDS: Final = uuid.UUID(
    "5f0a3f6c-6a3f-4f0c-9d43-6f6e0f0a9a51"
)  # the namespace of all ids: any would do, this one stays
_MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Facts:
    """What payloads need beside the event: documents by id, and what a credit is worth in millionths of a dollar."""

    credit_rate: int
    users: Mapping[str, Document] = field(default_factory=dict)
    messages: Mapping[str, Document] = field(default_factory=dict)


def user_of(event: Document) -> str:
    """To whom it happened."""
    return str(event["channel"]).removeprefix("user:")


def names_of(event: Document) -> tuple[str, ...]:
    """By which public names an event may be subscribed to. A charge of nothing is none."""
    kind, charged = event["type"], _charged(event["data"])
    return (kind, *(name for name in _ALSO.get(kind, ()) if charged or name not in CHARGES))


def types_of(names: set[str]) -> frozenset[str]:
    """The types of rows that may be events of these public names."""
    return frozenset(names) | {kind for kind, also in _ALSO.items() if not names.isdisjoint(also)}


def id_of(event: Document, name: str, api: str) -> str:
    """The `webhook-id`: the same for one event whenever and however often it is sent."""
    made = uuid.uuid5(_IDS, f"{event['channel']} {event['epoch']} {event['offset']} {name}")
    return str(made) if api == "ai_aggregator" else f"evt_{made.hex}"


def body_of(event: Document, name: str, api: str, facts: Facts) -> str:
    """The payload as it is sent and signed, but for the `signature` that two of the forms have at their end."""
    data = data_of(event, name, facts)
    moment = timestamp(event["created_at"])
    form = _assistant if name == "workflow.executed" else _FORMS[api]
    return dumped(form(id_of(event, name, api), name, moment, data))


def has_signature(name: str, api: str) -> bool:
    """Whether the documented form carries its own signature."""
    return api != "ai_playground" and name != "workflow.executed"


# --- the four forms -----------------------------------------------------------------------------------------------


def _smart_ai_hub(event_id: str, name: str, moment: str, data: Json) -> Json:
    return {"eventId": event_id, "eventType": name, "timestamp": moment, "data": camel(data)}


def _ai_aggregator(event_id: str, name: str, moment: str, data: Json) -> Json:
    return {"id": event_id, "type": name, "data": camel(data), "timestamp": moment}


def _ai_playground(event_id: str, name: str, moment: str, data: Json) -> Json:
    return {"event": name, "data": {**data, "timestamp": moment}}


def _assistant(event_id: str, name: str, moment: str, data: Json) -> Json:
    head = {key: data.get(key) for key in ("workflow_id", "execution_id", "status")}
    test = {"test": True} if data.get("test") else {}
    return {"event": name, "timestamp": moment, **head, "data": {"result": data.get("result"), **test}}


_FORMS: Final[Mapping[str, Callable[[str, str, str, Json], Json]]] = {
    "smart_ai_hub": _smart_ai_hub,
    "ai_aggregator": _ai_aggregator,
    "ai_playground": _ai_playground,
}

# --- what they say ------------------------------------------------------------------------------------------------


def data_of(event: Document, name: str, facts: Facts) -> Json:
    """An event's data in snake_case, its user among them."""
    user = user_of(event)
    made = _DATA.get(name, _as_it_is)(event, facts)
    test = {"test": True} if event["data"].get("test") else {}
    data = {key: value for key, value in made.items() if key not in ("user_id", "timestamp")}
    return {"user_id": user, **data, **test}


def _as_it_is(event: Document, facts: Facts) -> Json:
    data: Json = event["data"]
    return data


def _user(event: Document, facts: Facts) -> Json:
    user = facts.users.get(user_of(event), {})
    names = {name: user.get(name) for name in ("email", "first_name", "last_name")}
    return {**names, **event["data"]}


def _completion(event: Document, facts: Facts) -> Json:
    data = event["data"]
    cost = usd_number(_charged(data), facts.credit_rate)
    return {"model": data["model"], "tokens": sum(data["usage"].values()), "cost": cost}


def _charge(event: Document, facts: Facts) -> Json:
    """A charge in dollars, as the Aggregator bills."""
    balance = usd_number(_micro(event["data"]["receipt"]["balance_after"]), facts.credit_rate)
    return {**_completion(event, facts), "balance": balance, "currency": "USD", **_what(event["data"])}


def _used(event: Document, facts: Facts) -> Json:
    """The same in credits."""
    data, receipt = event["data"], event["data"]["receipt"]
    tokens = sum(data["usage"].values())
    told = {"credits": receipt["charged"], "balance": receipt["balance_after"]}
    return {**told, "model": data["model"], "tokens": tokens, **_what(data)}


def _what(data: Json) -> Json:
    """What was paid for."""
    return {"reference": data.get("stream_id") or data.get("request_id"), "api": data["api"]}


def _task_completed(event: Document, facts: Facts) -> Json:
    data = event["data"]
    usage = {**data["usage"], "total_tokens": sum(data["usage"].values())}
    result = {"choices": _choices(data, facts), "usage": usage}
    return {"task_id": data["stream_id"], "status": "completed", "model": data["model"], "result": result}


def _task_failed(event: Document, facts: Facts) -> Json:
    data = event["data"]
    told = {"error": data["error"]["message"], "code": data["error"]["code"]}
    return {"task_id": data["stream_id"], "status": "failed", "model": data["model"], **told}


def _choices(data: Json, facts: Facts) -> list[Json]:
    """None where the answer has been deleted since; cut where it is too long for a payload: it is there by `task_id`."""
    message = facts.messages.get(data["message_id"])
    if message is None:
        return []
    left, choices = outgoing.WEBHOOK_ANSWER_CHARS_MAX, []
    for choice in choice_views(deltas_of(message), data["finish_reason"]):
        said = _cut(choice["message"], left)
        left -= len(said["content"] or "")
        choices.append({"index": choice["index"], "message": said, "finish_reason": choice["finish_reason"]})
    return choices


def _cut(message: Json, chars_max: int) -> Json:
    """What a message says in so many characters, and that it says more; what it has beside its text whole or not at all."""
    content = message.get("content")
    beside = {name: value for name, value in message.items() if name not in ("role", "content") and value is not None}
    fits = len(orjson.dumps(beside)) <= outgoing.WEBHOOK_CALLS_BYTES_MAX
    text = content[:chars_max] if content else content
    truncated = {} if fits and text == content else {"truncated": True}
    return {"role": message["role"], "content": text, **(beside if fits else {}), **truncated}


_DATA: Final[Mapping[str, Callable[[Document, Facts], Json]]] = {
    **dict.fromkeys(USERS, _user),
    "chat.completion": _completion,
    "billing.charge": _charge,
    "credit.used": _used,
    "ai.task.completed": _task_completed,
    "ai.task.failed": _task_failed,
}


def _charged(data: Json) -> int:
    """Micro-credits."""
    receipt = data.get("receipt")
    return _micro(receipt["charged"]) if receipt else 0


def _micro(credits: int | float) -> int:
    """From the number of credits that a receipt shows, which has at most six decimals."""
    return round(credits * _MICRO)


# --- JSON ---------------------------------------------------------------------------------------------------------

_WORD: Final = re.compile(r"_([a-z0-9])")


def camel(value: Any) -> Any:
    """Names in camelCase, as two of the documents write them, those of fields that were `changed` too."""
    if isinstance(value, dict):
        return {_camel_name(name): _NAMES.get(name, camel)(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [camel(inner) for inner in value]
    return value


_NAMES: Final[Mapping[str, Callable[[Any], Any]]] = {"changed": lambda names: [_camel_name(name) for name in names]}


def _camel_name(name: str) -> str:
    return _WORD.sub(lambda match: match[1].upper(), name)


def dumped(payload: Json) -> str:
    """JSON as `JSON.stringify` writes it, so that who parses and writes a payload again has the signed text."""
    return orjson.dumps(_numbers(payload)).decode()


def _numbers(value: Any) -> Any:
    """0.000003 is `3e-6` to orjson and `0.000003` to JavaScript; whole floats have no fraction there."""
    if isinstance(value, dict):
        return {name: _numbers(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    if isinstance(value, float):
        return orjson.Fragment(_number(value))
    return value


def _number(value: float) -> str:
    """ECMAScript's Number::toString, for what money, tokens and percentages come to: no exponent from 1e-6 to 1e21."""
    if value.is_integer() and abs(value) <= 2**53:
        return str(int(value))
    text = repr(value)
    if "e-05" in text or "e-06" in text:
        return format(value, f".{_decimals(text)}f")
    return text.replace("e-0", "e-")


def _decimals(text: str) -> int:
    """How many a number in Python's exponential form has without it."""
    digits, _, exponent = text.partition("e-")
    return int(exponent) + len(digits.partition(".")[2])
