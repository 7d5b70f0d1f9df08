"""The embedded Redis: where it listens, and what becomes of it when it, or the hub, is killed."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from config import limits
from hub.redis.server import EmbeddedRedis
from hub.tasks import Tasks
from models import server_process
from models.mongod_binary import EmbeddedError
from tests.patience import until


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[EmbeddedRedis]:
    tasks = Tasks()
    server = EmbeddedRedis(folder, tasks)
    try:
        yield server
    finally:
        await server.stop()
        await tasks.close(limits.TASKS_GRACE_SECONDS)
        assert tasks.failures == 0


async def asked(url: str, question: Callable[["Redis[bytes]"], Coroutine[Any, Any, Any]]) -> Any:
    async with Redis.from_url(url) as redis:
        return await question(redis)


def test_it_serves_its_owner_alone_and_keeps_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with embedded(tmp_path) as server:
            url = await server.start()
            settings = await asked(url, lambda redis: redis.config_get("*"))
            kept = {name: settings[name] for name in ("port", "save", "appendonly", "maxmemory", "maxmemory-policy")}
            assert kept == {
                "port": "0",
                "save": "",
                "appendonly": "no",
                "maxmemory": str(limits.EMBEDDED_REDIS_BYTES_MAX),
                "maxmemory-policy": "volatile-ttl",
            }
            socket_path = Path(url.removeprefix("unix://"))
            modes = {
                stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "redis", socket_path.parent, socket_path)
            }
            assert modes == {0o700}
        assert not await _answers(url)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["data", "d" * 100])
def test_killed_it_comes_back_at_its_address(tmp_path: Path, name: str) -> None:
    """A folder too deep for the kernel's sockets has its socket elsewhere, which nobody is left to remember."""

    async def scenario() -> None:
        async with embedded(tmp_path / name) as server:
            url = await server.start()
            before = server.pid
            assert before is not None
            os.kill(before, signal.SIGKILL)
            await until(lambda: server.pid != before)
            await until(lambda: _answers(url))
        folder = Path(url.removeprefix("unix://")).parent
        assert folder.exists() == (folder == tmp_path / name / "redis")

    asyncio.run(scenario())


def socket_of(server: EmbeddedRedis) -> Path:
    assert server.pid is not None
    words = server_process.command_of(server.pid)
    return Path(words[words.index("--unixsocket") + 1])


async def _answers(url: str) -> bool:
    try:
        return bool(await asked(url, lambda redis: redis.ping()))
    except (OSError, RedisConnectionError):
        return False


@asynccontextmanager
async def left_by_a_killed_hub(folder: Path) -> AsyncIterator[EmbeddedRedis]:
    """It runs, and nobody watches it any more."""
    tasks = Tasks()
    server = EmbeddedRedis(folder, tasks)
    await server.start()
    await tasks.close(limits.TASKS_GRACE_SECONDS)
    try:
        yield server
    finally:
        await server.stop()


def test_the_next_hub_finds_it_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with left_by_a_killed_hub(tmp_path) as left, embedded(tmp_path) as server:
            url = await server.start()
            assert server.pid == left.pid
            assert await _answers(url)

    asyncio.run(scenario())


@pytest.mark.parametrize("wrong", ["its options", "its socket"])
def test_one_that_is_not_as_it_should_be_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    async def scenario() -> None:
        async with left_by_a_killed_hub(tmp_path) as left, embedded(tmp_path) as server:
            if wrong == "its options":
                monkeypatch.setattr(limits, "EMBEDDED_REDIS_BYTES_MAX", 64 << 20)
            else:
                socket_of(left).unlink()
            url = await server.start()
            assert server.pid != left.pid
            assert await _answers(url)

    asyncio.run(scenario())


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "redis").symlink_to(tmp_path / "elsewhere")

    async def scenario() -> None:
        async with embedded(tmp_path) as server:
            with pytest.raises(EmbeddedError, match="not a folder of ours"):
                await server.start()

    asyncio.run(scenario())
