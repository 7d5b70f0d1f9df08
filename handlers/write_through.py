"""Bytes straight into a socket, past Tornado's write buffer, while the kernel takes them.

Tornado's own way makes a future and a callback for each write; most frames and events need neither.
"""

import asyncio

from tornado.iostream import IOStream, StreamClosedError


def write_through(stream: IOStream, data: bytes) -> "asyncio.Future[None] | None":
    """Send; None when the kernel took all of it or the stream is closed, else a future that ends when the rest has left."""
    if stream.closed():
        return None
    if not stream.writing():
        sent = _send(stream, data)
        if sent == len(data):
            return None
        data = data[sent:]
    try:
        return stream.write(data)
    except StreamClosedError:
        return None


def _send(stream: IOStream, data: bytes) -> int:
    """How much the kernel took. An error is left to the stream, which meets it again and closes properly."""
    try:
        return stream.write_to_fd(memoryview(data))
    except OSError:
        return 0
