"""The figures of all workers in one answer: each writes its own beside its lock, and who is asked puts them together.

    worker 0 --exposition--> data/nodes/0.prom  <--\\
    worker 1 --exposition--> data/nodes/1.prom  <----- whichever worker answers /metrics, with its own as they are now

They share the ports, so a scrape reaches any of them. Each sample gets the label `process`, a worker's number: a worker that
was started again goes on under the number of the one before, as a counter that began anew.
"""

import asyncio
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from config import limits
from hub.metrics import Metrics


class Expositions:
    """This worker's file in `folder`, and those of the others. All of them are Prometheus' text form."""

    def __init__(self, folder: Path, number: int, metrics: Metrics) -> None:
        self._folder = folder
        self._number = number
        self._metrics = metrics
        self._path = folder / f"{number}.prom"
        self._writing = threading.Lock()
        self._closed = False

    async def write(self) -> None:
        """Leave our figures for the others. Written under another name first: nobody reads half of them."""
        await asyncio.to_thread(self._write, self._metrics.exposition())

    def _write(self, exposition: bytes) -> None:
        with self._writing:
            if not self._closed:
                fresh = self._path.with_suffix(".new")
                fresh.write_bytes(exposition)
                fresh.replace(self._path)

    def close(self) -> None:
        """Take our file away; what a thread is about to write comes too late."""
        with self._writing:
            self._closed = True
            self._path.unlink(missing_ok=True)

    async def exposition(self) -> bytes:
        """Everybody's; our own as they are now, the others' at most a few seconds old."""
        own = self._metrics.exposition()
        return await asyncio.to_thread(lambda: merged({self._number: own, **self._others()}))

    def _others(self) -> dict[int, bytes]:
        """Those of the living; what the dead have left is removed."""
        found = {}
        for path in sorted(self._folder.glob("*.prom"))[: limits.PROCESSES_MAX]:
            if path != self._path and path.stem.isdigit() and (exposition := _fresh(path)) is not None:
                found[int(path.stem)] = exposition
        return found


def _fresh(path: Path) -> bytes | None:
    try:
        if time.time() - path.stat().st_mtime > limits.EXPOSITION_STALE_SECONDS:
            path.unlink()
            return None
        with path.open("rb") as file:
            return file.read(limits.EXPOSITION_BYTES_MAX)
    except FileNotFoundError:
        return None  # its owner has just ended


def merged(expositions: Mapping[int, bytes]) -> bytes:
    """One exposition of several: a family's description once, then the samples of each, by number."""
    descriptions: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for number, exposition in sorted(expositions.items()):
        family = ""
        for line in exposition.decode().splitlines():
            if line.startswith("# HELP "):
                family = line.split(" ", 3)[2]
                known = family in descriptions
            if line.startswith("#"):
                if not known:
                    descriptions.setdefault(family, []).append(line)
            else:
                samples.setdefault(family, []).append(_labelled(line, number))
    lines = [line for family in descriptions for line in (*descriptions[family], *samples.get(family, ()))]
    return "".join(f"{line}\n" for line in lines).encode()


def _labelled(sample: str, number: int) -> str:
    """`name{a="b"} 1` or `name 1` with one label more. A brace or space comes behind the name at the earliest."""
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f'{name}{{process="{number}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{process="{number}"}} {value}'
