"""`hub/realtime/outbox.py` and `follower.py` over a real socket pair: what a slow reader gets, and what it costs."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from tornado.iostream import IOStream
from tornado.websocket import _WebSocketParams

from config import limits
from handlers.websocket import BoundedProtocol, SocketWire
from hub.operations import Receipt
from hub.providers.base import Delta, Usage
from hub.realtime.follower import Follower
from hub.realtime.outbox import Outbox
from hub.realtime.wire import text_frame
from hub.streams import Outcome, Stream

DONE = Outcome("stop", Usage(3, 5), "provider", Receipt(9_000_000, 1_500_000, 7_500_000, 8_500_000, 4))


class Line:
    """An outbox on one end of a socket pair with small buffers, and the reader of the other end."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        for end in (ours, self.theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            end.setblocking(False)
        self.stream = IOStream(ours)
        self.cut = 0
        self.outbox = Outbox(SocketWire(self, self.stream), self._too_slow)
        self._received = b""

    def _too_slow(self) -> None:
        self.cut += 1

    def is_closing(self) -> bool:
        return self.stream.closed()

    def close(self, code: int | None = None, reason: str | None = None) -> None:
        self.stream.close()

    def follow(self, stream: Stream, after: int = 0) -> Follower:
        follower = Follower(stream, after, self.outbox, lambda _: None)
        follower.start()
        return follower

    async def read(self, frames: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < frames:
            frame = self._take()
            if frame is None:
                loop = asyncio.get_running_loop()
                self._received += await asyncio.wait_for(loop.sock_recv(self.theirs, 65_536), 5)
            else:
                found.append(frame)
        return found

    async def read_until(self, type_: str) -> list[dict[str, Any]]:
        found = await self.read(1)
        while found[-1]["type"] != type_:
            found += await self.read(1)
        return found

    def _take(self) -> dict[str, Any] | None:
        data = self._received
        if len(data) < 2:
            return None
        size, start = data[1], 2
        if size == 126:
            size, start = struct.unpack_from("!H", data, 2)[0] if len(data) >= 4 else 0, 4
        elif size == 127:
            size, start = struct.unpack_from("!Q", data, 2)[0] if len(data) >= 10 else 0, 10
        if len(data) < start + size:
            return None
        self._received = data[start + size :]
        frame: dict[str, Any] = orjson.loads(data[start : start + size])
        return frame


def on_a_line(scenario: Callable[[Line], Awaitable[None]]) -> None:
    async def run() -> None:
        line = Line()
        try:
            await scenario(line)
        finally:
            line.outbox.close()
            line.stream.close()
            line.theirs.close()

    asyncio.run(run())


def new_stream() -> Stream:
    return Stream(id="stream_1", user="user_1", model="gpt-4", conversation=None, message="msg_1")


def push(number: int, size: int = 10) -> bytes:
    return text_frame(orjson.dumps({"type": "n", "n": number, "fill": "x" * size}))


def test_a_fast_reader_gets_each_delta_at_once() -> None:
    async def scenario(line: Line) -> None:
        stream = new_stream()
        line.follow(stream)
        for number in range(3):
            stream.append([Delta(f"w{number} ")], cost_micro=1_000 * (number + 1))
            (frame,) = await line.read(1)
            cost = frame.pop("cost")
            assert frame == {
                "type": "chat.delta",
                "stream_id": "stream_1",
                "offset": number + 1,
                "content": f"w{number} ",
            }
            assert cost == pytest.approx(0.001 * (number + 1))
        stream.finish(DONE)
        (end,) = await line.read(1)
        assert end["type"] == "chat.completed" and end["offset"] == 3
        assert end["receipt"]["charged"] == 1.5 and end["usage"]["total_tokens"] == 8
        assert stream.followers == 0

    on_a_line(scenario)


def test_a_slow_reader_gets_merged_deltas_and_loses_nothing() -> None:
    async def scenario(line: Line) -> None:
        stream = new_stream()
        line.follow(stream)
        words = [f"wörd-{number} " for number in range(20_000)]
        for word in words:
            stream.append([Delta(word)], 1)
        assert line.outbox.queued_bytes == 0, "a slow reader costs a cursor, no copies"
        stream.finish(DONE)
        *deltas, end = await line.read_until("chat.completed")
        assert "".join(delta["content"] for delta in deltas) == "".join(words)
        assert [delta["offset"] for delta in deltas] == sorted({delta["offset"] for delta in deltas})
        assert deltas[-1]["offset"] == end["offset"] == len(words)
        assert len(deltas) < 2_000
        assert all(len(delta["content"]) < limits.DELTA_CHARS_MAX + 20 for delta in deltas)

    on_a_line(scenario)


def test_deltas_with_extra_fields_stand_alone() -> None:
    async def scenario(line: Line) -> None:
        stream = new_stream()
        call = {"tool_calls": [{"index": 0, "id": "c1"}]}
        stream.append([Delta("a"), Delta("b"), Delta("", call), Delta("", call), Delta("c"), Delta("d")], 5)
        line.follow(stream)
        frames = await line.read(4)
        assert [(frame["offset"], frame["content"], frame.get("extra")) for frame in frames] == [
            (2, "ab", None),
            (3, "", call),
            (4, "", call),
            (6, "cd", None),
        ]

    on_a_line(scenario)


def test_following_from_the_middle_and_after_the_end() -> None:
    async def scenario(line: Line) -> None:
        stream = new_stream()
        stream.append([Delta(letter) for letter in "abcdef"], 5)
        stream.finish(DONE)
        line.follow(stream, after=4)
        delta, end = await line.read(2)
        assert (delta["content"], delta["offset"], end["type"]) == ("ef", 6, "chat.completed")
        line.follow(stream, after=6)
        (end,) = await line.read(1)
        assert end["type"] == "chat.completed"

    on_a_line(scenario)


def test_streams_take_turns() -> None:
    async def scenario(line: Line) -> None:
        streams = [new_stream() for _ in range(3)]
        for number, stream in enumerate(streams):
            stream.id = f"s{number}"
        line.outbox.push(push(0, 60_000))  # fills the pipe, so that all three have to wait
        for stream in streams:
            line.follow(stream)
            stream.append([Delta("x" * 10_000) for _ in range(10)], 1)
        await line.read(1)
        first = await line.read(6)
        assert {frame["stream_id"] for frame in first[:3]} == {"s0", "s1", "s2"}

    on_a_line(scenario)


def test_replies_keep_their_order_and_go_before_deltas() -> None:
    async def scenario(line: Line) -> None:
        stream = new_stream()
        line.outbox.push(push(0, 60_000))
        stream.append([Delta("late")], 1)
        line.follow(stream)
        for number in range(1, 200):
            line.outbox.push(push(number))
        frames = await line.read(201)
        assert [frame["n"] for frame in frames[:200]] == list(range(200))
        assert frames[200]["content"] == "late"
        assert line.outbox.queued_bytes == 0

    on_a_line(scenario)


def test_of_a_state_the_newest_counts() -> None:
    async def scenario(line: Line) -> None:
        line.outbox.push(push(0, 60_000))
        for version in range(500):
            line.outbox.state("balance", text_frame(orjson.dumps({"type": "balance", "version": version})))
            line.outbox.state("other", text_frame(orjson.dumps({"type": "other", "version": version})))
        _, one, two = await line.read(3)
        assert {(one["type"], one["version"]), (two["type"], two["version"])} == {("balance", 499), ("other", 499)}

    on_a_line(scenario)


@pytest.mark.parametrize("size", [10, 100_000])
def test_too_much_cuts_the_connection(size: int) -> None:
    async def scenario(line: Line) -> None:
        pushed = 0
        while not line.cut:
            line.outbox.push(push(pushed, size))
            pushed += 1
            assert line.outbox.queued_bytes <= limits.QUEUE_BYTES_MAX
            assert pushed <= limits.QUEUE_ITEMS_MAX + 500, "the queue has no end"
        line.outbox.push(push(0))
        line.outbox.state("balance", push(0))
        assert (line.cut, line.outbox.queued_bytes) == (1, 0)

    on_a_line(scenario)


def test_a_frame_that_does_not_leave_in_time_cuts_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WRITE_SECONDS_MAX", 0.05)

    async def scenario(line: Line) -> None:
        line.outbox.push(push(0, 60_000))
        await asyncio.sleep(0.2)
        assert line.cut == 1

    on_a_line(scenario)


def test_a_socket_that_ends_while_bytes_wait() -> None:
    async def scenario(line: Line) -> None:
        stream = new_stream()
        follower = line.follow(stream)
        line.outbox.push(push(0, 60_000))
        line.theirs.close()
        for _ in range(100):
            stream.append([Delta("word ")], 1)
            line.outbox.push(push(1))
            await asyncio.sleep(0)
        assert line.stream.closed()
        follower.stop()
        assert stream.followers == 0

    on_a_line(scenario)


def test_a_follower_that_cannot_be_served_does_not_end_the_stream() -> None:
    async def scenario(line: Line) -> None:
        stream = new_stream()
        line.follow(stream)
        stream.append([Delta("half a character: \ud83d")], 1)
        stream.append([Delta("more")], 1)
        assert line.cut == 1
        assert stream.offset == 2

    on_a_line(scenario)


def _protocol(line: Line) -> tuple[BoundedProtocol, SocketWire]:
    """Tornado's side of the same socket, and a wire that it tells of what it writes."""
    protocol = BoundedProtocol(line, _WebSocketParams())  # type: ignore[arg-type] # it is called back by nothing here
    protocol.stream = line.stream
    protocol.wire = SocketWire(protocol, line.stream)
    return protocol, protocol.wire


def test_a_frame_does_not_pass_a_ping_that_waits() -> None:
    """A frame between the halves of another one would be garbage to its reader."""

    async def scenario(line: Line) -> None:
        protocol, wire = _protocol(line)
        pings = 0
        while not line.stream.writing():
            protocol.write_ping(b"x" * 125)
            pings += 1
        received = line.theirs.recv(65_536)  # there is room again, before the stream has heard of it
        assert wire.write(push(1)) is not None
        loop = asyncio.get_running_loop()
        while push(1) not in received:
            received += await asyncio.wait_for(loop.sock_recv(line.theirs, 65_536), 5)
        assert received == (b"\x89\x7d" + b"x" * 125) * pings + push(1)
        assert wire.write(push(2)) is None and wire.straight
        assert await asyncio.wait_for(loop.sock_recv(line.theirs, 65_536), 5) == push(2)

    on_a_line(scenario)


def test_nothing_follows_a_close_frame() -> None:
    async def scenario(line: Line) -> None:
        protocol, wire = _protocol(line)
        assert wire.write(push(1)) is None
        protocol.close(4001, "")
        assert wire.write(push(2)) is None
        line.stream.close()
        received = await asyncio.get_running_loop().sock_recv(line.theirs, 65_536)
        assert received == push(1) + b"\x88\x02\x0f\xa1"

    on_a_line(scenario)


def test_a_frame_for_a_socket_that_is_gone_goes_nowhere() -> None:
    async def scenario(line: Line) -> None:
        _, wire = _protocol(line)
        line.stream.close()
        assert wire.write(push(1)) is None

    on_a_line(scenario)
