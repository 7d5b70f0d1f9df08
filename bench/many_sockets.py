"""Sections `many_sockets` and `herd`: ten thousand sockets on one process, and two thousand that come back at once.

The sockets are held by a process of their own (bench/swarm.py), streams run from this one, and the provider is a third.
A balance is timed from the command that changes the wallet: the commit is in it.
"""

import asyncio
import contextlib
import os
import resource
import signal
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench import swarm
from bench.accounts import SETTLE_SECONDS, sign_up
from bench.hub_process import HubProcess, hub
from bench.load_http import connections
from bench.load_ws import Socket, sockets
from bench.processes import printed_end, provider, running
from bench.report import Figure

SOCKETS = 10_000  # less where the hard limit on descriptors is below that; what it was is printed
SECONDS = 60.0
STREAMS = 50
CHUNKS = 250
INTERVAL_MS = 40.0  # twenty-five words a second, about as fast as a large model writes
STREAM_SECONDS = CHUNKS * INTERVAL_MS / 1e3
HERD = 2_000
HERDS = 3
HERD_SECONDS_MAX = 60.0
ADDRESSES = 8
OPEN_SECONDS_MAX = 600.0
DESCRIPTORS_BESIDE = 500  # of a process: its database's connections, its files
LOOK_SECONDS = 0.02  # between two requests of somebody else while a herd comes back
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Swarm:
    pid: int
    log: Path

    async def work(self, seconds_max: float) -> dict[str, Any]:
        """Let it do once what it is for; what it saw."""
        before = self._said()
        os.kill(self.pid, signal.SIGUSR1)
        async with asyncio.timeout(seconds_max):
            while len(said := self._said()) == len(before):
                if b"Traceback" in self.log.read_bytes():
                    raise SystemExit(f"the swarm broke:\n{printed_end(self.log)}")
                await asyncio.sleep(POLL_SECONDS)
        seen: dict[str, Any] = orjson.loads(said[-1])
        return seen

    def _said(self) -> list[bytes]:
        lines = self.log.read_bytes().splitlines(keepends=True)
        return [line for line in lines if line.startswith(swarm.DONE) and line.endswith(b"\n")]


@contextlib.asynccontextmanager
async def _swarm(process: HubProcess, mode: str, tokens: Sequence[str], seconds: float) -> AsyncIterator[Swarm]:
    listed, log = process.folder / "tokens", process.folder / "swarm.log"
    listed.write_text("\n".join(tokens))
    words = ["-m", "bench.swarm", mode, "--port", str(process.port), "--tokens", str(listed)]
    words += ["--addresses", str(ADDRESSES), "--seconds", str(seconds)]
    async with running(words, os.environ, swarm.READY, log, seconds_max=OPEN_SECONDS_MAX) as pid:
        yield Swarm(pid, log)


async def measure() -> list[Figure]:
    count = min(SOCKETS, _raise_descriptors() - DESCRIPTORS_BESIDE)
    async with hub() as process:
        tokens = await sign_up(process, count + STREAMS)
        await asyncio.sleep(SETTLE_SECONDS)
        before, started = process.resident_kib(), time.perf_counter()
        async with _swarm(process, "idle", tokens[STREAMS:], SECONDS) as held:
            opened_seconds, kib = time.perf_counter() - started, (process.resident_kib() - before) / count
            async with _streams(process, tokens[:STREAMS]) as streamed:
                used, began = process.used(), time.perf_counter()
                async with _another(process) as waited_ms:
                    seen = await held.work(3 * SECONDS)
                percent = process.since(used).hub / (time.perf_counter() - began) * 100
    return [
        Figure("sockets that were opened", "", [seen["opened"]], f"{SOCKETS:,}"),
        Figure("opening one", "ms", [opened_seconds / count * 1e3]),
        Figure("memory of a socket with its user", "KiB", [kib], "<= 25"),
        Figure(f"sockets lost in {SECONDS:g} s", "", [seen["lost"]], "0"),
        Figure(f"streams that {STREAMS} sockets followed meanwhile", "", [len(streamed)]),
        Figure("hub CPU meanwhile", "% of a core", [percent]),
        Figure("an operation until its balance arrives, median", "ms", [statistics.median(seen["balance_ms"])]),
        Figure("an operation until its balance arrives, p99", "ms", [p99(seen["balance_ms"])], "<= 100"),
        Figure("another's request meanwhile, which asks the database nothing, p99", "ms", [p99(waited_ms)]),
        Figure("how late the load generator itself was, p99", "ms", [p99(seen["late_ms"])]),
    ]


def p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[-1]


def _raise_descriptors() -> int:
    """As many as may be had, for the processes that are started from here as well."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


@contextlib.asynccontextmanager
async def _streams(process: HubProcess, tokens: Sequence[str]) -> AsyncIterator[list[None]]:
    """A stream on each of these sockets, one after the other, until the block ends; the list grows with each that ended."""
    messages = [{"role": "user", "content": "Say the same word many times, please, and nothing else."}]
    command = orjson.dumps({"id": 2, "type": "chat.start", "model": "gpt-4", "messages": messages, "max_tokens": 1_000})
    ended: list[None] = []

    async def repeat(socket: Socket, number: int) -> None:
        await asyncio.sleep(number * STREAM_SECONDS / STREAMS)  # people do not begin in step
        while True:
            await socket.ask(command, b'"type":"chat.completed","stream_id"')
            ended.append(None)

    async with (
        provider(process.provider_port, process.provider_log, chunks=CHUNKS, interval_ms=INTERVAL_MS),
        sockets(process.port, tokens) as opened,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(repeat(socket, number)) for number, socket in enumerate(opened)]
        try:
            await asyncio.sleep(STREAM_SECONDS)
            ended.clear()
            yield ended
        finally:
            for task in tasks:
                task.cancel()


async def measure_herd() -> list[Figure]:
    _raise_descriptors()
    all_back: list[float] = []
    median_back: list[float] = []
    waits_ms: list[float] = []
    recovered: list[float] = []
    cpu_ms: list[float] = []
    async with hub() as process:
        tokens = await sign_up(process, HERD)
        await asyncio.sleep(SETTLE_SECONDS)
        async with _swarm(process, "herd", tokens, HERD_SECONDS_MAX) as held:
            for _ in range(HERDS):
                used = process.used()
                async with _another(process) as waited_ms:
                    seen = await held.work(2 * HERD_SECONDS_MAX)
                cpu_ms.append(process.since(used).hub / HERD * 1e3)
                all_back.append(seen["back_seconds"][-1])
                median_back.append(statistics.median(seen["back_seconds"]))
                recovered.append(seen["recovered"])
                waits_ms.append(max(waited_ms))
    return [
        Figure(f"{HERD:,} sockets cut: all are back after", "s", all_back, "<= 10"),
        Figure("half of them are back after", "s", median_back),
        Figure("of them recovered", "", recovered, f"{HERD:,}"),
        Figure("hub CPU a socket that comes back", "ms", cpu_ms),
        Figure("the longest wait of another's request meanwhile", "ms", waits_ms),
    ]


@contextlib.asynccontextmanager
async def _another(process: HubProcess) -> AsyncIterator[list[float]]:
    """Somebody else's requests while the block runs, a few at a time: how long each took, in milliseconds."""
    request = f"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1:{process.port}\r\n\r\n".encode()
    waited_ms: list[float] = []

    async def ask() -> None:
        async with connections(process.port, 1) as (connection,):
            while True:
                started = time.perf_counter()
                await connection.ask(request)
                waited_ms.append((time.perf_counter() - started) * 1e3)
                await asyncio.sleep(LOOK_SECONDS)

    asking = asyncio.create_task(ask())
    try:
        yield waited_ms
    finally:
        asking.cancel()
        await asyncio.wait([asking])
