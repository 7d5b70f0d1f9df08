"""One-time secrets: made here, shown once to whom they are for, and kept as SHA-256 alone."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from config import limits
from models.clock import now
from models.database import Document


def issue(kind: str, seconds: int, user: str | None = None, **data: Any) -> tuple[str, Document]:
    """A new secret and the document that stands for it, not yet stored."""
    secret = secrets.token_urlsafe(32)
    document = {"_id": digest(secret), "kind": kind, "data": data, "used": None}
    if user is not None:
        document["user"] = user
    return secret, {**document, "expires_at": now() + timedelta(seconds=seconds)}


def digest(secret: str) -> str:
    """What a secret is found by. Whatever cannot be one of ours has the digest of nothing, which nothing has."""
    usable = isinstance(secret, str) and len(secret) <= limits.ONE_TIME_CHARS_MAX and secret.isascii()
    return hashlib.sha256(secret.encode() if usable else b"").hexdigest()
