"""What finished analyses are answered with, for as long as it is in memory: so many bytes of one process, and of one user.

A reader that is slow keeps its answer here until it is cut off; without a bound a few of them would fill the memory.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from config import assistant
from hub.errors import Code, HubError

_RETRY_SECONDS: Final = 5.0


class Answers:
    """One per process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def held(self, user: str, size: int) -> Iterator[None]:
        """Room for so many bytes, until they have left. Raises `HubError`: RATE_LIMITED, UNAVAILABLE."""
        self._check(user, size)
        self._held[user] += size
        try:
            yield
        finally:
            self._held[user] -= size
            if self._held[user] <= 0:
                del self._held[user]

    def _check(self, user: str, size: int) -> None:
        if self._held[user] + size > assistant.ANSWERS_USER_BYTES_MAX:
            message = "Your answers so far are still being sent: read them to their end"
            raise HubError(Code.RATE_LIMITED, message, retry_after_seconds=_RETRY_SECONDS)
        if self._held.total() + size > assistant.ANSWERS_BYTES_MAX:
            message = "Too many large answers are being sent"
            raise HubError(Code.UNAVAILABLE, message, retry_after_seconds=_RETRY_SECONDS)
