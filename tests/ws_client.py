"""A WebSocket client for the tests: every frame it sends or gets is checked against `docs/asyncapi.yaml`.

`SEEN` collects the names of the messages met, so that a test can say that none in the document is invented. It speaks raw
frames, because half of what is tested is what no well-behaved client would send.
"""

import asyncio
import base64
import json
import os
import socket
import struct
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import yaml

from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]
DOCUMENT: dict[str, Any] = yaml.load((ROOT / "docs" / "asyncapi.yaml").read_text(), yaml.CSafeLoader)
MESSAGES: dict[str, Any] = DOCUMENT["components"]["messages"]
SEEN: set[str] = set()

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10

# Which message answers which command.
REPLIES = {
    "connect": "connected",
    "refresh": "refreshed",
    "ping": "pinged",
    "subscribe": "subscribed",
    "unsubscribe": "unsubscribed",
    "history": "historyRead",
    "chat.start": "chatStarted",
    "chat.stop": "chatStopped",
    "chat.resume": "chatResumed",
    "chat.rate": "chatRated",
    "conversations.list": "conversationsListed",
    "conversations.messages": "conversationsMessagesRead",
    "conversations.delete": "conversationsDeleted",
    "notifications.list": "notificationsListed",
    "notifications.read": "notificationsMarked",
    "notifications.read_all": "notificationsAllMarked",
    "workflow.approve": "workflowAnswered",
}
_REPLY_TYPES = frozenset({"chat.started"})
_BY_CONST: dict[str, str] = {}
_VALIDATORS: dict[str, jsonschema.Draft202012Validator] = {}
for _name, _message in MESSAGES.items():
    _type = _message["payload"].get("properties", {}).get("type", {}).get("const")
    if _type is not None:
        _BY_CONST.setdefault(_type, _name)
    _VALIDATORS[_name] = jsonschema.Draft202012Validator({**_message["payload"], "components": DOCUMENT["components"]})


def check(name: str, frame: Any) -> None:
    """Fail the test when a frame is not what the document says."""
    SEEN.add(name)
    _VALIDATORS[name].validate(frame)


_OPEN: "list[Client]" = []


class Refused(Exception):
    """The upgrade was answered by something else than 101."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status} {body[:200]!r}")
        self.status = status
        self.body = body


class Closed(Exception):
    """The hub closed: `code` is its close code, None when the socket just ended."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


async def connected(
    port: int, receive_buffer: int | None, limit: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A line to a port here; its buffers are as small as `receive_buffer`, in bytes, or may take `limit`."""
    raw = socket.socket()
    try:
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return await asyncio.open_connection(sock=raw, limit=receive_buffer or limit)
    except BaseException:  # nobody listens, or whoever waited has gone
        raw.close()
        raise


class Client:
    """One socket. `request` waits for the reply and keeps pushes; `push` takes the next one of a type."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._loop = asyncio.get_running_loop()
        _OPEN.append(self)
        self.pushes: list[dict[str, Any]] = []
        self.frames: list[dict[str, Any]] = []  # everything that came, in order
        self.pongs: list[bytes] = []
        self.pings = 0
        self.answers_pings = True
        self._sent: dict[int | str, str] = {}
        self._next_id = 1
        self._replies: dict[int | str, dict[str, Any]] = {}
        self._orphans: list[dict[str, Any]] = []

    @classmethod
    async def open(
        cls, port: int, path: str = "/ws", headers: dict[str, str] | None = None, receive_buffer: int | None = None
    ) -> "Client":
        """Raises `Refused`."""
        reader, writer = await connected(port, receive_buffer, 2**16)
        try:
            await cls._upgrade(reader, writer, port, path, headers or {})
        except BaseException:
            writer.transport.abort()
            raise
        return cls(reader, writer)

    @staticmethod
    async def _upgrade(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, path: str, headers: dict[str, str]
    ) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
        status = int(head.split(b" ", 2)[1])
        if status != 101:
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            body = await reader.readexactly(int(fields.get(b"Content-Length", b"0")))
            raise Refused(status, body)
        assert b"sec-websocket-extensions" not in head.lower(), "compression must not be agreed on"

    # --- raw ---

    def send_raw(self, opcode: int, payload: bytes, *, fin: bool = True, mask: bool = True, rsv: int = 0) -> None:
        size = len(payload)
        head = bytes([(0x80 if fin else 0) | rsv | opcode])
        flag = 0x80 if mask else 0
        if size < 126:
            head += bytes([flag | size])
        elif size < 65_536:
            head += struct.pack("!BH", flag | 126, size)
        else:
            head += struct.pack("!BQ", flag | 127, size)
        if mask:
            key = os.urandom(4)
            payload = bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))
            head += key
        self.writer.write(head + payload)

    def send_text(self, text: str) -> None:
        self.send_raw(TEXT, text.encode("utf-8", "surrogatepass"))

    async def _read_frame(self) -> tuple[int, bytes]:
        try:
            first, size = await self.reader.readexactly(2)
            assert first & 0x80 and not first & 0x70, "the hub sends whole frames, uncompressed"
            assert not size & 0x80, "a server's frames are not masked"
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise Closed(None) from None

    # --- commands ---

    def send(self, type_: str, **fields: Any) -> int:
        """Send a valid command; its id."""
        check(_BY_CONST[type_], {"id": self._next_id, "type": type_, **fields})
        return self.send_unchecked(type_, **fields)

    def send_unchecked(self, type_: str, **fields: Any) -> int:
        """Send what may break the command's rules; its id."""
        command_id, self._next_id = self._next_id, self._next_id + 1
        self._sent[command_id] = type_
        self.send_text(json.dumps({"id": command_id, "type": type_, **fields}))
        return command_id

    def send_json(self, name: str, frame: dict[str, Any]) -> None:
        """Send a frame that is the document's message of this name."""
        check(name, frame)
        self.send_text(orjson.dumps(frame).decode())

    async def request(self, type_: str, **fields: Any) -> dict[str, Any]:
        """Send a valid command and wait for its reply: the result of an `ok`, else the whole frame."""
        reply = await self.reply(self.send(type_, **fields))
        return reply["result"] if reply.get("type") == "ok" else reply

    async def reply(self, command_id: int | str) -> dict[str, Any]:
        while command_id not in self._replies:
            await self.receive()
        return self._replies.pop(command_id)

    async def orphan(self) -> dict[str, Any]:
        """The next error reply without an id."""
        while not self._orphans:
            await self.receive()
        return self._orphans.pop(0)

    async def push(self, type_: str, **having: Any) -> dict[str, Any]:
        """The next push of a type, those included that came meanwhile."""
        while True:
            for index, frame in enumerate(self.pushes):
                if frame["type"] == type_ and all(frame.get(name) == value for name, value in having.items()):
                    return self.pushes.pop(index)
            await self.receive()

    async def event(self, type_: str) -> dict[str, Any]:
        """The next event of a type, as `{offset, event}`."""
        while True:
            frame = await self.push("event")
            if frame["event"]["type"] == type_:
                return frame

    async def receive(self) -> dict[str, Any]:
        """The next text frame, checked and sorted. Raises `Closed`."""
        while True:
            opcode, payload = await asyncio.wait_for(self._read_frame(), PATIENCE_SECONDS)
            if opcode == TEXT:
                return self._sort(orjson.loads(payload))
            if opcode == CLOSE:
                raise Closed(struct.unpack("!H", payload[:2])[0] if payload else None)
            if opcode == PONG:
                self.pongs.append(payload)
            if opcode == PING:
                self.pings += 1
                if self.answers_pings:
                    self.send_raw(PONG, payload)

    def _sort(self, frame: dict[str, Any]) -> dict[str, Any]:
        self.frames.append(frame)
        if "error" in frame and "type" not in frame:
            check("errorReply", frame)
            if "id" in frame:
                self._replies[frame["id"]] = frame
            else:
                self._orphans.append(frame)
        elif "id" in frame or frame["type"] in _REPLY_TYPES:
            check(REPLIES[self._sent.get(frame.get("id", 0), "chat.start")], frame)
            self._keep(frame)
        else:
            check(_BY_CONST[frame["type"]], frame)
            self.pushes.append(frame)
        return frame

    def _keep(self, reply: dict[str, Any]) -> None:
        """Without an id it answers a bare chat, and is looked for among the pushes."""
        if "id" in reply:
            self._replies[reply["id"]] = reply
        else:
            self.pushes.append(reply)

    async def answer_of(self, stream_id: str) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
        """Follow a stream to its end: its text, its last frame, its deltas. Offsets must grow."""
        deltas: list[dict[str, Any]] = []
        while True:
            for frame in [frame for frame in self.pushes if frame.get("stream_id") == stream_id]:
                self.pushes.remove(frame)
                if frame["type"] != "chat.delta":
                    return "".join(delta["content"] for delta in deltas), frame, deltas
                assert not deltas or frame["offset"] > deltas[-1]["offset"]
                deltas.append(frame)
            await self.receive()

    async def close_code(self) -> int | None:
        """Read until the hub closes."""
        try:
            while True:
                await self.receive()
        except Closed as closed:
            return closed.code
        finally:
            self.abort()

    @staticmethod
    def abort_all() -> None:
        """After a test, whatever became of it; one whose loop has ended has gone with it."""
        while _OPEN:
            client = _OPEN.pop()
            if not client._loop.is_closed():
                client.abort()

    def abort(self) -> None:
        """Leave without a closing handshake."""
        self.writer.transport.abort()

    def reset(self) -> None:
        """Leave with RST."""
        linger = struct.pack("ii", 1, 0)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.abort()

    async def close(self) -> None:
        """Leave properly."""
        self.send_raw(CLOSE, struct.pack("!H", 1000))
        await self.close_code()
