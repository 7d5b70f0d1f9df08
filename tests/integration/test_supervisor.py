"""The supervisor with small programs as its workers: those that die young, that never serve, and that will not end."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config import limits
from hub.processes.supervisor import Supervisor, WorkerFailed
from hub.processes.told import Told
from hub.tasks import Tasks
from models.server_process import restart_pause
from tests.patience import until

# What each does with the lines before it: the folder of the test, and the end of the supervisor's socket.
_BEGIN = """
import pathlib, signal, socket, sys, time
folder, number, line = pathlib.Path(sys.argv[1]), sys.argv[3], socket.socket(fileno=int(sys.argv[5]))
lives = folder / number
lives.open("a").write("|")
"""
_SERVES = "line.send(b'{\"ready\":true}\\n')\n"
_UNTIL_TOLD = "signal.sigwait({signal.SIGTERM})\n"
_HANGS = "signal.pause()\n"  # for good: no signal comes that it would return from
_BEATS_ON = f"""
for beat in range(1_000):
    if beat % 30 == 29:
        (folder / "lived").open("w").close()
    {_SERVES}    if signal.sigtimedwait([signal.SIGTERM], 0.05):
        sys.exit()
"""


@asynccontextmanager
async def supervised(folder: Path, program: str, count: int = 1) -> AsyncIterator[Supervisor]:
    """Ended when the block is, with nothing left."""
    told, tasks = Told(), Tasks()
    told.opened()
    supervisor = Supervisor([sys.executable, "-c", _BEGIN + program, str(folder)], {}, count, tasks)
    try:
        yield supervisor
    finally:
        await supervisor.end(told)
        await tasks.close(limits.TASKS_GRACE_SECONDS)
        assert tasks.failures == 0


def lives(folder: Path, number: int = 0) -> int:
    """How often a worker has been started."""
    return len((folder / str(number)).read_text())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_BEAT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "WORKER_SILENCE_SECONDS_MAX", 0.5)


def test_each_has_a_life_of_its_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        dies_once = 'if number == "1" and len(lives.read_text()) == 1: sys.exit(3)\n'
        async with supervised(tmp_path, _SERVES + dies_once + _UNTIL_TOLD, count=3) as supervisor:
            await supervisor.start()
            await until(lambda: lives(tmp_path, 1) == 2)
        assert [lives(tmp_path, number) for number in range(3)] == [1, 2, 1]

    asyncio.run(scenario())


def test_one_that_dies_young_waits_longer_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = [restart_pause(restarts, 10.0) for restarts in range(100)]
    assert pauses[:4] == [0, 0.25, 0.75, 1.75] and pauses == sorted(pauses) and pauses[-1] == 10.0
    monkeypatch.setattr(limits, "WORKER_RESTART_SECONDS_MAX", 0.01)

    async def scenario() -> None:
        async with supervised(tmp_path, _SERVES) as supervisor:
            await supervisor.start()
            await until(lambda: lives(tmp_path) >= 4)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ('line.send(b\'{"failed":"no room"}\\n\')\nsys.exit(1)\n', "^no room$"),
        ("sys.exit(7)\n", "status 7"),
        ("line.send(b'half a word')\nsys.exit(8)\n", "status 8"),
    ],
    ids=["in its own words", "without a word", "in the middle of one"],
)
def test_one_that_fails_at_the_start_ends_it(tmp_path: Path, program: str, why: str) -> None:
    """The others are ended although they serve."""
    others = f'if number != "1":\n    {_SERVES}    {_UNTIL_TOLD}    sys.exit()\n'

    async def scenario() -> None:
        async with supervised(tmp_path, others + program, count=3) as supervisor:
            with pytest.raises(WorkerFailed, match=why):
                await supervisor.start()

    asyncio.run(scenario())
    assert lives(tmp_path, 1) == 1, "it is not tried again"


def test_one_that_cannot_be_started_ends_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        told, tasks = Told(), Tasks()
        supervisor = Supervisor([str(tmp_path / "nothing")], {}, 1, tasks)
        with pytest.raises(WorkerFailed, match="No such file"):
            await supervisor.start()
        await supervisor.end(told)
        assert tasks.failures == 0

    asyncio.run(scenario())


def test_one_that_never_serves_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_BEAT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "WORKER_START_SECONDS_MAX", 0.5)

    async def scenario() -> None:
        async with supervised(tmp_path, _UNTIL_TOLD) as supervisor:
            with pytest.raises(WorkerFailed, match="did not start within"):
                await supervisor.start()

    asyncio.run(scenario())


def test_one_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_STOP_SECONDS_MAX", 0.5)
    deaf = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})\n"

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with supervised(tmp_path, deaf + _SERVES + _HANGS) as supervisor:
            await supervisor.start()
            began = loop.time()
        assert 0.5 <= loop.time() - began < limits.WORKER_START_SECONDS_MAX

    asyncio.run(scenario())


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "first_life", [_SERVES + _HANGS, _SERVES + "line.close()\n" + _HANGS], ids=["hangs", "will not be gone"]
)
def test_one_that_falls_silent_is_replaced_and_one_that_does_not_is_kept(tmp_path: Path, first_life: str) -> None:
    first = first_life.replace("\n", "\n    ").rstrip()

    async def scenario() -> None:
        program = f"if len(lives.read_text()) == 1:\n    {first}\n{_BEATS_ON}"
        async with supervised(tmp_path, program) as supervisor:
            await supervisor.start()
            await until((tmp_path / "lived").exists)
        assert lives(tmp_path) == 2

    asyncio.run(scenario())


@pytest.mark.usefixtures("impatient")
def test_a_supervisor_that_was_stopped_itself_kills_nobody(tmp_path: Path) -> None:
    """Its loop stands still until the worker has beaten for three times the silence that would end it."""
    lived = tmp_path / "lived"
    os.mkfifo(lived)  # reading it waits for the worker, and the worker for who reads

    async def scenario() -> None:
        async with supervised(tmp_path, _BEATS_ON) as supervisor:
            await supervisor.start()
            lived.read_bytes()
            await asyncio.to_thread(lived.read_bytes)
            assert lives(tmp_path) == 1
        assert lives(tmp_path) == 1

    asyncio.run(scenario())


def test_one_that_hangs_when_started_again_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "WORKER_BEAT_SECONDS", 0.1)
    monkeypatch.setattr(limits, "WORKER_START_SECONDS_MAX", 3.0)
    dies_then_hangs = f"life = len(lives.read_text())\nif life == 2: {_HANGS}{_SERVES}if life == 1: sys.exit(3)\n"

    async def scenario() -> None:
        async with supervised(tmp_path, dies_then_hangs + _UNTIL_TOLD) as supervisor:
            await supervisor.start()
            await until(lambda: lives(tmp_path) == 3)

    asyncio.run(scenario())
