"""The supervisor: so many workers, each started again when it ends, and all ended together.

    start --spawn--> worker --"ready"--> all ready        worker ends --pause--> spawn
    worker --"ready", every WORKER_BEAT_SECONDS--> it runs; silent for WORKER_SILENCE_SECONDS_MAX: SIGKILL
    end   --SIGTERM--> workers drain --within WORKER_STOP_SECONDS_MAX--> gone, else SIGKILL

A worker is a fresh Python process, never a fork of this one: it has its own loop and its own connections. It serves the
ports by itself; nothing of a request passes through here.
"""

import asyncio
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import structlog

from config import limits
from hub.processes.told import Told
from hub.tasks import Tasks
from models.server_process import restart_pause

log = structlog.get_logger(__name__)

_POLL_SECONDS = 0.02


class WorkerFailed(Exception):
    """A worker could not start; the message is its own, in sentences for an operator."""


@dataclass(slots=True)
class _Worker:
    """A process, our end of its socket, and why it says that it failed."""

    process: "subprocess.Popen[bytes]"
    line: socket.socket
    failure: str | None = field(default=None)
    serves: bool = field(default=False)

    async def listen(self, ready: "asyncio.Future[None]") -> None:
        """Return when it has ended, by itself or killed because it hangs; `ready` is told when it serves."""
        reader, writer = await asyncio.open_connection(sock=self.line, limit=limits.WORKER_WORD_BYTES_MAX)
        try:
            await self._hear_all(reader, ready)
        except (OSError, ValueError):
            pass  # it broke off in the middle of a word: its end is what counts
        finally:
            writer.close()
        await self._gone()

    async def _hear_all(self, reader: asyncio.StreamReader, ready: "asyncio.Future[None]") -> None:
        """Hear it until its end of the socket is closed, or it has been silent for too long.

        Silence is counted in steps: where it was us who were stopped, what it said meanwhile is read within the first.
        """
        silent_seconds = 0.0
        while silent_seconds < self._patience_seconds:
            try:
                async with asyncio.timeout(limits.WORKER_BEAT_SECONDS):
                    word = await reader.readline()
            except TimeoutError:
                silent_seconds += limits.WORKER_BEAT_SECONDS
                continue
            if not word:
                return
            silent_seconds = 0.0
            self._hear(orjson.loads(word), ready)
        what = "said nothing for" if self.serves else "did not start within"
        self._kill(f"A worker {what} {self._patience_seconds:g} s")

    @property
    def _patience_seconds(self) -> float:
        return limits.WORKER_SILENCE_SECONDS_MAX if self.serves else limits.WORKER_START_SECONDS_MAX

    def _hear(self, word: Mapping[str, object], ready: "asyncio.Future[None]") -> None:
        if "failed" in word:
            self.failure = str(word["failed"])
            return
        self.serves = True
        if not ready.done():
            ready.set_result(None)

    async def _gone(self) -> None:
        """The socket is closed a moment before the process is gone. One that stays, as for a thread's sake, is killed."""
        try:
            async with asyncio.timeout(limits.WORKER_SILENCE_SECONDS_MAX):
                await self._ended()
        except TimeoutError:
            self._kill("A worker closed its socket and did not end")
            await self._ended()

    async def _ended(self) -> None:
        while self.process.poll() is None:
            await asyncio.sleep(_POLL_SECONDS)

    def _kill(self, why: str) -> None:
        self.failure = self.failure or why
        self.send(signal.SIGKILL)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)  # to one that has ended it sends nothing


def _served(first: "asyncio.Future[None]") -> bool:
    return first.done() and not first.cancelled() and first.exception() is None


class Supervisor:
    """`command` is what a worker is started by; its number and its end of the socket are added to it."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], count: int, tasks: Tasks) -> None:
        self._command = command
        self._environ = environ
        self._count = count
        self._tasks = tasks
        self._workers: dict[int, _Worker] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()

    async def start(self) -> None:
        """Return when all serve. Raises `WorkerFailed` as soon as one does not in time; `end` is due in any case."""
        loop = asyncio.get_running_loop()
        firsts = [loop.create_future() for _ in range(self._count)]
        for number, first in enumerate(firsts):
            self._keepers.append(self._tasks.start(self._keep(number, first), f"worker {number}"))
        await asyncio.gather(*firsts)

    async def end(self, told: Told) -> None:
        """End all workers in order; a second signal hurries them, and the deadline ends their time."""
        self._ending.set()
        try:
            async with asyncio.timeout(limits.WORKER_STOP_SECONDS_MAX):
                self._tell(signal.SIGTERM)
                if not await told.unless_hurried(self._all_ended()):
                    self._tell(signal.SIGINT)  # another one: two of a kind may arrive as one
                    await self._all_ended()
        except TimeoutError:
            log.warning("some workers had to be killed", pids=[worker.process.pid for worker in self._workers.values()])
            self._tell(signal.SIGKILL)
            await self._all_ended()

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._workers.values():
            worker.send(number)

    async def _all_ended(self) -> None:
        if self._keepers:
            await asyncio.wait(self._keepers)

    async def _keep(self, number: int, first: "asyncio.Future[None]") -> None:
        """Have a worker until the end. One that fails at the hub's start is not tried again: the hub ends, and says why."""
        restarts = 0
        while not self._ending.is_set():
            lived_seconds = await self._run(number, first)
            if not _served(first):
                return
            if lived_seconds > limits.WORKER_STEADY_SECONDS:
                restarts = 0
            await self._pause(restart_pause(restarts, limits.WORKER_RESTART_SECONDS_MAX))
            restarts += 1

    async def _run(self, number: int, first: "asyncio.Future[None]") -> float:
        """One life of a worker, in seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            worker = self._workers[number] = self._spawn(number)
        except OSError as error:  # the machine has no room for one more
            self._ended(number, first, None, str(error))
            return 0.0
        await worker.listen(first)
        del self._workers[number]
        self._ended(number, first, worker.process.returncode, worker.failure)
        return loop.time() - began

    def _ended(self, number: int, first: "asyncio.Future[None]", status: int | None, why: str | None) -> None:
        """Say so, unless it was to end: to whoever waits for the start, afterwards in the log."""
        if self._ending.is_set():
            return
        if first.done():
            log.error("a worker ended", worker=number, status=status, why=why)
        else:
            first.set_exception(WorkerFailed(why or f"A worker ended with status {status} before it served"))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        except TimeoutError:
            pass  # it is not the end

    def _spawn(self, number: int) -> _Worker:
        """In a session of its own: Ctrl-C in the terminal is for the supervisor, which tells it on."""
        ours, theirs = socket.socketpair()
        with theirs:
            end = theirs.fileno()
            try:
                process = subprocess.Popen(
                    [*self._command, "--number", str(number), "--parent", str(end)],
                    stdin=subprocess.DEVNULL,
                    env=dict(self._environ),
                    pass_fds=(end,),
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        log.info("a worker starts", worker=number, pid=process.pid)
        ours.setblocking(False)
        return _Worker(process, ours)
