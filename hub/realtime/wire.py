"""The wire: what a connection needs from its socket, and the bytes of a WebSocket text frame.

The frame's header is put before the payload once, here, so that a push to many is one bytes object that goes to every
socket as it is. Nothing here knows what is in a frame.
"""

import asyncio
import struct
from typing import Protocol

_TEXT = 0x81  # a final frame of text; what a server sends is not masked (RFC 6455, section 5.2)


def text_frame(payload: bytes) -> bytes:
    """A WebSocket text frame as it crosses the socket; `payload` is UTF-8."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65_536:
        return struct.pack("!BBH", _TEXT, 126, size) + payload
    return struct.pack("!BBQ", _TEXT, 127, size) + payload


class Sink(Protocol):
    """What an outbox writes to: a WebSocket's frames, or the events of an HTTP response."""

    def write(self, data: bytes) -> "asyncio.Future[None] | None":
        """Send; None when the kernel took all of it, else a future that ends when the rest has left. Never raises."""
        ...


class Wire(Sink, Protocol):
    """A socket that takes whole frames. Two implementations: Tornado's WebSocket, and a bare stream in the tests."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake behind what was written. Never raises."""
        ...

    def close_hard(self) -> None:
        """End the connection at once: a close frame cannot pass a full pipe. Never raises."""
        ...
