"""What a generation leaves in the database: the documents, updates and events of its beginning, checkpoints and end.

Pure functions from a `Job` to parts of an `Operation`. A message is written at the beginning (`streaming`), at every
checkpoint, and at the end, so that whatever kills the process finds a message that says how far the answer came.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import orjson

from config import limits
from config.catalogue import AiModel
from hub.budgets import Budget, project_of
from hub.errors import Code, HubError
from hub.idempotency import IdempotencyKey, completed, withdrawn
from hub.ledger import Undo
from hub.operations import Delete, Insert, NewEvent, Receipt, Update
from hub.prices import credits_number
from hub.providers.base import Native, Usage
from hub.quotas import Quota
from hub.streams import Outcome, Stream
from hub.usage_records import fruitless, used
from models.clock import milliseconds, now
from models.conversations import CONVERSATIONS, MESSAGES
from models.database import Document

TITLE_CHARS = 80
SNIPPET_CHARS = 120

_INTERRUPTIONS = (Code.UNAVAILABLE, Code.UNAUTHENTICATED)


@dataclass(slots=True)
class Job:
    """One completion to be made, with everything about it that has been decided."""

    stream: Stream
    model: AiModel
    prompt: list[Document]  # what the provider gets
    prompt_tokens: int
    max_tokens: int  # of each choice
    parameters: dict[str, Any]
    streamed: bool
    api: str
    endpoint: str  # the path that was asked
    new_messages: list[tuple[str, Document]]  # what the caller said, with the ids under which it is to be stored
    new_conversation: bool
    idempotency: IdempotencyKey | None
    choices: int = 1
    native: Native | None = None  # the request in Anthropic's own form
    budgets: Sequence[Budget] = ()  # of the API key that asks, and of the project that it asks for
    tokens_per_minute: int | None = None  # the same key's
    quota: Quota | None = None  # that this request counts against
    hold: str | None = None  # the id that its hold is to have, where that must be the same for all who try
    hops: int = 0  # how many workflows led to it
    created_at: datetime = field(default_factory=now)
    received: float = field(default_factory=time.monotonic)  # when the request came, for the time to its first token

    @property
    def user(self) -> str:
        return self.stream.user

    @property
    def of_project(self) -> Document:
        """What a document of it says of its project: nothing where it belongs to none."""
        number = project_of(self.budgets)
        return {} if number is None else {"project": number}

    @property
    def answer_tokens_max(self) -> int:
        """Of all choices together."""
        return self.max_tokens * self.choices

    @property
    def written_once(self) -> bool:
        """Nobody can ask for this answer before its end, so that its message is written only then."""
        return not self.streamed and self.stream.conversation is None and self.idempotency is None


@dataclass(frozen=True, slots=True)
class Opening:
    """What stands together with the hold."""

    inserts: list[Insert]
    updates: list[Update]
    events: list[NewEvent]
    size_bytes: int
    undo: Undo


def opening(job: Job) -> Opening:
    """The messages, the conversation and the idempotency record of a beginning generation."""
    messages = _said(job) if job.written_once else [*_said(job), _answer(job)]
    inserts = [Insert(MESSAGES, message) for message in messages]
    updates: list[Update] = []
    events: list[NewEvent] = []
    if job.new_conversation:
        conversation = _conversation(job)
        inserts.append(Insert(CONVERSATIONS, conversation))
        data = {"conversation_id": conversation["_id"], "title": conversation["title"]}
        events.append(NewEvent(job.user, "conversation.created", data))
    elif job.stream.conversation is not None:
        change = {"$set": {"updated_at": job.created_at, "model": job.model.id}}
        change["$inc"] = {"message_count": len(job.new_messages) + 1}
        updates.append(Update(CONVERSATIONS, {"_id": job.stream.conversation}, change))
    if job.idempotency is not None:
        inserts.append(job.idempotency.claim(job.stream.id))
    size = 1_000 + sum(len(str(message["content"])) for _, message in job.new_messages)
    return Opening(inserts, updates, events, size, _undo(job))


def _undo(job: Job) -> Undo:
    """For a hold whose placing was cut off: the message failed, and the key may try again."""
    error = {"code": Code.OUTCOME_UNKNOWN.value, "message": "The answer could not be started"}
    update = Update(MESSAGES, {"_id": job.stream.message}, {"$set": {"status": "failed", "error": error}})
    return Undo([update], [withdrawn(job.idempotency.id)] if job.idempotency is not None else [])


def _said(job: Job) -> list[Document]:
    return [
        {
            "_id": message_id,
            "user": job.user,
            "conversation": job.stream.conversation,
            "role": message["role"],
            "content": message["content"],
            "status": "complete",
            "created_at": job.created_at,
        }
        for message_id, message in job.new_messages
    ]


def _answer(job: Job) -> Document:
    stream = job.stream
    message: Document = {
        "_id": stream.message,
        "user": stream.user,
        "conversation": stream.conversation,
        "role": "assistant",
        "content": "",
        "status": "streaming",
        "model": job.model.id,
        "stream": stream.id,
        "epoch": stream.epoch,
        "lengths": [],
        "api": job.api,
        "endpoint": job.endpoint,
        "sandbox": stream.sandbox,
        "usage": {"prompt_tokens": job.prompt_tokens, "completion_tokens": 0},
        "created_at": job.created_at,
    }
    if stream.on_disconnect != "continue":
        message["on_disconnect"] = stream.on_disconnect
    if job.idempotency is not None:
        message["idempotency"] = job.idempotency.id
    if stream.conversation is None:
        message["expires_at"] = job.created_at + timedelta(days=limits.STATELESS_MESSAGE_DAYS)
    return message


def _conversation(job: Job) -> Document:
    first = next((str(message["content"]) for _, message in job.new_messages if message["role"] == "user"), "")
    return {
        "_id": job.stream.conversation,
        "user": job.user,
        "title": " ".join(first.split())[:TITLE_CHARS] or "New conversation",
        "model": job.model.id,
        "message_count": len(job.new_messages) + 1,
        "last_message": first[:SNIPPET_CHARS],
        "created_at": job.created_at,
        "updated_at": job.created_at,
        **job.of_project,
    }


def checkpoint(job: Job, completion_tokens: int) -> tuple[Update, int]:
    """The answer so far, and what of it has been counted: exactly what the sweeper will charge if we die. With its size."""
    content = _content(job.stream)
    content["usage"] = {"prompt_tokens": job.prompt_tokens, "completion_tokens": completion_tokens}
    return Update(MESSAGES, {"_id": job.stream.message}, {"$set": content}), _size_bytes(content)


def _size_bytes(content: Document) -> int:
    """Roughly, to bound a batch: a length for each delta, and text that has more bytes than characters."""
    extras = sum(map(len, content.get("extras", {}).values()))
    return 2_000 + 10 * len(content["lengths"]) + 2 * (len(content["content"]) + extras)


def _content(stream: Stream) -> Document:
    """Extras as JSON text: what companies say may have keys, numbers and depths that no database takes."""
    content: Document = {
        "content": "".join([delta.content for delta in stream.deltas]),  # of all choices, as they came
        "lengths": [len(delta.content) for delta in stream.deltas],
    }
    said = ((number, delta.extra) for number, delta in enumerate(stream.deltas) if delta.extra is not None)
    if extras := {str(number): orjson.dumps(extra).decode() for number, extra in said}:
        content["extras"] = extras
    return content


@dataclass(frozen=True, slots=True)
class Ending:
    """How a generation ended, before its settlement: the receipt is not known yet."""

    finish_reason: str | None
    usage: Usage
    usage_source: str
    detail: str | None = None
    error: HubError | None = None
    first_token_ms: int | None = None

    @property
    def is_our_failure(self) -> bool:
        """It broke off by our or the provider's fault: the same request may succeed another time."""
        return self.error is not None and self.error.temporary

    def outcome(self, receipt: Receipt) -> Outcome:
        return Outcome(self.finish_reason, self.usage, self.usage_source, receipt, self.detail, self.error)


@dataclass(frozen=True, slots=True)
class Closing:
    """What stands together with the settlement."""

    inserts: list[Insert]
    updates: list[Update]
    deletes: list[Delete]
    events: list[NewEvent]
    size_bytes: int


def closing(job: Job, ending: Ending) -> Closing:
    """The finished message, the conversation's last words, the usage row with its day's totals, and the event."""
    stream = job.stream
    nothing = not stream.deltas and (ending.error is not None or ending.finish_reason == "cancelled")
    content = _content(stream)
    inserts: list[Insert] = []
    updates: list[Update] = []
    if job.written_once:
        inserts.append(Insert(MESSAGES, lambda receipt: _answer(job) | _finished(content, ending, receipt)))
    else:
        finish = {"_id": stream.message}
        updates.append(Update(MESSAGES, finish, lambda receipt: {"$set": _finished(content, ending, receipt)}))
    if stream.conversation is not None:
        change = {"$set": {"updated_at": now(), "last_message": stream.text()[:SNIPPET_CHARS]}}
        updates.append(Update(CONVERSATIONS, {"_id": stream.conversation}, change))
    deletes: list[Delete] = []
    if job.idempotency is not None and nothing:
        deletes.append(withdrawn(job.idempotency.id))
    elif job.idempotency is not None:
        updates.append(completed(job.idempotency.id))
    if not nothing:
        made = partial(_usage_row, job, ending, now())
        row, day = used(job.user, job.created_at, job.model.id, made, broken=ending.is_our_failure)
        inserts.append(row)
        updates.append(day)
    elif ending.is_our_failure:
        updates.append(fruitless(job.user, job.created_at, job.model.id))
    kind = "chat.failed" if ending.error else "chat.completed"
    event = NewEvent(job.user, kind, lambda receipt: ended_event(job, ending, receipt))
    return Closing(inserts, updates, deletes, [event], _size_bytes(content))


def status_of(ending: Ending) -> str:
    """complete, stopped (by its user), interrupted (by our own end or that of its credential) or failed."""
    if ending.error is not None:
        return "interrupted" if ending.error.code in _INTERRUPTIONS else "failed"
    return "stopped" if ending.finish_reason == "cancelled" else "complete"


def _finished(content: Document, ending: Ending, receipt: Receipt | None) -> Document:
    fields = {**content}
    fields["status"] = status_of(ending)
    fields["finish_reason"] = ending.finish_reason
    fields["detail"] = ending.detail
    fields["usage"] = usage_document(ending.usage)
    if details := _usage_details(ending.usage):
        fields["usage_details"] = details
    fields["usage_source"] = ending.usage_source
    fields["receipt"] = receipt_document(receipt)
    if ending.error is not None:
        fields["error"] = {"code": ending.error.code.value, "message": ending.error.message}
    return fields


def usage_document(usage: Usage) -> Document:
    return {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}


def _usage_details(usage: Usage) -> Document:
    """What is told of a part of the tokens, where it is."""
    told = {"cached_tokens": usage.cached_tokens, "reasoning_tokens": usage.reasoning_tokens}
    return {name: tokens for name, tokens in told.items() if tokens}


def receipt_document(receipt: Receipt | None) -> Document | None:
    """A receipt as it is stored: micro-credits."""
    if receipt is None:
        return None
    return {
        "hold": receipt.hold,
        "charged": receipt.charged,
        "released": receipt.released,
        "balance_after": receipt.balance_after,
        "seq": receipt.seq,
    }


def receipt_view(receipt: Receipt | None, usage_source: str) -> Document | None:
    """A receipt as its owner sees it: credits."""
    if receipt is None:
        return None
    return {
        "hold": credits_number(receipt.hold),
        "charged": credits_number(receipt.charged),
        "released": credits_number(receipt.released),
        "balance_after": credits_number(receipt.balance_after),
        "seq": receipt.seq,
        "usage_source": usage_source,
    }


def ended_event(job: Job, ending: Ending, receipt: Receipt | None) -> Document:
    """The data of `chat.completed` and `chat.failed` on the user's channel."""
    stream = job.stream
    data: Document = {
        "stream_id": stream.id,
        "conversation_id": stream.conversation,
        "message_id": stream.message,
        "model": job.model.id,
        "api": job.api,
        "finish_reason": ending.finish_reason,
        "usage": usage_document(ending.usage),
        "receipt": receipt_view(receipt, ending.usage_source),
    }
    if ending.error is not None:
        data["error"] = {"code": ending.error.code.value, "message": ending.error.message}
    return data


def _usage_row(job: Job, ending: Ending, ended_at: datetime, receipt: Receipt | None) -> Document:
    return {
        "_id": job.stream.id,
        "user": job.user,
        "model": job.model.id,
        "provider": job.model.provider,
        "route": job.stream.trail.route,
        "api": job.api,
        "endpoint": job.endpoint,
        **usage_document(ending.usage),
        "charged": receipt.charged if receipt else 0,
        "usage_source": ending.usage_source,
        "duration_ms": milliseconds(ended_at) - milliseconds(job.created_at),
        "first_token_ms": ending.first_token_ms,
        "status": status_of(ending),
        "created_at": job.created_at,
        **job.of_project,
    }


def outcome_of(message: Document) -> Outcome:
    """How the stream of a stored, finished message ended."""
    receipt, error = message.get("receipt"), message.get("error")
    usage = message["usage"]
    return Outcome(
        finish_reason=message.get("finish_reason"),
        usage=Usage(usage["prompt_tokens"], usage["completion_tokens"], **message.get("usage_details", {})),
        usage_source=message.get("usage_source", "counted"),
        receipt=Receipt(**receipt) if receipt else None,
        detail=message.get("detail"),
        error=HubError(Code(error["code"]), error["message"]) if error else None,
    )
