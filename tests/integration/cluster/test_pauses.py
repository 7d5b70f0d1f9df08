"""Who has lost Redis, or the database meanwhile, tries again after pauses of its own: all nodes at once would be a storm."""

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import accumulate, repeat
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from config import limits
from hub.redis.link import Owner, RedisLink
from hub.redis.wallet_follower import WalletFollower
from hub.tasks import Tasks
from tests.integration.cluster.parts import Cluster
from tests.ledger_parts import fail_point
from tests.patience import until
from tests.redis_server import RedisServer
from tests.running_hub import free_port

TRIES = 5
FATAL = 280  # what a change stream says that cannot go on

Pauses = dict[str, list[float]]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """How long each task wanted to sleep, by its name; all do."""
    noted: Pauses = {}
    sleep = asyncio.sleep

    def note(seconds: float, *rest: Any) -> Coroutine[Any, Any, Any]:
        task = asyncio.current_task()
        if task is not None:
            noted.setdefault(task.get_name(), []).append(seconds)
        return sleep(seconds, *rest)

    monkeypatch.setattr(asyncio, "sleep", note)
    return noted


def _doubled(first: float, largest: float) -> list[float]:
    return list(accumulate(repeat(2.0, TRIES - 1), lambda pause, by: min(pause * by, largest), initial=first))


def _assert_jittered(found: Sequence[Sequence[float]], whole: Sequence[float]) -> None:
    """Each between half of its pause and the whole one, and no two alike."""
    for pauses in found:
        assert all(full / 2 <= pause <= full for pause, full in zip(pauses, whole, strict=True)), (pauses, whole)
    for together in zip(*found, whole, strict=True):
        assert len(set(together)) == len(together), together


def _owner() -> Owner:
    def nothing(*_: Any) -> None: ...

    return Owner(nothing, nothing, nothing, nothing, nothing)


def test_two_links_do_not_try_again_at_the_same_moments(pauses: Pauses) -> None:
    url = f"redis://127.0.0.1:{free_port()}"

    async def scenario() -> None:
        tasks = Tasks()
        links = [RedisLink(url, "test", f"node:{number}", tasks, _owner()) for number in range(2)]
        for number, link in enumerate(links):
            tasks.start(link._run(), f"link {number}")
        await until(lambda: all(len(pauses.get(f"link {number}", ())) >= TRIES for number in range(2)))
        await tasks.close(0)

    asyncio.run(scenario())
    found = [pauses[f"link {number}"][:TRIES] for number in range(2)]
    _assert_jittered(found, _doubled(limits.REDIS_RETRY_SECONDS, limits.REDIS_RETRY_SECONDS_MAX))


def test_two_followers_do_not_open_again_at_the_same_moments(
    io_loop: IOLoop, cluster: Cluster, server: RedisServer, mongod_uri: str, pauses: Pauses
) -> None:
    async def scenario() -> None:
        await cluster.linked()
        server.kill()
        await until(lambda: all(node.broker.silent_seconds > limits.REDIS_AWAY_SECONDS for node in cluster.nodes))
        async with fail_point(mongod_uri, "alwaysOn", ["aggregate"], at_least=2 * TRIES, errorCode=FATAL):
            for number, node in enumerate(cluster.nodes):
                follower = WalletFollower(node.services.database, node.broker)
                node.services.tasks.start(follower._follow(), f"follower {number}")
            await until(lambda: all(len(pauses.get(f"follower {number}", ())) >= TRIES for number in range(2)))

    io_loop.run_sync(scenario, 30)
    found = [pauses[f"follower {number}"][:TRIES] for number in range(2)]
    _assert_jittered(found, _doubled(limits.FOLLOW_RETRY_SECONDS, limits.WALLET_FOLLOW_RETRY_SECONDS_MAX))
