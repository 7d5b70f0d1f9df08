"""A value that is expensive to make, made at most every so often; who asks meanwhile gets the last one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cached(Generic[T]):
    """Of many who ask at once one makes it, and all others wait for that. A failure is not kept."""

    def __init__(self, make: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._kept: tuple[float, T] | None = None
        self._making = asyncio.Lock()

    async def get(self) -> T:
        """Raises what making it raises."""
        async with self._making:
            if self._kept is None or time.monotonic() - self._kept[0] >= self._seconds:
                self._kept = time.monotonic(), await self._make()
            return self._kept[1]
