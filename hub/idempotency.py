"""Idempotency keys: what makes a repeated request the same request.

    once(key, work):  record done -> its reply    running -> 409, or what it has come to so far
                      none -> work(), which writes the record with its effect

The record is written by the operation that it guards (see `hub/operations.py`); this module makes and checks keys, and
finds what an earlier request with the same key came to. Generations have their own way to an earlier one: `hub/chat.py`.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson

from config import limits
from hub.errors import Code, HubError, invalid
from hub.ledger import Ledger
from hub.operations import Applied, Delete, Insert, Operation, Update
from models import idempotency
from models.clock import now
from models.database import Database, Document
from models.idempotency import IDEMPOTENCY
from models.ids import new_id

SoFar = Callable[[Document], Awaitable[Document | None]]


class KeyTaken(HubError):
    """Another request has this key: look its record up and go on with that one."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """`id` names the record (user and key), `hash` is the SHA-256 of method, path and canonical body."""

    id: str
    hash: str

    @classmethod
    def of(cls, user: str, key: str, method: str, path: str, body: Any) -> "IdempotencyKey":
        """Raises `HubError` INVALID for a key that is empty, too long or not printable ASCII."""
        if not 0 < len(key) <= limits.IDEMPOTENCY_KEY_CHARS_MAX or not (key.isascii() and key.isprintable()):
            length = limits.IDEMPOTENCY_KEY_CHARS_MAX
            raise invalid("Idempotency-Key", f"must be 1 to {length} printable ASCII characters")
        canonical = orjson.dumps([method, path, body], option=orjson.OPT_SORT_KEYS)
        return cls(f"{user}:{key}", hashlib.sha256(canonical).hexdigest())

    @property
    def mark(self) -> str:
        """What is begun under this key for this request is named by: the same for whoever repeats it."""
        return hashlib.sha256(f"{self.id} {self.hash}".encode()).hexdigest()[:28]

    def check(self, record: Document) -> None:
        """Raises `HubError` KEY_REUSED when the record belongs to another request."""
        if record["hash"] != self.hash:
            raise HubError(Code.KEY_REUSED, "This Idempotency-Key was used with another request")

    def claim(self, stream: str) -> Insert:
        """The record of a generation, to be inserted with its hold."""
        document = {"_id": self.id, "hash": self.hash, "status": "running", "stream": stream, "created_at": now()}
        return Insert(IDEMPOTENCY, document, unique=("_id",), taken=_taken)

    def begun(self, payment: str) -> Insert:
        """The record of a purchase, which takes several operations; `replied` or `withdrawn` ends it."""
        document = {"_id": self.id, "hash": self.hash, "status": "running", "payment": payment, "created_at": now()}
        return Insert(IDEMPOTENCY, document, unique=("_id",), taken=_taken)

    def done(self, reply: Callable[[Applied], Document]) -> Insert:
        """The record of work that one operation does, to be inserted with it: repeats get its `reply`."""
        document = {"_id": self.id, "hash": self.hash, "status": "done", "created_at": now()}
        return Insert(
            IDEMPOTENCY, document, unique=("_id",), taken=_taken, result=lambda applied: _kept(reply(applied))
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request came to, as plain data; `repeated` when an earlier one with the same key did the work."""

    data: Document
    repeated: bool


async def once(
    database: Database,
    key: IdempotencyKey | None,
    work: Callable[[], Awaitable[Document]],
    so_far: SoFar | None = None,
) -> Reply:
    """Do `work`, unless the key's record says that it was done; without a key, just do it.

    `work` writes the record, by `begun` or `done`, in the operation that does it. `so_far` may know what unfinished work
    has come to, by its record. Raises `HubError`: KEY_REUSED, IN_FLIGHT while an earlier request runs, and whatever
    `work` and `so_far` raise.
    """
    if key is None:
        return Reply(await work(), repeated=False)
    earlier = await _earlier(database, key, so_far)
    if earlier is not None:
        return earlier
    try:
        return Reply(await work(), repeated=False)
    except HubError as error:
        if error.code not in (Code.IN_FLIGHT, Code.CONFLICT):
            raise
        earlier = await _earlier(database, key, so_far)  # a twin was faster, and may have done what is found done
        if earlier is None:
            raise
        return earlier


async def remembered(ledger: Ledger, key: IdempotencyKey | None, reply: Document) -> Document:
    """The reply of work that took several operations and is done, kept for repeats. A repeat of what was cut off before
    does that work again: each part of it must then find what stands.

    Raises `HubError` IN_FLIGHT where a twin was faster, and where the ledger does.
    """
    if key is not None:
        await ledger.commit(Operation(new_id("op"), inserts=[key.done(lambda _: reply)]))
    return reply


async def _earlier(database: Database, key: IdempotencyKey, so_far: SoFar | None) -> Reply | None:
    record = await idempotency.record(database, key.id)
    if record is None:
        return None
    key.check(record)
    if record["status"] != "done":
        reply = await so_far(record) if so_far is not None else None
        if reply is None:
            raise _taken("_id")
        return Reply(reply, repeated=True)
    if record.get("reply") is None:
        raise HubError(Code.CONFLICT, "This was done before; its answer is not kept")
    return Reply(record["reply"], repeated=True)


def _kept(reply: Document, bytes_max: int = limits.IDEMPOTENCY_REPLY_BYTES_MAX) -> Document:
    """The reply as the record has it: none when it is larger than a record may be."""
    fits = len(orjson.dumps(reply)) <= bytes_max
    return {"reply": reply if fits else None}


def _taken(_: str) -> Exception:
    return KeyTaken(Code.IN_FLIGHT, "A request with this Idempotency-Key is under way", retry_after_seconds=1)


def completed(record_id: str) -> Update:
    """The guarded work is done: repeats get its result."""
    return Update(IDEMPOTENCY, {"_id": record_id}, {"$set": {"status": "done"}})


def replied(
    record_id: str, reply: Callable[[Applied], Document], bytes_max: int = limits.IDEMPOTENCY_REPLY_BYTES_MAX
) -> Update:
    """The last operation of work that had `begun`: repeats get this reply."""
    done = {"$set": {"status": "done"}}
    return Update(IDEMPOTENCY, {"_id": record_id}, done, result=lambda applied: _kept(reply(applied), bytes_max))


def withdrawn(record_id: str) -> Delete:
    """Nothing was delivered and nothing charged: the same key may try again."""
    return Delete(IDEMPOTENCY, {"_id": record_id})
