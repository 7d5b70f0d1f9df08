"""A small WebSocket client for load: it counts frames and waits for one that holds some bytes, at hardly any cost.

Masks with zeros, which is allowed and free. Answers pings, because the hub closes who does not.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from typing import cast

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_FINAL, _MASKED = 0x80, 0x80
_NO_MASK = bytes(4)
FRAME_SECONDS_MAX = 120.0  # a frame that does not come by then is an answer of another kind

Heard = Callable[[bytes], None]  # called with the payload of each text frame


class Socket(asyncio.Protocol):
    """One open socket of one user; `frames` counts the text frames that came."""

    def __init__(self, request: bytes, heard: Heard | None = None) -> None:
        self._request = request
        self._heard = heard
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._marker = b""
        self._found: asyncio.Future[bytes] | None = None
        self.ended = False
        self.frames = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        for waiting in (self.upgraded, self._found):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionError(f"the server closed the socket: {self._buffer[:500]!r}"))

    async def ask(self, command: bytes, marker: bytes) -> bytes:
        """Send a command and wait for the frame that holds `marker`; its payload."""
        assert not self.ended, "the hub closed the socket"
        self.say(command)  # nothing can be read before the next round of the loop
        return await self.until(marker)

    async def until(self, marker: bytes) -> bytes:
        """The payload of the next frame that holds `marker`."""
        self._marker, self._found = marker, asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(FRAME_SECONDS_MAX):
                return await self._found
        finally:
            self._found = None

    def say(self, text: bytes) -> None:
        self._send(_TEXT, text)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """End without a word, as a lost line does."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        if len(payload) < 126:
            length = bytes([_MASKED | len(payload)])
        else:
            length = bytes([_MASKED | 126]) + len(payload).to_bytes(2, "big")
        self._transport.write(bytes([_FINAL | opcode]) + length + _NO_MASK + payload)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self.upgraded.done():
            buffer = self._answered(buffer)
        self._buffer = self._read(buffer) if self.upgraded.done() else buffer

    def _answered(self, buffer: bytes) -> bytes:
        """Take the answer to the upgrade, once it is whole; what is left."""
        head, end, rest = buffer.partition(b"\r\n\r\n")
        if not end or not head.startswith(b"HTTP/1.1 101"):
            return buffer
        self.upgraded.set_result(None)
        return rest

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
            self._text(payload)
        elif opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            self._buffer = payload
            self.close()

    def _text(self, payload: bytes) -> None:
        self.frames += 1
        if self._found is not None and not self._found.done() and self._marker in payload:
            self._found.set_result(payload)
        if self._heard is not None:
            self._heard(payload)


def _payload(buffer: bytes, position: int) -> tuple[int, int]:
    """Where the payload of the frame at `position` begins, and how long it is; beyond the buffer if that is unknown."""
    length, start = buffer[position + 1] & 0x7F, position + 2
    extended = {126: 2, 127: 8}.get(length, 0)
    if extended:
        length = int.from_bytes(buffer[start : start + extended], "big")
        start += extended
    return start, length if start <= len(buffer) else len(buffer)


def upgrade(port: int, path: str = "/ws", token: str | None = None) -> bytes:
    """The request that makes a connection a WebSocket."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{authorization}\r\n"
    ).encode()


async def open_socket(port: int, make: Callable[[], Socket], address: str = "127.0.0.1") -> Socket:
    """A socket from this address of ours whose server has taken it."""
    loop = asyncio.get_running_loop()
    line = socket.socket()
    line.setblocking(False)
    line.bind((address, 0))
    await loop.sock_connect(line, ("127.0.0.1", port))
    _, opened = await loop.create_connection(make, sock=line)
    await opened.upgraded
    return opened


async def connect(port: int, token: str, heard: Heard | None = None) -> Socket:
    """A socket that is connected in the protocol's sense too: its user's events and balance arrive on it."""
    socket = await open_socket(port, lambda: Socket(upgrade(port, token=token), heard))
    await socket.ask(b'{"id":1,"type":"connect"}', b'"connected"')
    return socket


@contextlib.asynccontextmanager
async def sockets(
    port: int, tokens: Sequence[str], heard: Heard | None = None, at_once: int = 20
) -> AsyncIterator[list[Socket]]:
    """A socket for each token, opened a few at a time: the hub bounds how many may be on their way."""
    opened: list[Socket] = []
    try:
        for start in range(0, len(tokens), at_once):
            some = tokens[start : start + at_once]
            opened += await asyncio.gather(*(connect(port, token, heard) for token in some))
        yield opened
    finally:
        for socket in opened:
            socket.close()
