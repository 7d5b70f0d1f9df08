"""Redis is stopped, slow or full in the middle of traffic on two nodes: each serves its own at once, what the other did
comes from the database, nothing is lost, and all is as before once Redis is.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError
from tornado.ioloop import IOLoop

from hub.identity import LoginResult
from tests.api_client import ApiClient
from tests.factories import grant
from tests.integration.cluster.parts import Cluster, Listener, Node, event, served_seconds
from tests.length import length
from tests.patience import until, within
from tests.redis_server import RedisServer

OUTAGE_SECONDS = length(0, 20)  # beside the time that it takes to see what is promised
SLOW_SECONDS = length(0, 5)
PAUSE_SECONDS = 0.02
PINGED_EVERY = 5  # rounds, which are fifty a second at most: ten pings a second are no flood
HERE_SECONDS = 0.05
LATE_SHARE = 0.01  # what waits for Redis itself when it goes waits longer
HERE_SECONDS_MAX = 1.0
AROUND_SECONDS = 2.0  # a beginning or end, within which everybody has noticed it
ELSEWHERE_SECONDS = 2.0
BACK_SECONDS = 5.0


class Traffic:
    """What happens to one user on one node alone, so that the other has it from nowhere but the broker or the database.
    `listeners` are a socket here and one there.
    """

    def __init__(self, node: Node, login: LoginResult, here: Listener, elsewhere: Listener) -> None:
        self._node = node
        self._user = login.user["_id"]
        self._api = ApiClient(node.port, token=login.access_token)
        self.here = here
        self.elsewhere = elsewhere
        self._made: dict[int, float] = {}  # when each event stood

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            offset, self._made[offset] = await event(self._node, self._user)
            await self._api.get("/api/v1/wallet/balance")
            await grant(self._node.services.ledger, self._user, 1_000_000)
            if self.made % PINGED_EVERY == 0:
                for listener in (self.here, self.elsewhere):
                    listener.client.send("ping")
            await asyncio.sleep(PAUSE_SECONDS)

    async def arrived(self) -> None:
        """All of it, once and in order, with the last balance."""
        last = max(self._made)
        credits = (await self._node.services.ledger.wallet(self._user)).credits / 1_000_000
        for listener in (self.here, self.elsewhere):
            await until(partial(_has, listener, last, credits))
            listener.assert_whole(last)

    def delays(self, listener: Listener) -> dict[float, float]:
        """How long after its commit each event arrived, by the moment of the commit."""
        return {moment: listener.heard[offset] - moment for offset, moment in self._made.items()}

    def assert_on_time_here(self, turns: Sequence[float]) -> None:
        """Single ones may be late, at a turn: when Redis went or came back."""
        late = {moment: seconds for moment, seconds in self.delays(self.here).items() if seconds > 3 * HERE_SECONDS}
        assert len(late) <= math.ceil(LATE_SHARE * self.made), late
        assert all(seconds <= HERE_SECONDS_MAX for seconds in late.values()), late
        assert all(min(abs(moment - turn) for turn in turns) <= AROUND_SECONDS for moment in late), (late, turns)

    @property
    def made(self) -> int:
        return len(self._made)

    @property
    def heard_elsewhere(self) -> int:
        return len(self.elsewhere.offsets)


def _has(listener: Listener, last: int, credits: float) -> bool:
    return listener.offsets[-1:] == [last] and listener.balance["credits"] == credits


async def _hears_the_other(flows: list[Traffic]) -> None:
    """What happens from now on reaches the other node in time, although Redis stays as it is."""
    last = [flow.made for flow in flows]
    async with within(ELSEWHERE_SECONDS):
        await until(lambda: all(flow.heard_elsewhere > made for flow, made in zip(flows, last, strict=True)))


async def _stopped(server: RedisServer, flows: list[Traffic]) -> None:
    server.kill()
    await _hears_the_other(flows)
    await asyncio.sleep(OUTAGE_SECONDS)
    await _hears_the_other(flows)
    server.start()


async def _slow(server: RedisServer, flows: list[Traffic]) -> None:
    server.freeze()
    await _hears_the_other(flows)
    await asyncio.sleep(SLOW_SECONDS)
    await _hears_the_other(flows)
    server.thaw()


async def _full(server: RedisServer, flows: list[Traffic]) -> None:
    """Every command that takes memory is answered with -OOM."""
    redis: Redis = Redis.from_url(server.url)
    await redis.config_set("maxmemory", "1")
    with pytest.raises(OutOfMemoryError):
        await redis.set("key", "value")
    await _hears_the_other(flows)
    await asyncio.sleep(OUTAGE_SECONDS)
    await redis.config_set("maxmemory", "0")
    await redis.aclose()


Fault = Callable[[RedisServer, list[Traffic]], Awaitable[None]]


@pytest.mark.faults
@pytest.mark.parametrize("fault", [_stopped, _slow, _full])
def test_nothing_is_lost_or_refused_and_little_is_late(
    io_loop: IOLoop, cluster: Cluster, server: RedisServer, fault: Fault
) -> None:
    async def scenario() -> None:
        await cluster.linked()
        logins = [await cluster.user() for _ in range(2)]
        async with cluster.listeners(logins[0]) as first, cluster.listeners(logins[1]) as second:
            flows = [
                Traffic(cluster.one, logins[0], first[0], first[1]),
                Traffic(cluster.two, logins[1], second[1], second[0]),
            ]
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                for flow in flows:
                    group.create_task(flow.run(stop))
                await until(lambda: all(flow.made > 5 for flow in flows))
                turns = [served_seconds()]
                await fault(server, flows)
                turns.append(served_seconds())
                async with within(BACK_SECONDS):
                    await cluster.linked()
                stop.set()
            for flow in flows:
                await flow.arrived()
                flow.assert_on_time_here(turns)
                assert max(flow.delays(flow.elsewhere).values()) <= 3 * ELSEWHERE_SECONDS

    io_loop.run_sync(scenario, 120)
