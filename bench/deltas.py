"""Section `deltas`: the CPU of a chat delta to its socket, once the hub has it.

Four streams, whose provider sends a chunk every five milliseconds, are followed by one socket each and by nineteen each,
in turn: eighteen sockets more of the same user resume the stream. What these add, over the delta frames that came on them,
is the price of a frame: reading, counting and paying for a chunk costs the same whoever follows it. There are so few that
the hub is never behind, for chunks that wait become one frame; how many frames they became is printed.
"""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from bench.accounts import SETTLE_SECONDS, sign_up
from bench.hub_process import HubProcess, hub
from bench.load_ws import Socket, sockets
from bench.processes import provider
from bench.report import Figure

STREAMS = 4
CHUNKS = 400
INTERVAL_MS = 5.0
FOLLOWERS = 18  # of each stream, beside the socket that began it
REPETITIONS = 7
TARGET = "<= 20"

_MESSAGES = [{"role": "user", "content": "Say the same word many times, please, and nothing else."}]
_START = orjson.dumps({"id": 2, "type": "chat.start", "model": "gpt-4", "messages": _MESSAGES, "max_tokens": 1_000})
_COMPLETED = b'"type":"chat.completed"'


@dataclass
class Deltas:
    """How many frames with text came on some sockets."""

    frames: int = 0

    def heard(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"chat.delta"'):
            self.frames += 1


async def measure() -> list[Figure]:
    more = Deltas()
    async with hub() as process:
        tokens = await sign_up(process, STREAMS)
        await asyncio.sleep(SETTLE_SECONDS)
        async with (
            provider(process.provider_port, process.provider_log, chunks=CHUNKS, interval_ms=INTERVAL_MS),
            sockets(process.port, tokens) as begun,
            sockets(process.port, tokens * FOLLOWERS, more.heard) as others,
        ):
            await _round(process, begun, others)
            more.frames = 0
            pairs = [
                (await _round(process, begun, []), await _round(process, begun, others)) for _ in range(REPETITIONS)
            ]
    alone, together = [one for one, _ in pairs], [all_of_them for _, all_of_them in pairs]
    frames = more.frames / REPETITIONS
    base = statistics.median(alone)
    return [
        Figure(f"frames of {CHUNKS} chunks on each socket", "", [frames / (STREAMS * FOLLOWERS)]),
        Figure(
            "a chunk that one socket follows, all included", "us", [one / (STREAMS * CHUNKS) * 1e6 for one in alone]
        ),
        Figure(
            "a chat delta to one socket more",
            "us",
            [(all_of_them - base) / frames * 1e6 for all_of_them in together],
            TARGET,
        ),
    ]


async def _round(process: HubProcess, begun: Sequence[Socket], others: Sequence[Socket]) -> float:
    """CPU seconds of a stream on each socket that begins one, which `others` follow too."""
    before = process.cpu_seconds()
    following = [others[number :: len(begun)] for number in range(len(begun))]
    await asyncio.gather(*(_stream(socket, some) for socket, some in zip(begun, following, strict=True)))
    return process.cpu_seconds() - before


async def _stream(socket: Socket, others: Sequence[Socket]) -> None:
    started = orjson.loads(await socket.ask(_START, b'"type":"chat.started"'))
    cursor = {"stream_id": started["stream_id"], "epoch": started["epoch"], "after": 0}
    resume = orjson.dumps({"id": 3, "type": "chat.resume"} | cursor)
    await asyncio.gather(socket.until(_COMPLETED), *(other.ask(resume, _COMPLETED) for other in others))
