"""How long tests wait: for what the hub does by itself, and for what it promises to do in time."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final

PATIENCE_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 0.01


def within(promised_seconds: float) -> asyncio.Timeout:
    """Fails what takes more than three times as long as is promised: the machine is not ours alone."""
    return asyncio.timeout(3 * promised_seconds)


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition, plain or awaitable, is true; what it raises is raised here."""
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            while not await _holds(condition):
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        assert not limit.expired(), f"it did not happen within {seconds} seconds"
        raise


async def _holds(condition: Callable[[], object | Awaitable[object]]) -> bool:
    found = condition()
    return bool(await found if inspect.isawaitable(found) else found)
