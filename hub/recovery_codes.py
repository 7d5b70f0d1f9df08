"""Recovery codes: what lets somebody in whose authenticator is lost, each once. They are shown once and kept as digests.

The digest is keyed by `HUB_JWT_SECRET`: 60 random bits alone would not outlast who has the database and a day.
"""

import hmac
import secrets
from typing import Final

from config import assistant

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"  # 32, of which none is taken for another
_GROUP_CHARS: Final = 4


def made() -> list[str]:
    """A new set, as `abcd-efgh-jkmn`."""
    return [_grouped(_random()) for _ in range(assistant.RECOVERY_CODES)]


def _random() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(assistant.RECOVERY_CODE_CHARS))


def _grouped(code: str) -> str:
    return "-".join(code[start : start + _GROUP_CHARS] for start in range(0, len(code), _GROUP_CHARS))


def plain(code: str) -> str:
    """A code as it is compared: people leave hyphens out, add spaces, and write in capitals."""
    return "".join(code.split()).replace("-", "").lower()


def digest(secret: str, user: str, code: str) -> str:
    """What a user's code is found by; `secret` is the hub's own."""
    return hmac.digest(secret.encode(), f"hub:recovery-code:{user}:{plain(code)}".encode(), "sha256").hex()
