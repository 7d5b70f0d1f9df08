"""Sealed texts: what the database keeps of secrets that the hub itself must be able to read again.

The key comes from `HUB_JWT_SECRET` by a purpose, so that what was sealed for one opens for no other: whoever changes that
secret has to have them set anew. Fernet (AES-128-CBC with HMAC-SHA256) refuses what was tampered with.
"""

import base64
import hmac

from cryptography.fernet import Fernet, InvalidToken


class Sealed:
    """Seals and opens texts for one purpose."""

    def __init__(self, secret: str, purpose: str) -> None:
        key = hmac.digest(secret.encode(), f"hub:sealed:{purpose}".encode(), "sha256")
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """Raises `ValueError` for what was sealed by another secret, or tampered with."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise ValueError("sealed by another HUB_JWT_SECRET, or tampered with") from error
