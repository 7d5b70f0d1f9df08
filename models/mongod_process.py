"""One `mongod` process: its files, its command line, its port, and how it is found after a crash of the hub.

The next hub finds it by the pid that mongod itself writes into its folder, and takes it for ours only if its command
line names this very folder. Never speaks to the server.
"""

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from config import limits
from models import server_process
from models.server_process import ServerProcess

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


def port_of(process: ServerProcess) -> int:
    """Where it listens, on 127.0.0.1."""
    return int(process.option("--port") or 0)


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


def running(files: Files) -> ServerProcess | None:
    """The mongod that still runs on this folder, whoever started it."""
    process = server_process.running(files.pid)
    return process if process is not None and process.option("--dbpath") == str(files.database) else None


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
