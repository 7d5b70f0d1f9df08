"""Other processes: starting and ending them, their CPU and memory as the kernel counts them, free ports."""

import asyncio
import contextlib
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, STDOUT, Popen, TimeoutExpired

from bench import bare_relay

ROOT = Path(__file__).parent.parent
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 30.0
_POLL_SECONDS = 0.02
_PORT_FIRST, _PORT_LAST = 10_000, 19_999


def cpu_seconds(pids: Sequence[int]) -> float:
    """What these processes have used so far: utime + stime, to a hundredth of a second each."""
    return sum(sum(map(int, _stat(pid)[11:13])) for pid in pids) / _TICKS_PER_SECOND


def idle_seconds() -> float:
    """What all cores of the machine have been idle, those included on which something waits for a disk."""
    idle, waiting = Path("/proc/stat").read_text().split(maxsplit=6)[4:6]
    return (int(idle) + int(waiting)) / _TICKS_PER_SECOND


def resident_kib(pids: Sequence[int]) -> int:
    """Resident memory of these processes."""
    return sum(int(_stat(pid)[21]) for pid in pids) * os.sysconf("SC_PAGE_SIZE") // 1_024


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third on; the second, the name, may contain spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def descendants(pid: int) -> list[int]:
    """All children of a process and theirs."""
    children = [
        int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
    ]
    return children + [deeper for child in children for deeper in descendants(child)]


def free_port() -> int:
    """Below the kernel's range for outgoing connections: one of ten thousand of these would take it before its server."""
    while True:
        port = _PORT_FIRST + secrets.randbelow(_PORT_LAST - _PORT_FIRST + 1)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@contextlib.asynccontextmanager
async def running(
    words: Sequence[str],
    environment: Mapping[str, str],
    ready: bytes,
    log: Path,
    *,
    program: str = sys.executable,
    seconds_max: float = _START_SECONDS_MAX,
) -> AsyncIterator[int]:
    """Run a program, else our Python, with `words` until the block ends, from when it has printed `ready`; gives the pid.

    All that it prints goes to `log`, whose end is shown when the process ends before it is ready.
    """
    process = _start([program, *words], environment, log)
    try:
        await _until_ready(process, ready, log, seconds_max)
        yield process.pid
    finally:
        await asyncio.to_thread(_end, process)


def _start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> "Popen[bytes]":
    """Not the loop's own way: it forks, and the database driver's clients of this process would start in the child."""
    with log.open("wb") as output:
        return Popen(command, stdin=DEVNULL, stdout=output, stderr=STDOUT, cwd=ROOT, env=dict(environment))


async def _until_ready(process: "Popen[bytes]", ready: bytes, log: Path, seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while ready not in _printed(log):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"a process did not start:\n{printed_end(log)}")
        await asyncio.sleep(_POLL_SECONDS)


def _printed(log: Path) -> bytes:
    return log.read_bytes()


def printed_end(log: Path) -> str:
    """The last that a process printed."""
    return _printed(log)[-3_000:].decode(errors="replace")


def _end(process: "Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS_MAX)
    except TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True, slots=True)
class BareRelay:
    """A bare relay before the provider: measured in the same run, it tells how fast this machine is."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        return cpu_seconds([self.pid])


@contextlib.asynccontextmanager
async def relay(provider_port: int, log: Path) -> AsyncIterator[BareRelay]:
    port = free_port()
    words = ["-m", "bench.bare_relay", "--port", str(port), "--provider", str(provider_port)]
    async with running(words, os.environ, bare_relay.READY, log) as pid:
        yield BareRelay(pid, port)


@contextlib.asynccontextmanager
async def provider(
    port: int, log: Path, *, chunks: int, first_token_ms: float = 20.0, interval_ms: float = 0.0
) -> AsyncIterator[int]:
    """A stand-in for an OpenAI server on `port`, and its pid; without an interval it sends its chunks in a few writes."""
    pace = ["--interval-ms", str(interval_ms)] if interval_ms else ["--burst"]
    words = ["-m", "tests.stand_ins.openai_server", "--port", str(port), "--chunks", str(chunks)]
    words += ["--first-token-ms", str(first_token_ms), *pace]
    async with running(words, os.environ, b"http://", log) as pid:
        yield pid
