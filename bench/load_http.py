"""A small HTTP client for load: kept connections, one request at a time on each, hardly any cost of its own.

It reads only what a hub and the stand-in send: a length, or chunks, which it does not put together.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

_LAST_CHUNK = b"0\r\n\r\n"
_FIRST_WORD = b'"content":" word'  # what the stand-in's deltas say; the opening chunk's content is empty


@dataclass(slots=True)
class Answer:
    """`body` is as it came: with the sizes of its chunks, where it is chunked. Times are `time.perf_counter()`."""

    status: int
    body: bytes
    asked_at: float
    first_word_at: float


class HttpConnection(asyncio.Protocol):
    """One connection; `ask` sends a request and returns when its answer is complete."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[Answer] | None = None
        self._pieces: list[bytes] = []
        self._head: bytes | None = None
        self._left = 0  # bytes of the body still to come; below zero: chunked
        self._asked_at = self._first_word_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("the server closed the connection in the middle of an answer"))

    async def ask(self, request: bytes) -> Answer:
        assert self._transport is not None and self._done is None, "one request at a time"
        self._done = asyncio.get_running_loop().create_future()
        self._pieces, self._head, self._first_word_at = [], None, 0.0
        self._asked_at = time.perf_counter()
        self._transport.write(request)
        try:
            return await self._done
        finally:
            self._done = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            data = self._begin(data)
            if self._head is None:
                return
        if not self._first_word_at and _FIRST_WORD in data:
            self._first_word_at = time.perf_counter()
        self._pieces.append(data)
        if self._left >= 0:
            self._left -= len(data)
            ended = self._left <= 0
        else:
            ended = data.endswith(_LAST_CHUNK) or (len(data) < len(_LAST_CHUNK) and self._tail().endswith(_LAST_CHUNK))
        if ended:
            self._finish()

    def _begin(self, data: bytes) -> bytes:
        """Take the head, once it is whole; what follows it in `data`."""
        whole = b"".join([*self._pieces, data])
        head, end, body = whole.partition(b"\r\n\r\n")
        if not end:
            self._pieces = [whole]
            return b""
        self._pieces, self._head = [], head.lower()
        _, found, length = self._head.partition(b"content-length:")
        self._left = int(length.split(b"\r\n", 1)[0]) if found else -1
        return body

    def _tail(self) -> bytes:
        return b"".join(self._pieces[-len(_LAST_CHUNK) :])

    def _finish(self) -> None:
        assert self._head is not None and self._done is not None
        if not self._done.done():
            status = int(self._head.split(b" ", 2)[1])
            self._done.set_result(Answer(status, b"".join(self._pieces), self._asked_at, self._first_word_at))


@contextlib.asynccontextmanager
async def connections(port: int, count: int) -> AsyncIterator[list[HttpConnection]]:
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(HttpConnection, "127.0.0.1", port))[1] for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.close()


def completion(port: int, token: str, *, stream: bool) -> bytes:
    """A request for a completion as OpenAI's clients make it, with about the headers that they send."""
    body = {
        "model": "gpt-4",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Say the same word many times, please, and nothing else."},
        ],
        "max_tokens": 1_000,
    }
    return request(port, token, "POST", "/v1/chat/completions", body | {"stream": True} if stream else body)


def request(port: int, token: str, method: str, path: str, body: Mapping[str, Any]) -> bytes:
    """One with a JSON body, and about the headers that clients send."""
    content = orjson.dumps(body)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: bench\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


async def ask(connection: HttpConnection, asked: bytes, status: int) -> Answer:
    """Ask once. Stops the benchmark at any other status."""
    answer = await connection.ask(asked)
    if answer.status != status:
        raise SystemExit(f"the hub answered {answer.status}: {answer.body[:500]!r}")
    return answer


async def repeat(connection: HttpConnection, requests: Sequence[bytes], count: int) -> list[Answer]:
    """Ask `count` times in a row, going round the requests. Stops the benchmark at any answer but 200."""
    return [await ask(connection, requests[number % len(requests)], 200) for number in range(count)]
