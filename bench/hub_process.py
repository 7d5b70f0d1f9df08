"""A really running hub: `python run.py` with an embedded database in a temporary folder, and what it costs.

The hub's CPU is that of all its own processes; mongod's is apart, and so is the load generator, which is us.
"""

import contextlib
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import cpu_seconds, descendants, free_port, printed_end, resident_kib, running
from models import mongod_process, server_process
from models.mongod_process import Files, port_of
from models.server_process import ServerProcess

SIGNUP_CREDITS = 100_000
DATABASE = "smart_ai_hub"
_STATIC_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds used since something began."""

    hub: float
    servers: float  # the embedded database, and Redis where there is one


@dataclass(frozen=True, slots=True)
class HubProcess:
    """A hub on `port`, which asks the provider at `provider_port`."""

    pid: int
    port: int
    provider_port: int
    jwt_secret: str
    mongod: ServerProcess
    folder: Path

    @property
    def mongodb_uri(self) -> str:
        return f"mongodb://127.0.0.1:{port_of(self.mongod)}/?replicaSet={mongod_process.REPLICA_SET}"

    @property
    def provider_log(self) -> Path:
        return self.folder / "provider.log"

    @property
    def relay_log(self) -> Path:
        return self.folder / "relay.log"

    def cpu_seconds(self) -> float:
        return self.used().hub

    def pids(self) -> list[int]:
        """The hub's own processes: run.py and its workers, without the servers that they start."""
        servers = self._servers()
        return [pid for pid in (self.pid, *descendants(self.pid)) if pid not in servers]

    def _servers(self) -> list[int]:
        """The embedded database, and the embedded Redis where several processes have one."""
        redis = server_process.running(self.folder / "redis" / "redis.pid")
        return [self.mongod.pid] if redis is None else [self.mongod.pid, redis.pid]

    def used(self) -> Cost:
        return Cost(cpu_seconds(self.pids()), cpu_seconds(self._servers()))

    def since(self, before: Cost) -> Cost:
        now = self.used()
        return Cost(now.hub - before.hub, now.servers - before.servers)

    def resident_kib(self) -> int:
        return resident_kib(self.pids())


@contextlib.asynccontextmanager
async def hub(**settings: str) -> AsyncIterator[HubProcess]:
    """Start a hub as an operator would, with billing, storage and rate limits on; stop it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        folder = Path(name)
        port, provider_port, secret = free_port(), free_port(), secrets.token_urlsafe(_STATIC_SECRET_BYTES)
        environment = _environment(folder, port, provider_port, secret) | settings
        async with running(["run.py"], environment, b"Smart AI Hub is at", folder / "hub.log") as pid:
            mongod = mongod_process.running(Files(folder / "mongod"))
            assert mongod is not None, "the hub runs, so its database does"
            try:
                yield HubProcess(pid, port, provider_port, secret, mongod, folder)
            except (Exception, SystemExit):
                sys.stderr.write(printed_end(folder / "hub.log"))  # the folder is about to go
                raise


def _environment(folder: Path, port: int, provider_port: int, secret: str) -> dict[str, str]:
    """Ours without any setting of a hub: what the shell happens to hold must not change a figure."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return plain | {
        "HUB_PORT": str(port),
        "HUB_DATA_DIR": str(folder),
        "HUB_JWT_SECRET": secret,
        "HUB_MONGODB_DATABASE": DATABASE,
        "HUB_RATE_LIMITS": "on",
        "HUB_SIGNUP_CREDITS": str(SIGNUP_CREDITS),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{provider_port}/v1",
    }
