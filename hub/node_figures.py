"""What each node did lately, told to all nodes, and the sum of it, which every node makes for itself.

    each node, once a second: counts, gauges --> broker, FIGURES --> heard() on every node --take(), once a second--> Sum

Counts are added up until they are taken, so that nothing is lost or counted twice when the seconds of two nodes do not
begin together. Of a gauge a node's last word stands. Nothing here names a user, a text, a credential or an address.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from config import limits
from hub.realtime.broker import Publication
from hub.tally import Counts

FIGURES: Final = "figures"  # the broker's channel of them, which no connection may listen to
_TYPE: Final = "node.figures"


@dataclass(frozen=True, slots=True)
class Gauges:
    """How a node stands. All but `drift`, which every node counts for the whole database, add up over the nodes."""

    sockets: int = 0
    users: int = 0
    streams: int = 0
    queue_bytes: int = 0
    cpu_percent: float = 0.0
    memory_bytes: int = 0
    drift: int = 0

    def view(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sum:
    """What `nodes` nodes did and how they stand."""

    nodes: int
    counts: Counts
    gauges: Gauges


def publication(node: str, seconds: float, counts: Counts, gauges: Gauges) -> Publication:
    """A node's word to all: `counts` are those of its last `seconds`."""
    said = {"node": node, "seconds": seconds, "counts": counts.view(), "gauges": gauges.view()}
    return Publication("signal", _TYPE, said)


@dataclass(slots=True)
class _Node:
    heard_at: float = 0.0
    gauges: Mapping[str, float] = field(default_factory=dict)
    untaken: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=limits.NODE_FIGURES_MAX))

    def take(self, seconds: float) -> Iterator[Mapping[str, Any]]:
        """The untaken counts that may have been made in so long a time, the newest first.

        What an outage of Redis held back comes all at once, and would look like a storm that never was.
        """
        while self.untaken and seconds > 0:
            said = self.untaken.pop()
            seconds -= said["seconds"]
            yield said["counts"]
        self.untaken.clear()


class AllNodes:
    """What was heard of every node, this one included. `clock` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._nodes: dict[str, _Node] = {}

    def heard(self, channel: str, publication: Publication) -> None:
        """A subscriber of FIGURES. What was lost is not asked for: the next second says it anew."""
        if publication.type != _TYPE:
            return
        said = publication.data
        node = self._nodes.get(said["node"])
        if node is None:
            if len(self._nodes) >= limits.BROKER_NODES_MAX:
                return
            node = self._nodes[said["node"]] = _Node()
        node.heard_at, node.gauges = self._clock(), said["gauges"]
        node.untaken.append(said)

    def take(self, seconds: float) -> Sum:
        """The sum since it was last taken, `seconds` ago. A node that has been silent is no longer in it."""
        span = seconds + limits.NODE_SILENT_SECONDS
        gone = self._clock() - span
        self._nodes = {name: node for name, node in self._nodes.items() if node.heard_at >= gone}
        counts = Counts()
        for node in self._nodes.values():
            for view in node.take(span):
                counts.merge(view)
        return Sum(len(self._nodes), counts, _added([node.gauges for node in self._nodes.values()]))


def _added(gauges: list[Mapping[str, float]]) -> Gauges:
    def of(name: str) -> Iterator[Any]:
        return (each.get(name, 0) for each in gauges)

    return Gauges(
        sockets=sum(of("sockets")),
        users=sum(of("users")),
        streams=sum(of("streams")),
        queue_bytes=sum(of("queue_bytes")),
        cpu_percent=sum(of("cpu_percent")),
        memory_bytes=sum(of("memory_bytes")),
        drift=max(of("drift"), default=0),
    )
