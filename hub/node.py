"""This process as others see it: a document with a heartbeat, and a lock that dies with the process.

open: lock file -> document (with the ledger's session id) -> heartbeat every 2 s
dead: its lock can be taken (same host), or no heartbeat for 10 s (elsewhere, or no such lock to be seen)
"""

import fcntl
import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog

from config import limits
from models import nodes
from models.clock import now
from models.database import Database, DatabaseError, Document
from models.ids import new_id

log = structlog.get_logger(__name__)

_OTHERS_MAX = 1_000


class Node:
    """The identity of this process among the hub's processes."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.id = new_id("node")
        self._database = database
        self._lock_path = data_dir / "nodes" / f"{self.id}.lock"
        self._lock: int | None = None
        self._document: Document = {}

    async def open(self, ledger_session: Any) -> None:
        """Register before the first commit, so that whoever finds us dead can end our open transaction."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        host = socket.gethostname()
        self._document = nodes.new_node(self.id, host, str(self._lock_path), ledger_session, now())
        await nodes.register(self._database, self._document)

    async def close(self) -> None:
        """Take our document away: we end in order and leave no hold."""
        try:
            await nodes.remove(self._database, self.id)
        except DatabaseError as error:
            log.warning("node stays registered", error=str(error)[:200])
        if self._lock is not None:
            os.close(self._lock)
            self._lock_path.unlink(missing_ok=True)

    async def beat(self) -> None:
        """Say that we live; a document that somebody removed is written again."""
        if not await nodes.beat(self._database, self.id, now()):
            log.warning("we were declared dead")
            await nodes.register(self._database, {**self._document, "beat_at": now()})

    async def dead_others(self) -> list[Document]:
        """The documents of processes that are gone."""
        found = await nodes.others(self._database, self.id, _OTHERS_MAX)
        return [document for document in found if _is_dead(document)]


def _is_dead(document: Document) -> bool:
    lock = Path(document["lock"])
    if document["host"] == socket.gethostname() and lock.exists():  # containers may share a name, and not their files
        return _lock_is_free(lock)
    return bool(document["beat_at"] < now() - timedelta(seconds=limits.NODE_DEAD_SECONDS))


def _lock_is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


async def forget(database: Database, document: Document, data_dir: Path) -> None:
    """Remove a dead process's document, after everything it left has been settled."""
    await nodes.remove(database, document["_id"])
    _remove_lock(Path(document["lock"]), data_dir)


def _remove_lock(lock: Path, data_dir: Path) -> None:
    if lock.parent == data_dir / "nodes":
        lock.unlink(missing_ok=True)
