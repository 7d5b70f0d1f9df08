"""A value that is expensive to make, made at most every so often; who asks meanwhile gets the last one."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _MakerLeft(Exception):
    """Who was making it was cancelled: the others begin anew."""


class Cached(Generic[T]):
    """Of many who ask at once one makes it, and all others get the same, a failure too. A failure is not kept."""

    def __init__(self, make: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._kept: tuple[float, T] | None = None
        self._making: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """Raises what making it raises."""
        while self._kept is None or time.monotonic() - self._kept[0] >= self._seconds:
            if self._making is None:
                return await self._made()
            with contextlib.suppress(_MakerLeft):
                return await asyncio.shield(self._making)
        return self._kept[1]

    async def _made(self) -> T:
        making = self._making = asyncio.get_running_loop().create_future()
        began = time.monotonic()
        try:
            value = await self._make()
        except BaseException as error:
            making.set_exception(error if isinstance(error, Exception) else _MakerLeft())
            making.exception()  # seen: nobody may have waited
            raise
        finally:
            self._making = None
        self._kept = began, value
        making.set_result(value)
        return value
