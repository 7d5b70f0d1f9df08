"""Section `chunks`: the CPU of a streamed chunk, over SSE and over the WebSocket, in bursts and five milliseconds apart.

A chunk is what the provider sends; how many frames or SSE events the hub makes of them is its own affair, and printed.
Nothing is subtracted from the first figure of each kind. The second is without the stream's fixed cost (request, hold,
settlement), which is measured with streams of one chunk. A bare relay streams the same in the same run, over SSE; it
looks into no chunk.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import orjson

from bench.accounts import sign_up
from bench.hub_process import HubProcess, hub
from bench.load_http import completion, connections, repeat
from bench.load_ws import sockets
from bench.processes import provider, relay
from bench.report import Figure, ratios

STREAMS_AT_ONCE = 16
CHUNKS = 400
REPETITIONS = 3
INTERVAL_MS = 5.0
ROUNDS_BURST = 5  # streams of each connection in one repetition
ROUNDS_PACED = 1
ROUNDS_SHORT = 12  # with the others fewer than the 60 questions that a user may ask in a minute
BARE = "bare relay"
TARGET_BURST = "<= 30, aim 15"
TARGET_PACED = "<= 90, aim 50"

Round = Callable[[int], Awaitable[int]]  # so many streams on each connection -> frames or events that came


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: CPU seconds of who answers for so many streams, and what came for each."""

    seconds: float
    streams: int
    frames: float

    @property
    def us_a_chunk(self) -> float:
        return self.seconds / (self.streams * CHUNKS) * 1e6


@dataclass(frozen=True, slots=True)
class Face:
    """A way to ask for streams, and the CPU of who answers."""

    cpu_seconds: Callable[[], float]
    ask: Round


async def measure() -> list[Figure]:
    async with hub() as process, relay(process.provider_port, process.relay_log) as bare:
        tokens = await sign_up(process, STREAMS_AT_ONCE)
        async with _websocket(process, tokens) as websocket:
            faces = {
                BARE: Face(bare.cpu_seconds, _sse(bare.port, tokens)),
                "SSE": Face(process.cpu_seconds, _sse(process.port, tokens)),
                "WebSocket": Face(process.cpu_seconds, websocket),
            }
            short = await _pace(process, faces, ROUNDS_SHORT, 1, 0)
            burst = await _pace(process, faces, ROUNDS_BURST, CHUNKS, 0)
            paced = await _pace(process, faces, ROUNDS_PACED, CHUNKS, INTERVAL_MS)
    figures: list[Figure] = []
    for name, ones in short.items():
        fixed = [run.seconds / run.streams for run in ones]
        figures.append(Figure(f"{name}: a stream of one chunk", "ms", [seconds * 1e3 for seconds in fixed]))
        figures += _figures(name, "in bursts", burst, min(fixed), TARGET_BURST)
        figures += _figures(name, f"{INTERVAL_MS:g} ms apart", paced, min(fixed), TARGET_PACED)
    return figures


def _figures(name: str, pace: str, measured: dict[str, list[Measured]], fixed: float, target: str) -> list[Figure]:
    runs, what = measured[name], f"{name}, {pace}"
    whole, bare = [run.us_a_chunk for run in runs], [run.us_a_chunk for run in measured[BARE]]
    if name == BARE:
        return [Figure(f"{what}: a chunk, all included", "us", whole)]
    marginal = [(run.seconds / run.streams - fixed) / (CHUNKS - 1) * 1e6 for run in runs]
    return [
        Figure(f"{what}: a chunk, all included", "us", whole, target),
        Figure(f"{what}: over a bare relay's", "times", ratios(whole, bare)),
        Figure(f"{what}: a chunk more", "us", marginal),
        Figure(f"{what}: sent for {CHUNKS} chunks", "frames", [run.frames for run in runs]),
    ]


async def _pace(
    process: HubProcess, faces: dict[str, Face], rounds: int, chunks: int, interval_ms: float
) -> dict[str, list[Measured]]:
    async with provider(process.provider_port, process.provider_log, chunks=chunks, interval_ms=interval_ms):
        return {name: await _runs(face, rounds) for name, face in faces.items()}


async def _runs(face: Face, rounds: int) -> list[Measured]:
    await face.ask(1)
    runs: list[Measured] = []
    for _ in range(REPETITIONS):
        before = face.cpu_seconds()
        frames = await face.ask(rounds)
        streams = rounds * STREAMS_AT_ONCE
        runs.append(Measured(face.cpu_seconds() - before, streams, frames / streams))
    return runs


def _sse(port: int, tokens: list[str]) -> Round:
    async def run(rounds: int) -> int:
        async with connections(port, STREAMS_AT_ONCE) as opened:
            requests = [completion(port, token, stream=True) for token in tokens]
            asking = [repeat(one, [request], rounds) for one, request in zip(opened, requests, strict=True)]
            answers = [answer for some in await asyncio.gather(*asking) for answer in some]
        assert all(b"[DONE]" in answer.body for answer in answers), "a stream ended early"
        return sum(answer.body.count(b"data: ") for answer in answers)

    return run


@contextlib.asynccontextmanager
async def _websocket(process: HubProcess, tokens: list[str]) -> AsyncIterator[Round]:
    messages = [{"role": "user", "content": "Say the same word many times, please, and nothing else."}]
    command = orjson.dumps({"id": 2, "type": "chat.start", "model": "gpt-4", "messages": messages, "max_tokens": 1_000})
    async with sockets(process.port, tokens) as opened:

        async def run(rounds: int) -> int:
            before = sum(socket.frames for socket in opened)
            for _ in range(rounds):
                await asyncio.gather(
                    *(socket.ask(command, b'"type":"chat.completed","stream_id"') for socket in opened)
                )
            return sum(socket.frames for socket in opened) - before

        yield run
