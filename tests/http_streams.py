"""Answers over HTTP as a careless client reads them: event by event, slowly, or until it resets the connection.

`Face` is a served hub in this process, for tests that look at the same generation from outside and inside.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from hub.identity import Credential, Identity
from hub.services import Services
from models import wallets
from models.conversations import message_of_stream
from models.database import Document
from tests.factories import sign_up
from tests.patience import PATIENCE_SECONDS
from tests.stand_ins.openai_server import OpenAIStandIn
from tests.ws_client import Client, connected

DONE = "[DONE]"
SECRET = "of every node of a face, so that a token is good on all of them"
OPEN: list[asyncio.StreamWriter] = []  # of every connection made; `abort_all` ends those that a test left
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of zero seconds: closing sends RST


@dataclass
class Event:
    """One server-sent event; `data` is parsed, except for the `[DONE]` of OpenAI."""

    data: Any
    id: str | None = None

    @property
    def content(self) -> str:
        """The text of a chunk in the form of `/v1` or `/api/mcp`."""
        choices = self.data.get("choices") if isinstance(self.data, dict) else None
        return str(choices[0]["delta"].get("content") or "") if choices else ""


@dataclass
class Response:
    """An answer whose head has come."""

    status: int
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    comments: int = 0
    raw: bytes = b""  # the body as far as it was read
    _left: bytes = field(default=b"", repr=False)

    async def _more(self) -> bool:
        """Read the next piece of the body; False at its end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            if "content-length" in self.headers:
                piece = await self.reader.readexactly(int(self.headers["content-length"]) - len(self.raw))
            else:
                size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
                piece = (await self.reader.readexactly(size + 2))[:-2]
        self.raw += piece
        self._left += piece
        return bool(piece)

    async def text(self) -> str:
        while await self._more():
            pass
        self.writer.close()
        return self.raw.decode()

    async def json(self) -> Any:
        return json.loads(await self.text())

    async def event(self) -> Event | None:
        """The next event; None at the end of the answer. Comments are counted and passed over."""
        while True:
            block, parted, rest = self._left.partition(b"\n\n")
            if not parted:
                if not await self._more():
                    self.writer.close()
                    return None
                continue
            self._left = rest
            if block.startswith(b":"):
                self.comments += 1
            else:
                return _event(block.decode())

    async def events(self) -> list[Event]:
        """All that are still to come."""
        found = []
        while (event := await self.event()) is not None:
            found.append(event)
        return found

    def reset(self) -> None:
        """Cut the connection with RST."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


def _event(block: str) -> Event:
    fields = dict(line.split(": ", 1) for line in block.split("\n"))
    assert set(fields) <= {"data", "id"}, f"an event was split: {block!r}"
    data = fields["data"]
    return Event(data if data == DONE else json.loads(data), fields.get("id"))


class Connection:
    """A connection with a request on its way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def response(self) -> Response:
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return Response(int(first.split(" ")[1]), headers, self.reader, self.writer)

    def reset(self) -> None:
        Response(0, {}, self.reader, self.writer).reset()


async def send(
    port: int,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
    receive_buffer: int | None = None,
) -> Connection:
    """Send a request on a connection of its own; `body` as it is when it is bytes, else as JSON."""
    reader, writer = await connected(port, receive_buffer, 2**20)
    OPEN.append(writer)
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    all_headers = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(content))}
    all_headers |= {"Content-Type": "application/json"} if body is not None else {}
    all_headers |= {"Authorization": f"Bearer {token}"} if token is not None else {}
    all_headers |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in all_headers.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + content)
    return Connection(reader, writer)


async def abort_all() -> None:
    """Reset every connection that is still open, WebSockets too."""
    Client.abort_all()
    for writer in OPEN:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in OPEN), return_exceptions=True)
    OPEN.clear()


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Run it, and reset what it left open."""

    async def cleanly() -> None:
        try:
            await scenario
        finally:
            await abort_all()

    asyncio.run(cleanly())


async def ask(
    port: int,
    method: str,
    path: str,
    *,
    token: str | None = None,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Send a request and wait for the head of its answer."""
    return await (await send(port, method, path, token=token, body=body, headers=headers)).response()


@dataclass
class Face:
    """A served hub, its provider, and one user with a token."""

    services: Services
    provider: OpenAIStandIn
    port: int
    user: Identity
    token: str

    async def complete(
        self, path: str = "/v1/chat/completions", headers: dict[str, str] | None = None, **fields: Any
    ) -> Response:
        return await (await self.begin(path, headers, **fields)).response()

    async def begin(
        self, path: str = "/v1/chat/completions", headers: dict[str, str] | None = None, **fields: Any
    ) -> Connection:
        body = {"model": "gpt-4", "messages": [{"role": "user", "content": "Tell me something"}], **fields}
        return await send(self.port, "POST", path, token=self.token, body=body, headers=headers)

    async def post_raw(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> Response:
        return await ask(self.port, "POST", path, token=self.token, body=body, headers=headers)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Response:
        return await ask(self.port, "GET", path, token=self.token, headers=headers)

    async def message(self, stream_id: str) -> Document:
        found = await message_of_stream(self.services.database, stream_id)
        assert found is not None
        return found

    async def charged(self) -> int:
        """What the user has paid so far, in micro-credits."""
        wallet = await self.services.ledger.wallet(self.user.user_id)
        return 10_000_000 - wallet.credits

    async def at_rest(self) -> None:
        """Wait until no generation runs; then nothing may be held."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.services.streams.running:
                await asyncio.wait([task for stream in self.services.streams.running if (task := stream.task)])
        assert await wallets.holds_open(self.services.database) == 0


async def make_face(services: Services, provider: OpenAIStandIn, port: int) -> Face:
    login = await sign_up(services)
    user = await services.identities.resolve(Credential("bearer", login.access_token))
    return Face(services, provider, port, user, login.access_token)
