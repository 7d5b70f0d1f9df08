"""How the parts of a process are closed: in the mirrored order of their opening, each within its time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from config import limits

log = structlog.get_logger(__name__)

Closing = Callable[[], Awaitable[None] | None]


async def close_all(closings: Sequence[tuple[str, Closing]]) -> None:
    """End every part, named as in the log, the one that was opened last first; one that fails does not keep the others
    open.
    """
    for name, closing in reversed(closings):
        await _close(name, closing)


async def _close(name: str, closing: Closing) -> None:
    try:
        awaited = closing()
        if awaited is not None:
            await asyncio.wait_for(awaited, limits.CLOSE_STEP_SECONDS)
    except Exception:  # the rest has to be closed all the same
        log.exception("closing failed", step=name)
