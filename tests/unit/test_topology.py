"""Which channels a server of Redis is used for, by what it says of itself: as servers of several versions answered."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from hub.redis import topology
from hub.redis.topology import LONE, TopologyError

INFO = "# Server\r\nredis_version:{version}\r\nredis_build_id:f0f0\r\nredis_mode:{mode}\r\nos:Linux 6.1 x86_64\r\n"
SLOTS: list[Any] = [
    [0, 5_460, [b"10.0.0.1", 7_001, b"aa", []], [b"10.0.0.4", 7_004, b"dd", []]],
    [5_461, 10_922, [b"", 7_002, b"bb", []]],
    [10_923, 16_383, [b"10.0.0.3", 7_003, b"cc", []]],
]


class Connection:
    """A server's answers, in order; what it was asked is kept."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[Sequence[str]] = []

    def pack_command(self, *command: str) -> Sequence[str]:
        return command

    async def send_packed_command(self, command: Sequence[str]) -> None:
        self.asked.append(command)

    async def read_response(self) -> Any:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def _read(connection: Any) -> topology.Topology:
    return asyncio.run(topology.read(connection))


def _info(version: str, mode: str) -> bytes:
    return INFO.format(version=version, mode=mode).encode()


@pytest.mark.parametrize(
    "answer",
    [
        _info("6.2.14", "cluster"),
        _info("7.2.4", "standalone"),
        _info("7.2.4", "sentinel"),
        _info("6.2.14", "standalone"),
        b"# Server\r\n",
        ResponseError("unknown command 'INFO', with args beginning with: 'server'"),
        NoPermissionError("this user has no permissions to run the 'info' command"),
    ],
)
def test_one_that_has_no_sharded_channels_carries_all_alone(answer: bytes | Exception) -> None:
    connection = Connection(answer, SLOTS)
    found = _read(connection)
    assert found == LONE
    assert (found.verbs.publish, found.verbs.subscribe, found.primaries) == ("PUBLISH", "SUBSCRIBE", (None,))
    assert connection.asked == [("INFO", "server")]


@pytest.mark.parametrize("version", ["7.0.0", "7.2.4", "8.0.1", "10.0.0"])
def test_a_cluster_from_seven_on_is_spoken_to_by_shard(version: str) -> None:
    connection = Connection(_info(version, "cluster"), SLOTS)
    found = _read(connection)
    assert (found.verbs.publish, found.verbs.subscribe, found.verbs.message) == ("SPUBLISH", "SSUBSCRIBE", b"smessage")
    assert found.primaries == (("10.0.0.1", 7_001), (None, 7_002), ("10.0.0.3", 7_003)), "and no replica"
    assert [found.shards[slot] for slot in (0, 5_460, 5_461, 10_922, 10_923, 16_383)] == [0, 0, 1, 1, 2, 2]
    assert connection.asked == [("INFO", "server"), ("CLUSTER", "SLOTS")]


def test_a_cluster_that_lacks_slots_is_not_used_yet() -> None:
    with pytest.raises(TopologyError):
        _read(Connection(_info("7.0.0", "cluster"), SLOTS[:2]))
