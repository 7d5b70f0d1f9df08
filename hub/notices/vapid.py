"""VAPID (RFC 8292): how the hub shows itself to push services, by one key that all its nodes share.

A browser subscribes for this key, and its push service takes from nobody else. So the key is made once and kept in the
database; with another one every subscription would be worth nothing.
"""

import base64
import time
from collections import OrderedDict
from email.utils import parseaddr
from typing import Any, Self
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02, VapidException

from config import outgoing
from models import hub_keys
from models.clock import now
from models.database import Database

_NAME = "vapid"
_KEY_BYTES = 32
_PORTS = {"http": 80, "https": 443}


class Vapid:
    """One per process. `public_key` is what browsers subscribe by, base64url."""

    def __init__(self, private_key: str, mail_from: str) -> None:
        self._signer: Any = Vapid02.from_raw(private_key.encode())
        self._signer.conf = {"no-strict": True}  # else an address within a company's own network would be refused
        self._subject = f"mailto:{parseaddr(mail_from)[1]}"
        self._signed: OrderedDict[str, tuple[str, float]] = OrderedDict()
        point = self._signer.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = base64url(point)

    @classmethod
    async def open(cls, database: Database, mail_from: str) -> Self:
        """With the hub's key, made now where this is its first start. Raises `DatabaseError`."""
        made = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(_KEY_BYTES, "big")
        return cls(await hub_keys.kept(database, _NAME, base64url(made), now()), mail_from)

    def authorization(self, endpoint: str) -> str:
        """The header `Authorization` for a push service. Raises `ValueError` for an address whose host cannot be signed."""
        origin = origin_of(endpoint)
        kept = self._signed.get(origin)
        if kept is None or kept[1] <= time.time():
            kept = self._sign(origin), time.time() + outgoing.PUSH_TOKEN_RENEWED_SECONDS
            self._signed[origin] = kept
            if len(self._signed) > outgoing.PUSH_ORIGINS_MAX:
                self._signed.popitem(last=False)
        return kept[0]

    def _sign(self, origin: str) -> str:
        claims = {"aud": origin, "exp": int(time.time()) + outgoing.PUSH_TOKEN_SECONDS, "sub": self._subject}
        try:
            return str(self._signer.sign(claims)["Authorization"])
        except VapidException as error:
            raise ValueError(f"no token for {origin}") from error


def origin_of(url: str) -> str:
    """Scheme, host and port, the scheme's own port left out."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def base64url(data: bytes) -> str:
    """Without padding, as browsers write keys."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
