"""Which servers of Redis carry which channels: a lone one carries all; in a cluster each primary has those of its slots.

From Redis 7 on a cluster has sharded channels, which only the servers of their shard hear of. In an older cluster each
server passes on every publication to all others, so that any one of them will do, like a lone one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import RedisError, ResponseError

from config import limits

Address = tuple[str | None, int]  # without a host: that of the settings

_SHARDED_SINCE = 7


class TopologyError(RedisError):
    """The cluster cannot carry every channel, or not any more as we knew it."""


@dataclass(frozen=True, slots=True)
class Verbs:
    """The commands, the names of what comes back, and how many channels one command may name."""

    publish: str
    subscribe: str
    unsubscribe: str
    message: bytes
    subscribed: bytes
    unsubscribed: bytes
    channels_max: int


_PLAIN = Verbs("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", b"message", b"subscribe", b"unsubscribe", limits.BROKER_BATCH_MAX)
_SHARDED = Verbs(  # channels of different slots cannot share a command
    "SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE", b"smessage", b"ssubscribe", b"sunsubscribe", 1
)


@dataclass(frozen=True, slots=True)
class Topology:
    """`primaries`: where to connect, None for the address in the settings. `shards`: by slot, which of these it is."""

    verbs: Verbs = _PLAIN
    primaries: Sequence[Address | None] = (None,)
    shards: Sequence[int] = ()

    def shard_of(self, channel: str) -> int:
        return self.shards[key_slot(channel.encode())] if self.shards else 0

    def one_of_each(self, stem: str) -> list[str]:
        """Channels that begin like this, one of each shard. Raises `TopologyError` where a shard is too small to be met."""
        if not self.shards:
            return [stem]
        found: dict[int, str] = {}
        for number in range(limits.REDIS_CHANNEL_TRIES):
            name = f"{stem}:{number}"
            found.setdefault(self.shard_of(name), name)
            if len(found) == len(self.primaries):
                return list(found.values())
        raise TopologyError("a shard has too few slots")


LONE = Topology()


async def read(connection: AbstractConnection) -> Topology:
    """Ask a server what it is part of. Raises `RedisError`."""
    try:
        info = _fields(await _ask(connection, "INFO", "server"))
    except ResponseError:  # it does not let us ask, and so will not let us do more than the simple thing
        return LONE
    version = int(info.get("redis_version", "0").partition(".")[0])
    if info.get("redis_mode") != "cluster" or version < _SHARDED_SINCE:
        return LONE
    return _sharded(await _ask(connection, "CLUSTER", "SLOTS"))


async def _ask(connection: AbstractConnection, *command: str) -> Any:
    await connection.send_packed_command(connection.pack_command(*command))
    return await connection.read_response()


def _fields(info: bytes) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in info.decode().splitlines())
    return {name: value for name, parted, value in pairs if parted}


def _sharded(ranges: Sequence[Sequence[Any]]) -> Topology:
    """From rows `[first slot, last slot, [host, port, ...] of the primary, replicas...]`."""
    primaries: dict[Address, int] = {}
    shards = [-1] * REDIS_CLUSTER_HASH_SLOTS
    for first, last, (host, port, *_), *_ in ranges:
        shard = primaries.setdefault((host.decode() if host else None, port), len(primaries))
        shards[first : last + 1] = [shard] * (last + 1 - first)
    if -1 in shards:
        raise TopologyError("the cluster does not serve every slot")
    return Topology(_SHARDED, tuple(primaries), shards)
