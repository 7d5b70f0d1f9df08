"""Section `fanout`: the CPU of a frame that goes to everybody, through the hub and through others' servers.

A thousand sockets on each server, 238 bytes in each frame, and each frame goes to all of them: one at a time, and sixteen
told together. The hub is told by an administrator's `POST /api/admin/announcements`: the request, the stored announcement
with its row of the audit log, and the queues and bounds of every connection are in its figure. The others are told by one
of their sockets, and store nothing. What an announcement costs that one socket hears is measured first, so that a frame
more can be told from it. All are received by the same client in this process, in turn, so that each meets the same machine.
"""

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from bench.accounts import SETTLE_SECONDS, sign_up
from bench.hub_process import HubProcess, hub
from bench.load_http import HttpConnection, ask, connections, request
from bench.load_ws import Socket, sockets
from bench.peer_processes import Peer, peers
from bench.report import Figure, ratios

SOCKETS = 1_000
FRAME_BYTES = 238  # of payload
REPETITIONS = 5
TOGETHER = (1, 16)  # frames that are told together
FRAMES_EACH = 64  # to every socket in one repetition
WARM_UP_FRAMES = 32
ROUND_SECONDS_MAX = 10.0
ADMINS = 16  # each may announce 200 times a minute
AT_ONCE = 20  # sockets that are opened at the same time
HUB = "the hub"
PEER = "ws"  # the one that the target is set by
TARGET = "<= 0.8"


@dataclass
class Arrivals:
    """The frames that came on all sockets of one server."""

    count: int = 0
    sizes: set[int] = field(default_factory=set)
    _awaited: int = 0
    _all_there: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, payload: bytes) -> None:
        self.count += 1
        self.sizes.add(len(payload))
        if self.count == self._awaited:
            self._all_there.set()

    async def after(self, tell: Callable[[], Awaitable[None]], frames: int) -> None:
        """Tell, and return when so many more frames have come."""
        self._awaited = self.count + frames
        self._all_there.clear()
        await tell()
        async with asyncio.timeout(ROUND_SECONDS_MAX):
            await self._all_there.wait()


@dataclass(frozen=True, slots=True)
class Way:
    """A server with its sockets, and how it is made to tell them all."""

    name: str
    cpu_seconds: Callable[[], float]
    arrivals: Arrivals
    tell: Callable[[], Awaitable[None]]  # one frame

    async def us_told(self, frames: int, together: int, heard_by: int = SOCKETS) -> float:
        """Microseconds for telling one frame to all who hear it."""
        before = self.cpu_seconds()
        self.arrivals.sizes.clear()
        for _ in range(frames // together):
            await self.arrivals.after(lambda: self._tell(together), heard_by * together)
        assert self.arrivals.sizes == {FRAME_BYTES}, f"{self.name} sent frames of {self.arrivals.sizes} bytes"
        return (self.cpu_seconds() - before) / frames * 1e6

    async def _tell(self, frames: int) -> None:
        await asyncio.gather(*(self.tell() for _ in range(frames)))


async def measure() -> list[Figure]:
    async with contextlib.AsyncExitStack() as stack:
        process = await stack.enter_async_context(hub())
        ours, alone_us = await stack.enter_async_context(_hub_way(process))
        started = await stack.enter_async_context(peers(process.folder))
        ways = [ours, *[await stack.enter_async_context(_peer_way(peer)) for peer in started]]
        measured = {together: await _turns(ways, together) for together in TOGETHER}
    figures = [figure for together, told_us in measured.items() for figure in _figures(told_us, together)]
    more = [(us - statistics.median(alone_us)) / (SOCKETS - 1) for us in measured[1][HUB]]
    peers_us = [us / SOCKETS for us in measured[1][PEER]]
    return [
        *figures,
        Figure(f"{HUB}: an announcement that one socket hears", "us", alone_us),
        Figure(f"{HUB}, one at a time: a frame more", "us", more),
        Figure(f"{HUB}'s frame more over {PEER}'s frame", "times", ratios(more, peers_us), TARGET),
    ]


async def _turns(ways: Sequence[Way], together: int) -> dict[str, list[float]]:
    """Microseconds for telling one frame to all sockets of each server, a value a repetition."""
    for way in ways:
        await way.us_told(WARM_UP_FRAMES, together)
    told_us: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(REPETITIONS):
        for way in ways:
            told_us[way.name].append(await way.us_told(FRAMES_EACH, together))
    return told_us


def _figures(told_us: dict[str, list[float]], together: int) -> list[Figure]:
    how = "one at a time" if together == 1 else f"{together} together"
    return [
        *(Figure(f"{name}, {how}: a frame", "us", [us / SOCKETS for us in values]) for name, values in told_us.items()),
        Figure(f"{HUB} over {PEER}, {how}", "times", ratios(told_us[HUB], told_us[PEER]), TARGET),
    ]


@contextlib.asynccontextmanager
async def _hub_way(process: HubProcess) -> AsyncIterator[tuple[Way, list[float]]]:
    """With it the microseconds of an announcement that one socket hears."""
    tokens, arrivals = await sign_up(process, SOCKETS), Arrivals()
    admins = await sign_up(process, ADMINS, "admin")
    await asyncio.sleep(SETTLE_SECONDS)
    async with sockets(process.port, tokens[:1], arrivals.heard), connections(process.port, ADMINS) as opened:
        request = await _request(process, opened[0], arrivals, admins[0])
        turns = itertools.cycle(zip(opened, [request(token) for token in admins], strict=True))

        async def tell() -> None:
            await _announce(*next(turns))

        way = Way(HUB, process.cpu_seconds, arrivals, tell)
        await way.us_told(WARM_UP_FRAMES, 1, heard_by=1)
        alone_us = [await way.us_told(FRAMES_EACH, 1, heard_by=1) for _ in range(REPETITIONS)]
        async with sockets(process.port, tokens[1:], arrivals.heard):
            yield way, alone_us


async def _request(
    process: HubProcess, connection: HttpConnection, arrivals: Arrivals, admin: str
) -> Callable[[str], bytes]:
    """The request, by its administrator, whose frame has FRAME_BYTES: a first announcement tells what surrounds a text."""
    arrivals.sizes.clear()
    await arrivals.after(lambda: _announce(connection, _announcement(process.port, admin, 1)), 1)
    (around,) = arrivals.sizes
    return lambda token: _announcement(process.port, token, FRAME_BYTES - around + 1)


def _announcement(port: int, token: str, chars: int) -> bytes:
    return request(port, token, "POST", "/api/admin/announcements", {"title": "News", "message": "x" * chars})


async def _announce(connection: HttpConnection, asked: bytes) -> None:
    await ask(connection, asked, 201)


@contextlib.asynccontextmanager
async def _peer_way(peer: Peer) -> AsyncIterator[Way]:
    arrivals, text = Arrivals(), peer.told(FRAME_BYTES)
    opened: list[Socket] = []
    for _ in range(0, SOCKETS, AT_ONCE):
        opened += await asyncio.gather(*(peer.connect(arrivals.heard) for _ in range(AT_ONCE)))

    async def tell() -> None:
        opened[0].say(text)

    try:
        yield Way(peer.name, peer.cpu_seconds, arrivals, tell)
    finally:
        for socket in opened:
            socket.close()
