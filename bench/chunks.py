"""Section `chunks`: the CPU of a streamed chunk, over SSE and over the WebSocket, in bursts and five milliseconds apart.

A chunk is what the provider sends; how many frames or SSE events the hub makes of them is its own affair, and printed.
Nothing is subtracted from the first figure of each kind. The second is without the stream's fixed cost (request, hold,
settlement), which is measured with streams of one chunk.
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
from bench.processes import provider
from bench.report import Figure

STREAMS_AT_ONCE = 16
CHUNKS = 400
REPETITIONS = 3
INTERVAL_MS = 5.0
ROUNDS_BURST = 5  # streams of each connection in one repetition
ROUNDS_PACED = 1
ROUNDS_SHORT = 20

Round = Callable[[int], Awaitable[int]]  # so many streams on each connection -> frames or events that came


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: CPU seconds of the hub for so many streams, and what it sent for each."""

    seconds: float
    streams: int
    frames: float


async def measure() -> list[Figure]:
    async with hub() as process:
        tokens = await sign_up(process, STREAMS_AT_ONCE)
        async with _sse(process, tokens) as sse, _websocket(process, tokens) as websocket:
            faces = {"SSE": sse, "WebSocket": websocket}
            async with provider(process.provider_port, process.provider_log, chunks=1):
                short = {name: await _runs(process, face, ROUNDS_SHORT) for name, face in faces.items()}
            async with provider(process.provider_port, process.provider_log, chunks=CHUNKS):
                burst = {name: await _runs(process, face, ROUNDS_BURST) for name, face in faces.items()}
            async with provider(process.provider_port, process.provider_log, chunks=CHUNKS, interval_ms=INTERVAL_MS):
                paced = {name: await _runs(process, face, ROUNDS_PACED) for name, face in faces.items()}
    figures: list[Figure] = []
    for name in faces:
        fixed = [run.seconds / run.streams for run in short[name]]
        figures.append(Figure(f"{name}: a stream of one chunk", "ms", [seconds * 1e3 for seconds in fixed]))
        figures += _figures(f"{name}, in bursts", burst[name], min(fixed), "<= 30, aim 15")
        figures += _figures(f"{name}, {INTERVAL_MS:g} ms apart", paced[name], min(fixed), "<= 90, aim 50")
    return figures


def _figures(what: str, runs: list[Measured], fixed: float, target: str) -> list[Figure]:
    whole = [run.seconds / (run.streams * CHUNKS) * 1e6 for run in runs]
    marginal = [(run.seconds / run.streams - fixed) / (CHUNKS - 1) * 1e6 for run in runs]
    return [
        Figure(f"{what}: a chunk, all included", "us", whole, target),
        Figure(f"{what}: a chunk more", "us", marginal),
        Figure(f"{what}: sent for {CHUNKS} chunks", "frames", [run.frames for run in runs]),
    ]


async def _runs(process: HubProcess, face: Round, rounds: int) -> list[Measured]:
    await face(1)
    runs: list[Measured] = []
    for _ in range(REPETITIONS):
        before = process.used()
        frames = await face(rounds)
        streams = rounds * STREAMS_AT_ONCE
        runs.append(Measured(process.since(before).hub, streams, frames / streams))
    return runs


@contextlib.asynccontextmanager
async def _sse(process: HubProcess, tokens: list[str]) -> AsyncIterator[Round]:
    async def run(rounds: int) -> int:
        async with connections(process.port, STREAMS_AT_ONCE) as opened:
            requests = [completion(process.port, token, stream=True) for token in tokens]
            asking = [repeat(one, [request], rounds) for one, request in zip(opened, requests, strict=True)]
            answers = [answer for some in await asyncio.gather(*asking) for answer in some]
        assert all(b"[DONE]" in answer.body for answer in answers), "a stream ended early"
        return sum(answer.body.count(b"data: ") for answer in answers)

    yield run


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
