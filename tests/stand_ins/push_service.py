"""A push service of a test's own (RFC 8030): it looks at who sends and how, keeps what came, and answers as it was told.

    service.new_endpoint() -> an address       service.answers[address] = 410       service.pushes -> what was taken or not

A subscriber beside it has a browser's keys, and reads what was sent to it.
"""

import asyncio
import base64
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import http_ece
import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid.jwt import decode

Json = dict[str, Any]
TOKEN_SECONDS_MAX = 86_400  # RFC 8292, 2
BODY_BYTES_MAX = 4_096
_URGENCIES = ("very-low", "low", "normal", "high")
_TOPIC_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True)
class Push:
    """One request for one browser. `claims` are those of its token, `key` is what it was signed with."""

    endpoint: str
    headers: dict[str, str]
    body: bytes
    claims: Json
    key: str


@dataclass
class PushService:
    """`answers` says by which status an address answers, where not by 201; those in `silent` never do. `faults` is what
    senders did wrong.
    """

    pushes: list[Push] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    retry_after: str | None = None
    url: str = ""

    def __post_init__(self) -> None:
        self._runner: web.AppRunner | None = None

    def new_endpoint(self) -> str:
        return f"{self.url}/send/{secrets.token_urlsafe(16)}"

    def at(self, endpoint: str) -> list[Push]:
        """What came for one address, the first push first."""
        return [push for push in self.pushes if push.endpoint == endpoint]

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/send/{browser}", self._take)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        endpoint, body = f"{self.url}{request.path}", await request.read()
        try:
            claims, key = self._sender(request.headers.get("Authorization", ""))
        except (ValueError, KeyError) as error:
            self.faults.append(f"Authorization: {error!r}")
            return web.Response(status=403)
        faults = [*self._faulty_claims(claims), *_faulty_headers(dict(request.headers)), *_faulty_body(body)]
        if faults:
            self.faults += faults
            return web.Response(status=400, text="; ".join(faults))
        self.pushes.append(Push(endpoint, dict(request.headers), body, claims, key))
        if endpoint in self.silent:
            await asyncio.Event().wait()
        status = self.answers.get(endpoint, 201)
        headers = {"Retry-After": self.retry_after} if status == 429 and self.retry_after else {}
        return web.Response(status=status, headers=headers)

    def _sender(self, authorization: str) -> tuple[Json, str]:
        """Raises `ValueError` or `KeyError` for a header that is no `vapid t=..., k=...`, or a signature by another key."""
        scheme, _, parameters = authorization.partition(" ")
        if scheme != "vapid":
            raise ValueError(f"the scheme {scheme!r}")
        parts = dict(part.strip().split("=", 1) for part in parameters.split(","))
        try:
            return decode(parts["t"], parts["k"]), parts["k"]
        except Exception as error:  # the library's error says no more than that
            raise ValueError("the signature does not fit the key") from error

    def _faulty_claims(self, claims: Json) -> list[str]:
        left = claims["exp"] - time.time()
        tests = {
            f"aud is {claims['aud']}": claims["aud"] == self.url,
            f"exp is {left} seconds away": 0 < left <= TOKEN_SECONDS_MAX,
            f"sub is {claims['sub']}": claims["sub"].startswith("mailto:") and "@" in claims["sub"],
        }
        return [fault for fault, good in tests.items() if not good]


def _faulty_headers(headers: dict[str, str]) -> list[str]:
    topic = headers.get("Topic", "")
    tests = {
        "Content-Encoding": headers.get("Content-Encoding") == "aes128gcm",
        "TTL": headers.get("TTL", "").isdigit(),
        "Urgency": headers.get("Urgency", "normal") in _URGENCIES,
        "Topic": len(topic) <= 32 and set(topic) <= _TOPIC_ALPHABET,
    }
    return [f"{name} is {headers.get(name)}" for name, good in tests.items() if not good]


def _faulty_body(body: bytes) -> list[str]:
    return [] if 0 < len(body) <= BODY_BYTES_MAX else [f"the body has {len(body)} bytes"]


class Subscriber:
    """A browser at a push service: its subscription as it writes it, and what it reads of a push."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._auth = secrets.token_bytes(16)

    @property
    def subscription(self) -> Json:
        """`PushSubscription.toJSON()`."""
        point = self._private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {
            "endpoint": self.endpoint,
            "expirationTime": None,
            "keys": {"p256dh": base64url(point), "auth": base64url(self._auth)},
        }

    def text(self, push: Push) -> bytes:
        """What was sent, decrypted. Raises `http_ece.ECEException` for what is another browser's."""
        return bytes(http_ece.decrypt(push.body, private_key=self._private, auth_secret=self._auth))

    def read(self, push: Push) -> Json:
        told: Json = orjson.loads(self.text(push))
        return told


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
