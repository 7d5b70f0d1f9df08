"""A MongoDB without transactions is refused with one clear sentence, and the hub does not start on it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tornado.testing import bind_unused_port

from models import mongod_binary

ROOT = Path(__file__).parents[2]


@pytest.fixture
def standalone_uri(tmp_path: Path) -> Iterator[str]:
    """A mongod that is no member of a replica set."""
    listening, port = bind_unused_port()
    listening.close()
    folder = tmp_path / "db"
    folder.mkdir()
    words = [str(mongod_binary.find()), "--port", str(port), "--dbpath", str(folder), "--bind_ip", "127.0.0.1"]
    with subprocess.Popen([*words, "--nounixsocket", "--quiet"], stdout=subprocess.DEVNULL) as mongod:
        yield f"mongodb://127.0.0.1:{port}"
        mongod.terminate()


def test_a_standalone_server_is_refused_with_one_sentence(standalone_uri: str, tmp_path: Path) -> None:
    environ = {**os.environ, "HUB_MONGODB_URI": standalone_uri, "HUB_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, str(ROOT / "run.py")]
    for _ in range(5):  # until the server listens
        ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
        if "standalone" in ended.stderr:
            break
    said = [line for line in ended.stderr.splitlines() if line.startswith("smart-ai-hub:")]
    assert ended.returncode == 1
    assert len(said) == 1
    assert "replica set" in said[0] and "--replSet" in said[0]
    assert "Traceback" not in ended.stderr
