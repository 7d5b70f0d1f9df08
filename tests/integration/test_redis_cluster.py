"""`hub/redis/broker.py` on a real cluster: where its channels are, and what it does when a server leaves.

What every broker must do, and what every Redis may do to it, is tested on the cluster beside the others.
"""

import asyncio
import secrets
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from hub.redis.broker import RedisBroker
from hub.redis.topology import Topology, TopologyError
from hub.tasks import Tasks
from tests.broker_nodes import Node, heard_here_at_once, nodes
from tests.patience import until
from tests.redis_cluster import PRIMARIES, SLOTS, RedisCluster

USERS = [f"user:{number}" for number in range(30)]


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    cluster = RedisCluster()
    cluster.start()
    yield cluster
    cluster.close()


def test_each_server_hears_of_its_own_channels_only(cluster: RedisCluster) -> None:
    async def scenario() -> None:
        tasks, prefix = Tasks(), f"test_{secrets.token_hex(4)}"
        node = Node(RedisBroker(cluster.url, prefix, tasks))
        await node.broker.open()
        for channel in USERS:
            await node.listen(channel)
        found = []
        for number in range(PRIMARIES):
            with cluster.client(number) as client:
                assert client.execute_command("PUBSUB CHANNELS") == []
                here = [name.decode() for name in client.execute_command("PUBSUB SHARDCHANNELS")]
            slots = range(SLOTS * number // PRIMARIES, SLOTS * (number + 1) // PRIMARIES)
            assert all(key_slot(name.encode()) in slots for name in here)
            assert len([name for name in here if ":node:" in name]) == 1, "a heartbeat on each shard"
            found += [name for name in here if ":user:" in name]
        assert sorted(found) == sorted(f"{prefix}:{channel}" for channel in USERS)
        for channel in USERS:
            node.broker.unsubscribe(channel, node.hear)
        for number in range(PRIMARIES):
            with cluster.client(number) as client:
                await until(
                    lambda at=client: not [n for n in at.execute_command("PUBSUB SHARDCHANNELS") if b"user" in n]
                )  # type: ignore[misc]
        await node.broker.close()
        await tasks.close(1)

    asyncio.run(scenario())


async def _hear_each_other(one: Node, two: Node, offset: int) -> None:
    """On a channel of each shard, among others."""
    for channel in USERS:
        one.publish(offset, channel)
    await until(lambda: one.heard.count(offset) == two.heard.count(offset) == len(USERS))


@pytest.mark.parametrize("lost", ["killed", "frozen"])
def test_one_primary_is_lost_and_comes_back(cluster: RedisCluster, lost: str) -> None:
    member = cluster.members[1]

    async def scenario() -> None:
        async with nodes(cluster.url) as (one, two):
            for node in (one, two):
                for channel in USERS:
                    await node.listen(channel)
            await _hear_each_other(one, two, 1)
            (member.kill if lost == "killed" else member.freeze)()
            await until(lambda: not one.broker.up and not two.broker.up)
            await heard_here_at_once(one, 2)
            one.publish(3, USERS[0])
            await asyncio.to_thread(cluster.start if lost == "killed" else member.thaw)
            await until(lambda: one.broker.up and two.broker.up, 10)
            await until(lambda: {2, 3} <= set(two.heard) or set(USERS) < set(two.resyncs))
            await _hear_each_other(one, two, 4)

    asyncio.run(scenario())


def test_slots_move_and_the_server_of_the_settings_leaves(cluster: RedisCluster) -> None:
    async def scenario() -> None:
        async with nodes(cluster.url) as (one, two):
            for node in (one, two):
                for channel in USERS:
                    await node.listen(channel)
            await _hear_each_other(one, two, 1)
            cluster.move(0, 1)
            await until(lambda: set(USERS) < set(one.resyncs) and set(USERS) < set(two.resyncs))
            await until(lambda: one.broker.up and two.broker.up)
            await _hear_each_other(one, two, 2)
            cluster.members[0].kill()
            await _hear_each_other(one, two, 3)
            for node in (one, two):
                node.resyncs.clear()
            with cluster.client(1) as client:
                client.execute_command("CLIENT KILL TYPE normal")
            await until(lambda: set(USERS) < set(one.resyncs) and set(USERS) < set(two.resyncs))
            await until(lambda: one.broker.up and two.broker.up)
            await _hear_each_other(one, two, 4)

    asyncio.run(scenario())


def test_a_shard_that_is_too_small_is_told_of() -> None:
    topology = Topology(primaries=[("a", 1), ("b", 2), ("c", 3)], shards=[0] * (SLOTS - 1) + [1])
    with pytest.raises(TopologyError):
        topology.one_of_each("node:1")
