"""One hub per data folder: a lock on a file in it, held for the process's life.

The kernel drops the lock when the process ends, however it ends, so a file that was left behind means nothing.
"""

import fcntl
import os
from pathlib import Path


class DataFolderInUse(Exception):
    """Another hub works on this data folder; the message names its pid."""


class DataLock:
    """An exclusive lock on the file `path`, usually `<data_dir>/hub.lock`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock or raise `DataFolderInUse` at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise DataFolderInUse(self._explain(holder)) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go of it; the file stays, since removing it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _explain(self, holder: str) -> str:
        who = f"the process {holder}" if holder else "another process"
        return (
            f"The data folder {self._path.parent} is in use by {who}: stop it, or set HUB_DATA_DIR to another folder."
        )
