"""A small WebSocket client for load: it counts frames and waits for one that holds some bytes, at hardly any cost.

Masks with zeros, which is allowed and free. Answers pings, because the hub closes who does not.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import cast

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_FINAL, _MASKED = 0x80, 0x80
_NO_MASK = bytes(4)


class Socket(asyncio.Protocol):
    """One open socket of one user; `frames` counts the text frames that came."""

    def __init__(self, port: int, token: str) -> None:
        self._request = _upgrade(port, token)
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._upgraded = False
        self._marker = b""
        self._found: asyncio.Future[None] | None = None
        self._ended = False
        self.frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        if self._found is not None and not self._found.done():
            self._found.set_exception(ConnectionError(f"the hub closed the socket: {self._buffer[:500]!r}"))

    async def ask(self, command: bytes, marker: bytes) -> None:
        """Send a command and wait for the frame that holds `marker`."""
        assert not self._ended, "the hub closed the socket"
        self._marker, self._found = marker, asyncio.get_running_loop().create_future()
        self._send(_TEXT, command)
        try:
            await self._found
        finally:
            self._found = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        if len(payload) < 126:
            length = bytes([_MASKED | len(payload)])
        else:
            length = bytes([_MASKED | 126]) + len(payload).to_bytes(2, "big")
        self._transport.write(bytes([_FINAL | opcode]) + length + _NO_MASK + payload)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._upgraded:
            head, end, rest = buffer.partition(b"\r\n\r\n")
            self._upgraded = bool(end) and head.startswith(b"HTTP/1.1 101")
            buffer = rest if self._upgraded else buffer
        self._buffer = self._read(buffer) if self._upgraded else buffer

    def _read(self, buffer: bytes) -> bytes:
        """Take every whole frame; what is left."""
        position = 0
        while len(buffer) - position >= 2:
            start, length = _payload(buffer, position)
            if start + length > len(buffer):
                break
            self._frame(buffer[position] & 0x0F, buffer[start : start + length])
            position = start + length
        return buffer[position:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == _TEXT:
            self.frames += 1
            if self._found is not None and not self._found.done() and self._marker in payload:
                self._found.set_result(None)
        elif opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            self._buffer = payload
            self.close()


def _payload(buffer: bytes, position: int) -> tuple[int, int]:
    """Where the payload of the frame at `position` begins, and how long it is; beyond the buffer if that is unknown."""
    length, start = buffer[position + 1] & 0x7F, position + 2
    extended = {126: 2, 127: 8}.get(length, 0)
    if extended:
        length = int.from_bytes(buffer[start : start + extended], "big")
        start += extended
    return start, length if start <= len(buffer) else len(buffer)


def _upgrade(port: int, token: str) -> bytes:
    return (
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


async def connect(port: int, token: str) -> Socket:
    """A socket that is connected in the protocol's sense too: its user's events and balance arrive on it."""
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: Socket(port, token), "127.0.0.1", port)
    await socket.ask(b'{"id":1,"type":"connect"}', b'"connected"')
    return socket


@contextlib.asynccontextmanager
async def sockets(port: int, tokens: Sequence[str], at_once: int = 20) -> AsyncIterator[list[Socket]]:
    """A socket for each token, opened a few at a time: the hub bounds how many may be on their way."""
    opened: list[Socket] = []
    try:
        for start in range(0, len(tokens), at_once):
            opened += await asyncio.gather(*(connect(port, token) for token in tokens[start : start + at_once]))
        yield opened
    finally:
        for socket in opened:
            socket.close()
