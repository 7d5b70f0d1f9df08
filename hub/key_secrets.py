"""The secret of an API key: a prefix that says what it is, and 43 random characters. The database keeps its SHA-256.

Each documented API has its own prefix; whichever it begins with, a key works on all of them.
"""

import hashlib
import re
import secrets
from typing import Final, Literal

Prefix = Literal["ak_live_", "sk_live_"]
_FORM: Final = re.compile(r"[as]k_live_[A-Za-z0-9_-]{32,64}")
_SHOWN_CHARS: Final = 12  # the prefix and four more


def new_secret(prefix: Prefix) -> str:
    return prefix + secrets.token_urlsafe(32)


def looks_like_one(value: str) -> bool:
    """Whether a bearer may be a key of ours; what looks otherwise is not worth a read of the database."""
    return _FORM.fullmatch(value) is not None


def shown(secret: str) -> str:
    """Its first characters, by which its owner tells it from others."""
    return secret[:_SHOWN_CHARS]


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
