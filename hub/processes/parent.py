"""The supervisor as a worker sees it: a socket that takes word of how the start went, then that the worker still runs, and
that ends with the supervisor.

The kernel closes the other end when the supervisor dies, however it dies: a worker that lost it ends in order.
"""

import asyncio
import socket
from collections.abc import Callable

import orjson

from config import limits


class Parent:
    """`descriptor` is the worker's end; `gone` is called once, when the other end is closed."""

    def __init__(self, descriptor: int, gone: Callable[[], None]) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)
        self._socket.setblocking(False)
        self._gone = gone
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def ready(self) -> None:
        """We serve. Said again and again by the event loop: a worker that hangs falls silent, which gives it away."""
        self._say({"ready": True})
        asyncio.get_running_loop().call_later(limits.WORKER_BEAT_SECONDS, self.ready)

    def failed(self, why: str) -> None:
        """We cannot start, in words for an operator."""
        self._say({"failed": why[: limits.WORKER_WORD_BYTES_MAX // 8]})

    def _say(self, word: dict[str, object]) -> None:
        """One short line each in a socket that is read at once: it fits."""
        try:
            self._socket.send(orjson.dumps(word) + b"\n")
        except OSError:
            pass  # nobody is there to hear it, which `gone` tells; or the supervisor is stopped, and has enough to read

    def _hear(self) -> None:
        """It says nothing: what comes is the end."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._gone()
