"""The embedded database against its real program: starts, crashes, lost ports, adoption, and the folder's lock."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymongo import AsyncMongoClient
from structlog.testing import capture_logs

from config import limits
from models import database, mongod_binary, mongod_process
from models.data_lock import DataFolderInUse, DataLock
from models.embedded import EmbeddedMongod
from models.mongod_binary import EmbeddedError
from models.mongod_process import Files
from tests.patience import until

# Another hub process: it starts the database in the folder it is given, says so, and is then killed.
_ROOT = Path(__file__).parents[2]
_HUB = """
import asyncio, sys
from pathlib import Path
from models.data_lock import DataLock
from models.embedded import EmbeddedMongod

async def main():
    folder = Path(sys.argv[1])
    DataLock(folder / "hub.lock").acquire()
    mongod = EmbeddedMongod(folder)
    await mongod.start()
    print("pid", mongod.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A data folder; a mongod that a failed test left on it is ended."""
    yield tmp_path
    left = mongod_process.running(Files(tmp_path / "mongod"))
    if left is not None:
        os.kill(left.pid, signal.SIGKILL)


@asynccontextmanager
async def _started(folder: Path) -> AsyncIterator[tuple[EmbeddedMongod, str]]:
    mongod = EmbeddedMongod(folder)
    uri = await mongod.start()
    try:
        yield mongod, uri
    finally:
        await mongod.stop()


def _client(uri: str) -> AsyncMongoClient[dict[str, str]]:
    return AsyncMongoClient(uri, serverSelectionTimeoutMS=5_000)


async def _write(uri: str, name: str) -> None:
    async with _client(uri) as client:
        await client.kept.things.insert_one({"_id": name})


async def _write_in_transaction(uri: str, name: str) -> None:
    async with _client(uri) as client, client.start_session() as mongo_session, await mongo_session.start_transaction():
        await client.kept.things.insert_one({"_id": name}, session=mongo_session)


async def _names(uri: str) -> list[str]:
    async with _client(uri) as client:
        return [thing["_id"] async for thing in client.kept.things.find(sort=[("_id", 1)])]


def _exists(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rsplit(") ", 1)[1][0] not in "ZX"


def _crashed_hub(folder: Path) -> int:
    """Run another hub on the folder, kill it, and return the pid of the mongod that it leaves."""
    with subprocess.Popen(
        [sys.executable, "-c", _HUB, str(folder)], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    ) as hub:
        assert hub.stdout is not None
        pid = next(int(line.split()[1]) for line in hub.stdout if line.startswith("pid"))
        hub.kill()
    assert _exists(pid)
    return pid


def test_a_fresh_folder_gets_transactions_and_keeps_its_data(folder: Path) -> None:
    async def scenario() -> None:
        async with _started(folder) as (mongod, uri):
            pid, port = mongod.pid, mongod.port
            assert pid is not None
            await _write_in_transaction(uri, "first")
            lifetime = await database.admin(
                uri, {"getParameter": 1, "transactionLifetimeLimitSeconds": 1}, timeout_seconds=5
            )
            assert lifetime["transactionLifetimeLimitSeconds"] == limits.EMBEDDED_TRANSACTION_SECONDS
            with pytest.raises(database.DatabaseError):
                await database.admin(uri, {"configureFailPoint": "failCommand", "mode": "off"}, timeout_seconds=5)
        await until(lambda: not _exists(pid))
        assert mongod.pid is None
        async with _started(folder) as (mongod, uri):
            assert (await _names(uri), mongod.port) == (["first"], port)

    asyncio.run(scenario())


def test_it_is_kept_from_the_network_the_terminal_and_other_users(folder: Path) -> None:
    async def scenario() -> None:
        async with _started(folder) as (mongod, _):
            assert os.getsid(mongod.pid or 0) == mongod.pid, "Ctrl-C reaches only the terminal's own session"
            listening = _listening_addresses(mongod.port or 0)
            assert listening == {"0100007F"}, "hexadecimal 127.0.0.1, and no IPv6"
        assert (folder / "mongod").stat().st_mode & 0o077 == 0

    asyncio.run(scenario())


def _listening_addresses(port: int) -> set[str]:
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


def test_a_mongod_that_outlived_its_hub_is_adopted(folder: Path) -> None:
    pid = _crashed_hub(folder)

    async def scenario() -> None:
        async with _started(folder) as (mongod, uri):
            assert mongod.pid == pid
            await _write(uri, "kept")
        await until(lambda: not _exists(pid))

    asyncio.run(scenario())


def test_one_that_runs_with_other_options_is_started_anew(folder: Path) -> None:
    pid = _crashed_hub(folder)

    async def scenario() -> None:
        mongod = EmbeddedMongod(folder, test_commands=True)
        uri = await mongod.start()
        try:
            await until(lambda: not _exists(pid))
            await database.admin(uri, {"configureFailPoint": "failCommand", "mode": "off"}, timeout_seconds=5)
        finally:
            await mongod.stop()

    asyncio.run(scenario())


def test_a_killed_mongod_is_started_again_on_its_port(folder: Path) -> None:
    async def scenario() -> None:
        async with _started(folder) as (mongod, uri):
            await _write(uri, "before")
            pid, port = mongod.pid, mongod.port
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await until(lambda: mongod.pid not in (None, pid))
            await _write(uri, "while it recovers")
            assert mongod.port == port
            assert await _names(uri) == ["before", "while it recovers"]

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert {"embedded database ended", "embedded database serves again"} <= {entry["event"] for entry in logs}


def test_a_crash_of_both_loses_nothing(folder: Path) -> None:
    async def write(pid: int) -> None:
        port = (folder / "mongod" / "port").read_text().strip()
        await _write(f"mongodb://127.0.0.1:{port}/?replicaSet=hub", "before")
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not _exists(pid))

    async def scenario() -> None:
        assert (folder / "mongod" / "db" / "mongod.lock").read_text(), "the killed mongod left its lock"
        async with _started(folder) as (_, uri):
            assert await _names(uri) == ["before"]

    pid = _crashed_hub(folder)
    asyncio.run(write(pid))
    asyncio.run(scenario())


def test_a_port_that_someone_else_has_is_exchanged(folder: Path) -> None:
    async def first() -> int:
        async with _started(folder) as (mongod, uri):
            await _write(uri, "before")
            return mongod.port or 0

    async def second(taken: int) -> None:
        async with await asyncio.start_server(_hang_up, "127.0.0.1", taken), _started(folder) as (mongod, uri):
            assert mongod.port != taken
            assert await _names(uri) == ["before"]

    asyncio.run(second(asyncio.run(first())))


async def _hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def test_a_used_pid_does_not_pass_for_the_database(tmp_path: Path) -> None:
    files = Files(tmp_path / "mongod")
    files.make()
    for text in (str(os.getpid()), "", "4194305", "not a number"):
        files.pid.write_text(text)
        assert mongod_process.running(files) is None


def test_a_full_log_is_put_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EMBEDDED_LOG_BYTES_MAX", 1_000)

    async def scenario() -> None:
        async with _started(folder):
            await until((folder / "mongod" / "mongod.log.1").exists)
            await until((folder / "mongod" / "mongod.log").exists)

    asyncio.run(scenario())


def test_a_program_that_ends_at_once_is_reported(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mongod_binary, "find", lambda: Path("/bin/false"))
    with pytest.raises(EmbeddedError, match=r"status 1: see .*mongod\.log"):
        asyncio.run(EmbeddedMongod(folder).start())


def test_stop_before_start_and_twice_is_harmless(folder: Path) -> None:
    async def scenario() -> None:
        mongod = EmbeddedMongod(folder)
        await mongod.stop()
        await mongod.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize(("system", "machine"), [("darwin", "arm64"), ("linux", "aarch64")])
def test_other_machines_are_told_to_bring_a_database(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    with pytest.raises(EmbeddedError, match="HUB_MONGODB_URI"):
        mongod_binary.find()


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ldd = tmp_path / "ldd"
    ldd.write_text(
        "#!/bin/sh\n"
        "echo '	libcurl.so.4 => not found'\n"
        "echo '	libm.so.6 => /lib/libm.so.6 (0x00007f)'\n"
        'echo "mongod: /lib/libc.so.6: version \\`GLIBC_2.34\' not found (required by mongod)" >&2\n'
    )
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    missing = mongod_binary.missing_libraries(Path("/bin/true"))
    assert missing == ["GLIBC_2.34", "libcurl.so.4"]
    message = str(mongod_binary.explain_missing(missing))
    assert "GLIBC_2.34, libcurl.so.4" in message
    assert "HUB_MONGODB_URI" in message


def test_two_hubs_cannot_share_a_folder(tmp_path: Path) -> None:
    lock, second = DataLock(tmp_path / "hub.lock"), DataLock(tmp_path / "hub.lock")
    lock.acquire()
    with pytest.raises(DataFolderInUse, match=f"the process {os.getpid()}"):
        second.acquire()
    lock.release()
    second.acquire()
    second.release()


def test_a_killed_hub_leaves_its_folder_free(folder: Path) -> None:
    os.kill(_crashed_hub(folder), signal.SIGKILL)
    lock = DataLock(folder / "hub.lock")
    lock.acquire()
    lock.release()
