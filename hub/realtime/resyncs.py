"""Telling subscribers of this process that publications may have been lost, and how far their channels have come.

In portions, because each of them reads the database; what is said of one channel meanwhile becomes one signal.
"""

import asyncio
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from config import limits
from hub.realtime.broker import RESYNC, REVOCATIONS, MemoryBroker, Publication
from hub.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Extent:
    """How far a user's channel goes: the version of the wallet, and the offset of the last event. By default nobody knows,
    and it may be any distance.
    """

    version: float = math.inf
    offset: float = math.inf

    @classmethod
    def of(cls, signal: Mapping[str, Any]) -> "Extent":
        return cls(signal.get("version", math.inf), signal.get("offset", math.inf))

    def furthest(self, other: "Extent") -> "Extent":
        return Extent(max(self.version, other.version), max(self.offset, other.offset))

    def within(self, other: "Extent") -> bool:
        return self.version <= other.version and self.offset <= other.offset


NOWHERE = Extent(-1, -1)  # what every reader has
ANYWHERE = Extent()


class Resyncs:
    """The channels that are due. None is told on REVOCATIONS, which each node follows in the database."""

    def __init__(self, here: MemoryBroker, tasks: Tasks) -> None:
        self._here = here
        self._tasks = tasks
        self._due: dict[str, Extent] = {}
        self._running = False

    def add(self, channels: Iterable[str], extent: Extent = ANYWHERE) -> None:
        for channel in channels:
            self._due[channel] = self._due.get(channel, NOWHERE).furthest(extent)
        if not self._running:
            self._running = True
            self._tasks.start(self._run(), "resync of channels")

    async def _run(self) -> None:
        while self._due:
            for channel in tuple(islice(self._due, limits.RESYNC_CHANNELS_AT_ONCE)):
                extent = self._due.pop(channel)
                if channel != REVOCATIONS:
                    self._here.publish(channel, resync(extent))
            await asyncio.sleep(limits.RESYNC_PAUSE_SECONDS)
        self._running = False


def resync(extent: Extent = ANYWHERE) -> Publication:
    known = {} if extent == ANYWHERE else {"version": extent.version, "offset": extent.offset}
    return Publication("signal", RESYNC, known)
