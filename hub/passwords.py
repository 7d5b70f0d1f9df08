"""Passwords: checked for form, hashed with bcrypt in threads of their own, and never kept or logged.

    password --NFKC--> HMAC-SHA256 with a pepper --base64, 44 bytes--> bcrypt

The first step makes every byte count (bcrypt reads 72 and stops at a NUL) and makes stolen hashes worthless without the
pepper, which is derived from `HUB_JWT_SECRET`: whoever changes that secret has to reset the passwords. At most two hashes
run at once and a bounded number waits, so that a flood of logins takes neither all processors nor all memory.
"""

import asyncio
import base64
import hmac
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import bcrypt

from config import limits
from hub.errors import Code, HubError, invalid

T = TypeVar("T")

BCRYPT_COST = 12
_BUSY_RETRY_SECONDS = 2.0
_EMPTY_DIGEST = "." * 31  # the form of a bcrypt digest, and nobody's


def check_form(password: object, field: str = "password") -> str:
    """The password, if it may become one: text of 8 characters or more and at most 1,024 bytes.

    Raises `HubError` INVALID, which never carries the password.
    """
    text = check_size(password, field)
    if len(text) < limits.PASSWORD_CHARS_MIN:
        raise invalid(field, f"must have at least {limits.PASSWORD_CHARS_MIN} characters")
    return text


def check_composition(password: str, field: str = "password") -> None:
    """The AI Playground's further rule: an upper-case and a lower-case letter and a digit."""
    kinds = (str.isupper, str.islower, str.isdigit)
    if not all(any(kind(char) for char in password) for kind in kinds):
        raise invalid(field, "must include an uppercase letter, a lowercase letter and a number")


def check_size(password: object, field: str = "password") -> str:
    """Text of at most 1,024 bytes; its length is looked at first, so that ten megabytes cost nothing.

    Raises `HubError` INVALID.
    """
    if not isinstance(password, str):
        raise invalid(field, "must be a string")
    too_long = invalid(field, f"must have at most {limits.PASSWORD_BYTES_MAX} bytes")
    if len(password) > limits.PASSWORD_BYTES_MAX:
        raise too_long
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise invalid(field, "must be valid Unicode text") from None
    if size > limits.PASSWORD_BYTES_MAX:
        raise too_long
    return password


class Passwords:
    """Hashing and checking. `hashes` and `checks` count the bcrypt runs, which is all that a login costs."""

    def __init__(self, secret: str, *, cost: int = BCRYPT_COST) -> None:
        self._pepper = hmac.digest(secret.encode(), b"hub:password-pepper", "sha256")
        self._cost = cost
        self._nobody = bcrypt.gensalt(cost) + _EMPTY_DIGEST.encode()
        self._pool = ThreadPoolExecutor(limits.PASSWORD_HASHES_AT_ONCE, thread_name_prefix="passwords")
        self._slots = asyncio.Semaphore(limits.PASSWORD_HASHES_AT_ONCE)
        self._waiting = 0
        self.hashes = 0
        self.checks = 0

    async def hash(self, password: str) -> str:
        """Raises `HubError` INVALID (a form that `check_form` refuses) or UNAVAILABLE (too many wait)."""
        peppered = self._peppered(check_form(password))
        hashed = await self._run(lambda: bcrypt.hashpw(peppered, bcrypt.gensalt(self._cost)))
        self.hashes += 1
        return hashed.decode()

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is the one that was hashed; None, for an unknown user, costs the same and is False.

        Raises `HubError` INVALID (longer than any password may be) or UNAVAILABLE.
        """
        peppered = self._peppered(check_size(password))
        against = self._nobody if hashed is None else hashed.encode()
        same = await self._run(lambda: bcrypt.checkpw(peppered, against))
        self.checks += 1
        return same and hashed is not None

    async def close(self) -> None:
        """Wait for the hashes that run; none starts afterwards."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def _peppered(self, password: str) -> bytes:
        text = unicodedata.normalize("NFKC", password).encode()
        return base64.b64encode(hmac.digest(self._pepper, text, "sha256"))

    async def _run(self, work: Callable[[], T]) -> T:
        """Run in the pool. The slot is free again when the thread is, even if the caller has gone meanwhile."""
        await self._slot()
        loop = asyncio.get_running_loop()

        def done(_: Future[T]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._slots.release)

        future = self._pool.submit(work)
        future.add_done_callback(done)
        return await asyncio.wrap_future(future)

    async def _slot(self) -> None:
        if self._waiting >= limits.PASSWORD_HASH_QUEUE_MAX:
            raise HubError(Code.UNAVAILABLE, "Too many sign-ins at once", retry_after_seconds=_BUSY_RETRY_SECONDS)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
