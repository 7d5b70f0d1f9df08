"""The embedded database: a real `mongod` as a one-member replica set under the data folder.

    start --adopt or spawn--> mongod --hello--> initiate or reconfigure --> writable primary --> watched until stop

It owns the process's life: a mongod that a killed hub left running is adopted, one that dies is started again on its
port, a port that someone else has taken is exchanged for another. Never touches the hub's own data.
"""

import asyncio
import signal
from pathlib import Path

import structlog

from config import limits
from models import database, mongod_binary, mongod_process, server_process
from models.mongod_binary import EmbeddedError
from models.mongod_process import REPLICA_SET, Files, port_of
from models.server_process import ServerProcess

log = structlog.get_logger(__name__)

_ANSWER_SECONDS_MAX = 5.0
_POLL_SECONDS = 0.02


class _Ended(Exception):
    """The process ended before it served."""


class EmbeddedMongod:
    """One `mongod` on `<data_dir>/mongod`. The caller holds the data folder's lock (`models/data_lock.py`)."""

    def __init__(self, data_dir: Path, *, test_commands: bool = False) -> None:
        self._files = Files(data_dir.resolve() / "mongod")
        self._test_commands = test_commands  # lets tests place faults in the server
        self._process: ServerProcess | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._restarts = 0  # in a row

    @property
    def pid(self) -> int | None:
        """The running server's process; None before `start` and after `stop`."""
        return self._process.pid if self._process else None

    @property
    def port(self) -> int | None:
        """The server's port on 127.0.0.1, which does not change while the hub runs."""
        return port_of(self._process) if self._process else None

    @staticmethod
    def running_address(data_dir: Path) -> str:
        """The URI of the server that another process runs on this folder. Raises `EmbeddedError` where there is none."""
        process = mongod_process.running(Files(data_dir.resolve() / "mongod"))
        if process is None:
            raise EmbeddedError(f"No embedded database runs on {data_dir}")
        return _uri(process)

    async def start(self) -> str:
        """Have a writable primary and return its URI.

        Raises `EmbeddedError` where the program is missing, lacks a library, or ends each time it is started.
        """
        binary = mongod_binary.find()
        self._files.make()
        try:
            process = await self._serve(binary)
        except BaseException:
            await self._end()
            raise
        self._watcher = asyncio.create_task(self._watch(binary), name="embedded mongod")
        self._watcher.add_done_callback(_report)
        log.info("embedded database serves", port=port_of(process), pid=process.pid, adopted=process.child is None)
        return _uri(process)

    async def stop(self) -> None:
        """End the server cleanly, by force after `EMBEDDED_STOP_SECONDS_MAX`. Safe to call twice, and before `start`."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and not await process.end():
            log.warning("embedded database had to be killed; it recovers at its next start", pid=process.pid)

    async def _serve(self, binary: Path) -> ServerProcess:
        """Adopt or start it, again where it ends early: its port may be lost to someone else between look and use."""
        for _ in range(limits.EMBEDDED_START_TRIES):
            self._process = process = await self._adopted(binary) or self._spawned(
                binary, mongod_process.choose_port(self._files)
            )
            try:
                await self._until_primary(process)
            except _Ended:
                await self._explain_end(binary)
            else:
                return process
        raise EmbeddedError(
            f"The embedded database ended {limits.EMBEDDED_START_TRIES} times while starting, at last with status "
            f"{process.status}: see {self._files.log}"
        )

    async def _adopted(self, binary: Path) -> ServerProcess | None:
        """The server that runs on our folder; ended first where it was started in another way than we would."""
        process = mongod_process.running(self._files)
        if process is None:
            return None
        if process.command == mongod_process.command(binary, self._files, port_of(process), self._test_commands):
            mongod_process.keep_port(self._files, port_of(process))
            return process
        log.info("embedded database runs with other options: starting it anew", pid=process.pid)
        await process.end()
        return None

    def _spawned(self, binary: Path, port: int) -> ServerProcess:
        self._bound_log(None)
        mongod_process.keep_port(self._files, port)
        words = mongod_process.command(binary, self._files, port, self._test_commands)
        return server_process.spawn(words)

    async def _explain_end(self, binary: Path) -> None:
        """Raise at once for what no further try can mend."""
        missing = await asyncio.to_thread(mongod_binary.missing_libraries, binary)
        if missing:
            raise mongod_binary.explain_missing(missing)

    async def _until_primary(self, process: ServerProcess) -> None:
        try:
            async with asyncio.timeout(limits.EMBEDDED_START_SECONDS_MAX):
                while not await self._is_primary(process):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            raise EmbeddedError(
                f"The embedded database did not serve within {limits.EMBEDDED_START_SECONDS_MAX} s: "
                f"see {self._files.log}"
            ) from None

    async def _is_primary(self, process: ServerProcess) -> bool:
        if not process.alive():
            raise _Ended
        if not await _accepts(port_of(process)):
            return False
        try:
            hello = await _ask(process, {"hello": 1})
            if hello.get("isreplicaset"):  # no valid configuration: a new folder, or one with another port
                await _configure(process)
        except database.DatabaseError as error:
            log.debug("embedded database is not ready", error=str(error))
            return False
        return bool(hello.get("isWritablePrimary"))

    async def _watch(self, binary: Path) -> None:
        """Start the server again whenever it ends, and keep its log within bounds, until cancelled."""
        loop = asyncio.get_running_loop()
        served_at = loop.time()
        while True:
            await asyncio.sleep(limits.EMBEDDED_WATCH_SECONDS)
            process = self._process
            if process is not None and process.alive():
                self._bound_log(process)
                continue
            if loop.time() - served_at > limits.EMBEDDED_STEADY_SECONDS:
                self._restarts = 0
            await self._restart(binary, process)
            served_at = loop.time()

    async def _restart(self, binary: Path, dead: ServerProcess | None) -> None:
        """One try, after a pause that doubles with each try in a row. The port stays: clients know no other."""
        pause_seconds = server_process.restart_pause(self._restarts, limits.EMBEDDED_RESTART_SECONDS_MAX)
        self._restarts += 1
        port = port_of(dead) if dead else mongod_process.choose_port(self._files)
        log.error("embedded database ended", status=dead.status if dead else None, pause_seconds=pause_seconds)
        await asyncio.sleep(pause_seconds)
        try:
            self._process = process = self._spawned(binary, port)
            await self._until_primary(process)
        except (_Ended, EmbeddedError, OSError) as error:
            log.error("embedded database did not start again", error=str(error) or "it ended", log=str(self._files.log))
        else:
            log.warning("embedded database serves again", port=port, pid=process.pid)

    def _bound_log(self, process: ServerProcess | None) -> None:
        """Put a full log aside; a running server is told to open a new one."""
        try:
            full = self._files.log.stat().st_size > limits.EMBEDDED_LOG_BYTES_MAX
        except FileNotFoundError:
            return
        if full:
            self._files.log.replace(self._files.old_log)
            if process is not None:
                process.send(signal.SIGUSR1)


def _uri(process: ServerProcess) -> str:
    return f"mongodb://127.0.0.1:{port_of(process)}/?replicaSet={REPLICA_SET}"


def _report(watcher: asyncio.Task[None]) -> None:
    if not watcher.cancelled() and (error := watcher.exception()) is not None:
        log.error("embedded database is no longer watched", exc_info=error)


async def _accepts(port: int) -> bool:
    """A bare connection, far cheaper than asking a driver that something listens."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _ask(process: ServerProcess, command: database.Document) -> database.Document:
    return await database.admin(
        f"mongodb://127.0.0.1:{port_of(process)}/", command, timeout_seconds=_ANSWER_SECONDS_MAX
    )


async def _configure(process: ServerProcess) -> None:
    """Make the replica set of a new folder, or give it the port it has now.

    In the second case mongod first asks whoever has the old port whether that is itself, and serves only after 30 s
    where a listener there takes the connection and never answers.
    """
    host = f"127.0.0.1:{port_of(process)}"
    try:
        config = (await _ask(process, {"replSetGetConfig": 1}))["config"]
    except database.DatabaseUnavailable:
        raise
    except database.DatabaseError:  # refused: there is none yet
        config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": host}]}
        await _ask(process, {"replSetInitiate": config})
        return
    if config["members"][0]["host"] != host:
        config["members"][0]["host"] = host
        config["version"] += 1
        await _ask(process, {"replSetReconfig": config, "force": True})  # alone and removed, it can ask no one
