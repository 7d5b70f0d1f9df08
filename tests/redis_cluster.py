"""A real Redis cluster on loopback: three primaries without replicas, each of which may be killed, frozen and started.

It has sharded channels, so it takes a Redis from 7.0 on, which the wheel that the other tests use does not have.
"""

import shutil
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.redis_server import START_SECONDS_MAX, RedisServer
from tests.running_hub import free_port

SLOTS = 16_384
PRIMARIES = 3


def _binary() -> Path:
    """Debian's `redis-tools` has the server under the name of its checker: one program, which goes by its first argument."""
    found = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    assert found is not None, "the tests of a Redis cluster need a Redis from 7.0 on: apt-get install redis-tools"
    return Path(found)


class RedisCluster:
    """Three servers; `url` leads to the first. What is done to it is done to all of them."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="redis-cluster-"))
        self._bus_ports = [free_port() for _ in range(PRIMARIES)]
        self.members = [RedisServer(_binary(), *self._options(bus_port)) for bus_port in self._bus_ports]
        self.url = self.members[0].url
        self._joined = False

    def _options(self, bus_port: int) -> list[str]:
        own = ["--cluster-enabled", "yes", "--cluster-config-file", f"{bus_port}.conf", "--cluster-port", str(bus_port)]
        return [*own, "--dir", str(self._folder)]

    def client(self, member: int) -> "Redis":
        """A client of one server alone."""
        return Redis.from_url(self.members[member].url, protocol=2)

    def start(self) -> None:
        """Start those that are not running; return once the cluster serves every slot."""
        for member in self.members:
            if not member.running:
                member.launch()
        try:
            for member in self.members:
                member.wait()
            if not self._joined:
                self._join()
            self._until_it_serves()
        except BaseException:
            self.close()
            raise

    def _join(self) -> None:
        for number in range(PRIMARIES):
            with self.client(number) as client:
                client.execute_command("CLUSTER", "ADDSLOTSRANGE", *self._slots(number))
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
                for other, bus_port in zip(self.members[:number], self._bus_ports, strict=False):
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus_port)
        self._joined = True

    @staticmethod
    def _slots(number: int) -> tuple[int, int]:
        return SLOTS * number // PRIMARIES, SLOTS * (number + 1) // PRIMARIES - 1

    def _until_it_serves(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not all(self._serves(number) for number in range(PRIMARIES)):
            assert time.monotonic() < deadline, "the cluster does not serve"

    def _serves(self, number: int) -> bool:
        try:
            with self.client(number) as client:
                info = client.execute_command("CLUSTER INFO")
            return info["cluster_state"] == "ok" and info["cluster_known_nodes"] == str(PRIMARIES)
        except (RedisError, OSError):
            return False

    def move(self, source: int, target: int) -> None:
        """Give all that one server has of the first distribution to another, at once."""
        first, last = self._slots(source)
        for number in range(PRIMARIES):
            with self.client(number) as client:
                client.execute_command("CLUSTER", "DELSLOTSRANGE", first, last)
        with self.client(target) as client:
            client.execute_command("CLUSTER", "BUMPEPOCH")
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)

    def kill(self) -> None:
        for member in self.members:
            member.kill()

    def freeze(self) -> None:
        for member in self.members:
            member.freeze()

    def thaw(self) -> None:
        for member in self.members:
            member.thaw()

    def close(self) -> None:
        """For good."""
        self.kill()
        shutil.rmtree(self._folder)
