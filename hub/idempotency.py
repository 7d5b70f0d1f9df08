"""Idempotency keys: what makes a repeated request the same request.

The record is written by the operation that it guards (see `hub/operations.py`); this module only makes and checks keys.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from config import limits
from hub.errors import Code, HubError, invalid
from hub.operations import Delete, Insert, Update
from models.clock import now
from models.database import Document
from models.idempotency import IDEMPOTENCY


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

    def check(self, record: Document) -> None:
        """Raises `HubError` KEY_REUSED when the record belongs to another request."""
        if record["hash"] != self.hash:
            raise HubError(Code.KEY_REUSED, "This Idempotency-Key was used with another request")

    def claim(self, stream: str) -> Insert:
        """The record of a generation, to be inserted with its hold."""
        document = {"_id": self.id, "hash": self.hash, "status": "running", "stream": stream, "created_at": now()}
        return Insert(IDEMPOTENCY, document, unique=("_id",), taken=_taken)


def _taken(_: str) -> Exception:
    return KeyTaken(Code.IN_FLIGHT, "A request with this Idempotency-Key is under way", retry_after_seconds=1)


def completed(record_id: str) -> Update:
    """The guarded work is done: repeats get its result."""
    return Update(IDEMPOTENCY, {"_id": record_id}, {"$set": {"status": "done"}})


def withdrawn(record_id: str) -> Delete:
    """Nothing was delivered and nothing charged: the same key may try again."""
    return Delete(IDEMPOTENCY, {"_id": record_id})
