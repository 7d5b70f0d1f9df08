"""Many clients who lost their connection at the same moment, in a process of their own: `python -m tests.herd`.

Standard input has `{"port", "clients": [{"token", "epoch", "offset"}, ...]}`, standard output `{"seconds": when each was
back, "refused": why and how often one was turned away, "events": how many they missed and got}`. They come from many
addresses of this machine, and wait between two tries as the page does. Any gap in what they get is a failure.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

RETRY_MIN_SECONDS = 0.5
RETRY_MAX_SECONDS = 20.0
TRIES_MAX = 20
ADDRESSES = 100
TEXT, PING = 0x81, 0x89


@dataclass
class Herd:
    """What became of them."""

    port: int
    began: float = field(default_factory=time.monotonic)
    seconds: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    events: int = 0

    async def bring_back(self, number: int, client: dict[str, Any]) -> asyncio.StreamWriter:
        """Try until it is connected; its connection, which stays open."""
        for attempt in range(TRIES_MAX):
            try:
                return await self._try(number, client)
            except (OSError, asyncio.IncompleteReadError) as error:
                self.refused[str(error)[:200]] += 1
            ceiling = min(RETRY_MAX_SECONDS, RETRY_MIN_SECONDS * 2**attempt)
            await asyncio.sleep(max(RETRY_MIN_SECONDS, ceiling * (0.5 + random.random() / 2)))
        raise AssertionError(f"it never came back: {self.refused.most_common(3)}")

    async def _try(self, number: int, client: dict[str, Any]) -> asyncio.StreamWriter:
        source = (f"127.0.1.{1 + number % ADDRESSES}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=source)
        try:
            writer.write(_upgrade(self.port))
            await reader.readuntil(b"\r\n\r\n")
            position = {"epoch": client["epoch"], "offset": client["offset"]}
            writer.write(_frame({"id": 1, "type": "connect", "token": client["token"], "recover": position}))
            await self._back(reader, position["offset"])
        except BaseException:
            writer.close()
            raise
        return writer

    async def _back(self, reader: asyncio.StreamReader, offset: int) -> None:
        reply = await _read(reader)
        if reply.get("type") != "connected" or not reply["recovered"]:
            raise ConnectionError(f"{reply}")
        self.seconds.append(time.monotonic() - self.began)
        last = reply["position"]["offset"]
        got = [(await _read(reader))["offset"] for _ in range(last - offset)]
        assert got == list(range(offset + 1, last + 1)), "what was missed comes whole and in order"
        self.events += len(got)


def _upgrade(port: int) -> bytes:
    head = ["GET /ws HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade"]
    head += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13", "", ""]
    return "\r\n".join(head).encode()


def _frame(command: dict[str, Any]) -> bytes:
    """Masked with zeros, which is allowed and free."""
    payload = json.dumps(command).encode()
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


async def _read(reader: asyncio.StreamReader) -> Any:
    """The next text frame. A ping of the hub may go unanswered: nobody stays so long."""
    first, size = await reader.readexactly(2)
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    payload = await reader.readexactly(size)
    if first == PING:
        return await _read(reader)
    if first != TEXT:
        raise ConnectionError(f"the hub closed: {payload!r}")
    return json.loads(payload)


async def main() -> None:
    given = json.load(sys.stdin)
    herd = Herd(given["port"])
    writers = await asyncio.gather(*(herd.bring_back(*each) for each in enumerate(given["clients"])))
    sys.stdout.write(json.dumps({"seconds": herd.seconds, "refused": herd.refused, "events": herd.events}))
    for writer in writers:
        writer.close()


if __name__ == "__main__":
    asyncio.run(main())
