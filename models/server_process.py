"""The process of an embedded server: its start, its adoption after a crash of the hub, its end.

It outlives a hub that is killed. The next hub finds it by a pid in the server's folder, and trusts that only as far as
the pid's command line is the server's own: pids are used again. Never speaks to the server.
"""

import asyncio
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from config import limits


@dataclass(slots=True)
class ServerProcess:
    """A running, or ended, server; `child` is None for one that another process started."""

    pid: int
    command: tuple[str, ...]
    child: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def option(self, name: str) -> str | None:
        """The word behind `name` on its command line."""
        return self.command[self.command.index(name) + 1] if name in self.command[:-1] else None

    def alive(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return command_of(self.pid) == self.command

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs, and for a process that is not our child."""
        return self.child.returncode if self.child is not None else None

    async def end(self) -> bool:
        """Ask it to end, insist after `EMBEDDED_STOP_SECONDS_MAX`; whether it ended by being asked."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.send(number)
            if await self._ended_within(limits.EMBEDDED_STOP_SECONDS_MAX):
                return number is signal.SIGTERM
        return False

    def send(self, number: signal.Signals) -> None:
        if self.alive():
            os.kill(self.pid, number)

    async def _ended_within(self, seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.alive():
            if loop.time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True


def spawn(words: tuple[str, ...]) -> ServerProcess:
    """Start it in a session of its own: Ctrl-C in the hub's terminal must not end a server before the hub drained."""
    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    return ServerProcess(child.pid, words, child)


def running(pid_file: Path) -> ServerProcess | None:
    """The process whose pid stands in this file, if there is one: what it is, its command line tells."""
    try:
        pid = int(pid_file.read_text())
    except (OSError, ValueError):
        return None
    words = command_of(pid)
    return ServerProcess(pid, words) if words else None


def command_of(pid: int) -> tuple[str, ...]:
    """Its command line; empty for a process that is gone, a zombie, or another user's."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in text.split(b"\0")[:-1])


def restart_pause(restarts: int, seconds_max: float) -> float:
    """How long to wait before what ended is started again, in seconds: at once at first, doubled with each in a row."""
    return min(0.25 * ((1 << min(restarts, 16)) - 1), seconds_max)
