"""A file of the configuration that cannot be used ends the start with one sentence that names it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["packages.toml", "plans.toml", "models.toml"])
def test_an_unusable_file_is_told_in_one_sentence(name: str, mongod_uri: str, tmp_path: Path) -> None:
    copy = tmp_path / "hub"
    shutil.copytree(ROOT / "config", copy / "config")
    shutil.copy(ROOT / "run.py", copy)
    for folder in ("models", "hub", "handlers", "static"):
        (copy / folder).symlink_to(ROOT / folder)
    (copy / "config" / name).write_text("[broken")
    environ = {**os.environ, "HUB_MONGODB_URI": mongod_uri, "HUB_DATA_DIR": str(tmp_path / "data")}
    environ["HUB_MONGODB_DATABASE"] = f"test_{os.getpid()}"
    command = [sys.executable, str(copy / "run.py")]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    said = [line for line in ended.stderr.splitlines() if line.startswith("smart-ai-hub:")]
    assert ended.returncode == 1 and len(said) == 1 and name in said[0]
    assert "Traceback" not in ended.stderr
