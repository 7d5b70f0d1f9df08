"""A really running hub: `python run.py` as a process of its own on a free port, which tests may stop, kill and start again.

Its port stays the same over a restart, as an operator's would, and what it writes is kept in a file beside its data.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.error import URLError

ROOT = Path(__file__).parents[1]
START_SECONDS_MAX = 30.0
STOP_SECONDS_MAX = 25.0
PASSWORD = "Correct-Horse-9"
_LOOK_SECONDS = 0.5
_READY = b"Smart AI Hub is at"
_OUTPUT_CHARS = 6_000
# What the machine's own environment says about providers and databases means nothing to a test.
_FOREIGN = ("HUB_", "OPENAI_", "ANTHROPIC_", "MINIMAX_", "GOOGLE_", "STRIPE_")


class RunningHub:
    """`environ` adds to a development hub's settings; without `mongodb_uri` it has the embedded database."""

    def __init__(self, data_dir: Path, mongodb_uri: str | None = None, **environ: str) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.output = data_dir / "output.log"
        self.database = environ.get("HUB_MONGODB_DATABASE", "smart_ai_hub")
        self._environ = _clean_environ(data_dir, self.port, mongodb_uri) | environ
        self._process: subprocess.Popen[bytes] | None = None
        self._said_before = 0  # bytes of the output that are an earlier start's

    @property
    def pid(self) -> int:
        assert self._process is not None, "the hub has not been started"
        return self._process.pid

    def start(self) -> None:
        """Return once it is ready; fails with its own words."""
        self.launch()
        try:
            self._wait_until_ready(time.monotonic() + START_SECONDS_MAX)
        except BaseException:
            self.kill()
            raise

    def launch(self) -> None:
        """Begin to start, and wait for nothing."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.output.open("ab") as output:
            self._said_before = output.tell()
            self._process = subprocess.Popen(
                [sys.executable, "run.py"], cwd=ROOT, env=self._environ, stdout=output, stderr=output
            )

    def _wait_until_ready(self, deadline: float) -> None:
        while not self._is_ready(deadline):
            assert not self.ended_within(0), f"the hub ended before it was ready: {self.said()}"

    def _is_ready(self, deadline: float) -> bool:
        """Ask once, and look whether all of it serves; where nobody listens yet, wait a moment for the process to end."""
        assert time.monotonic() < deadline, f"the hub was not ready in time: {self.said()}"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=_LOOK_SECONDS) as answer:
                return bool(answer.status == 200) and _READY in self.output.read_bytes()[self._said_before :]
        except (URLError, OSError):
            self.ended_within(0.05)
            return False

    def ended_within(self, seconds: float) -> bool:
        """Whether the process is gone, waiting for that so long."""
        assert self._process is not None
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> int:
        """SIGTERM; its exit status. Killed, and the test failed, when it does not end."""
        if self._process is None:
            return 0
        self.tell(signal.SIGTERM)
        return self.exit_status()

    def tell(self, number: signal.Signals) -> None:
        assert self._process is not None, "the hub has not been started"
        self._process.send_signal(number)

    def exit_status(self) -> int:
        """Of one that was told to end. Killed, and the test failed, when it does not."""
        if not self.ended_within(STOP_SECONDS_MAX):
            self.kill()
            raise AssertionError(f"the hub did not end on SIGTERM: {self.said()}")
        process, self._process = self._process, None
        assert process is not None
        return int(process.returncode)

    def kill(self) -> None:
        """SIGKILL of this one process: nothing of it gets to tidy up, and its embedded database lives on."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command of the hub with the same settings, such as `audit`."""
        run = [sys.executable, "run.py", *words]
        return subprocess.run(run, cwd=ROOT, env=self._environ, capture_output=True, text=True, timeout=60, check=False)

    def register(self, **fields: str) -> str:
        """A new user's access token."""
        body = {"email": f"{secrets.token_hex(8)}@example.org", "password": PASSWORD, **fields}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/auth/register",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=START_SECONDS_MAX) as answer:
            return str(json.load(answer)["data"]["tokens"]["accessToken"])

    def workers(self) -> list[int]:
        """The processes that serve, where it has several."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children if b"\0worker\0" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def worker_of_clients(self) -> dict[int, int]:
        """Which worker has whose connection, by the client's port."""
        rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
        ours = [row for row in rows if row[1].endswith(f":{self.port:04X}")]
        client_of = {f"socket:[{row[9]}]": int(row[2].rpartition(":")[2], 16) for row in ours}
        return {
            client_of[opened]: worker
            for worker in self.workers()
            for opened in map(_target, Path(f"/proc/{worker}/fd").iterdir())
            if opened in client_of
        }

    def memory_bytes(self) -> int:
        """What it has in memory now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def said(self) -> str:
        """The end of its output."""
        return self.output.read_text(errors="replace")[-_OUTPUT_CHARS:] if self.output.exists() else ""


def _target(link: Path) -> str:
    """What a link in /proc names; nothing, where it has gone meanwhile."""
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""


def _clean_environ(data_dir: Path, port: int, mongodb_uri: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    own = {"HUB_DATA_DIR": str(data_dir), "HUB_PORT": str(port), "HUB_RATE_LIMITS": "off"}
    return kept | own | ({"HUB_MONGODB_URI": mongodb_uri} if mongodb_uri is not None else {})


def free_port() -> int:
    """A port nobody has, and which the kernel gives to no outgoing connection meanwhile (these begin at 32768)."""
    while True:
        port = 10_000 + secrets.randbelow(10_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
