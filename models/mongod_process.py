"""One `mongod` process: its command line, its start, its adoption after a crash of the hub, its end.

The process outlives a hub that is killed. The next hub finds it by the pid that mongod itself writes into its folder,
and trusts it only if that pid's command line names this very folder: pids are used again. Never speaks to the server.
"""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from config import limits

REPLICA_SET = "hub"

# Below the kernel's range for outgoing connections: else a client that tries again while mongod is away may be given
# the very port as its own, connect to itself and keep mongod from coming back.
_PORT_FIRST, _PORT_LAST = 20_000, 29_999
_PORT_TRIES = 200


@dataclass(frozen=True, slots=True)
class Files:
    """Where things lie in the database's folder."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "db"

    @property
    def log(self) -> Path:
        return self.folder / "mongod.log"

    @property
    def old_log(self) -> Path:
        return self.folder / "mongod.log.1"

    @property
    def port(self) -> Path:
        return self.folder / "port"

    @property
    def pid(self) -> Path:
        return self.database / "mongod.lock"  # mongod writes it at start and empties it on a clean end

    def make(self) -> None:
        self.database.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)  # the server asks for no password: the files are for the owner alone


@dataclass(slots=True)
class MongodProcess:
    """A running, or ended, `mongod`; `child` is None for one that another process started."""

    pid: int
    port: int
    command: tuple[str, ...]
    child: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def alive(self) -> bool:
        if self.child is not None:
            return self.child.poll() is None
        return _command_of(self.pid) == self.command

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


def command(binary: Path, files: Files, port: int, test_commands: bool) -> tuple[str, ...]:
    """The whole command line: a small server for one machine, on loopback only."""
    parameters = [
        f"transactionLifetimeLimitSeconds={limits.EMBEDDED_TRANSACTION_SECONDS}",
        "diagnosticDataCollectionEnabled=false",
    ]
    if test_commands:
        parameters.append("enableTestCommands=1")
    options = {
        "--port": str(port),
        "--dbpath": str(files.database),
        "--replSet": REPLICA_SET,
        "--bind_ip": "127.0.0.1",
        "--wiredTigerCacheSizeGB": str(limits.EMBEDDED_CACHE_GIGABYTES),
        "--oplogSize": str(limits.EMBEDDED_OPLOG_MEGABYTES),
        "--logpath": str(files.log),
        "--logRotate": "reopen",
    }
    pairs = [*options.items(), *(("--setParameter", parameter) for parameter in parameters)]
    flags = ("--nounixsocket", "--logappend", "--quiet")
    return (str(binary), *flags, *(word for pair in pairs for word in pair))


def spawn(words: tuple[str, ...], port: int) -> MongodProcess:
    """Start it in a session of its own: Ctrl-C in the hub's terminal must not end the database before the hub drained."""
    child = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    return MongodProcess(child.pid, port, words, child)


def running(files: Files) -> MongodProcess | None:
    """The mongod that still runs on this folder, whoever started it."""
    try:
        pid = int(files.pid.read_text())
    except (OSError, ValueError):
        return None
    words = _command_of(pid)
    if _option(words, "--dbpath") != str(files.database):
        return None
    return MongodProcess(pid, int(_option(words, "--port") or 0), words)


def _option(words: tuple[str, ...], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words[:-1] else None


def _command_of(pid: int) -> tuple[str, ...]:
    """Its command line; empty for a process that is gone, a zombie, or another user's."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(os.fsdecode(word) for word in text.split(b"\0")[:-1])


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as mongod does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(files: Files) -> int:
    """The folder's own port if it is free, else another. Raises `OSError` when none is found."""
    try:
        kept = int(files.port.read_text())
    except (OSError, ValueError):
        kept = 0
    if 0 < kept < 65_536 and port_is_free(kept):
        return kept
    for _ in range(_PORT_TRIES):
        port = _PORT_FIRST + secrets.randbelow(_PORT_LAST - _PORT_FIRST + 1)
        if port_is_free(port):
            return port
    raise OSError(f"no free port from {_PORT_FIRST} to {_PORT_LAST}")


def keep_port(files: Files, port: int) -> None:
    """Written under another name first: a crash leaves no half of it."""
    fresh = files.port.with_suffix(".new")
    fresh.write_text(f"{port}\n")
    fresh.replace(files.port)
