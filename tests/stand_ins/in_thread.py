"""A stand-in that serves from a thread with a loop of its own: for tests whose own thread is busy with a browser."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

_SECONDS_MAX = 10


class Server(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


T = TypeVar("T", bound=Server)


@contextmanager
def in_thread(server: T) -> Iterator[T]:
    """The server, serving until the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(_SECONDS_MAX)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(_SECONDS_MAX)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SECONDS_MAX)
        loop.close()
