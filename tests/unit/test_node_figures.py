"""The sum over nodes: nothing is lost or counted twice, whoever is silent goes, and an outage's rest is no storm."""

from collections.abc import Iterable

import orjson
import pytest

from config import limits
from hub.node_figures import FIGURES, AllNodes, Gauges, Sum, publication
from hub.realtime.broker import RESYNC, Publication
from hub.tally import Counts


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


class Watch:
    """One node's view of a cluster, at moments that the test chooses."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cluster = AllNodes(self.clock)
        self._taken = self.clock.seconds

    def hears(self, node: str, requests: int = 0, seconds: float = 1.0, **gauges: int) -> None:
        said = publication(node, seconds, Counts(requests=requests), Gauges(**gauges))
        self.cluster.heard(FIGURES, Publication(said.kind, said.type, orjson.loads(orjson.dumps(said.data))))

    def after(self, seconds: float) -> Sum:
        self.clock.seconds += seconds
        return self.take()

    def take(self) -> Sum:
        seconds, self._taken = self.clock.seconds - self._taken, self.clock.seconds
        return self.cluster.take(seconds)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_counts_and_gauges_add_up_but_for_what_all_count_alike(watch: Watch) -> None:
    watch.hears("a", 3, sockets=5, queue_bytes=100, drift=1)
    watch.hears("b", 4, sockets=2, queue_bytes=11, drift=2)
    total = watch.after(1.0)
    assert (total.nodes, total.counts.requests) == (2, 7)
    assert (total.gauges.sockets, total.gauges.queue_bytes, total.gauges.drift) == (7, 111, 2)


@pytest.mark.parametrize("offset", [0.1, 0.3, 0.7], ids=str)
def test_seconds_that_drift_lose_nothing_and_count_nothing_twice(watch: Watch, offset: float) -> None:
    """One node speaks every second; the other, whose clock is not ours, every 0.97 or 1.03 of ours."""
    said = taken = 0
    at = {"a": 0.0, "slow": offset, "fast": offset}
    every = {"a": 1.0, "slow": 1.03, "fast": 0.97}
    for second in range(1, 301):
        for node, step in every.items():
            while at[node] < second:
                watch.hears(node, number := len(node) + second % 7)
                at[node] += step
                said += number
        total = watch.after(1.0)
        taken += total.counts.requests
        assert total.nodes == 3
    assert taken == said
    assert watch.after(1.0).counts.requests == 0


def test_who_is_silent_goes_and_who_comes_back_counts(watch: Watch) -> None:
    def seconds_of(nodes: Iterable[str]) -> Sum:
        for node in nodes:
            watch.hears(node, sockets=1)
        return watch.after(1.0)

    assert seconds_of("ab").nodes == 2
    silent = [seconds_of("a") for _ in range(5)]
    assert [total.nodes for total in silent] == [2, 2, 1, 1, 1]
    assert [total.gauges.sockets for total in silent] == [2, 2, 1, 1, 1]
    assert seconds_of("ab").nodes == 2
    assert [watch.after(1.0).nodes for _ in range(4)] == [2, 2, 0, 0]


def test_a_stall_of_ones_own_forgets_nobody(watch: Watch) -> None:
    for _ in range(8):
        watch.hears("a", 1, sockets=1)
    watch.hears("b", 8, seconds=8.0, sockets=1)
    total = watch.after(8.0)
    assert (total.nodes, total.counts.requests, total.gauges.sockets) == (2, 16, 2)


def test_what_an_outage_held_back_is_no_storm(watch: Watch) -> None:
    for _ in range(3_600):
        watch.hears("a", 10, sockets=4)
    total = watch.after(1.0)
    assert total.counts.requests == 10 * (1 + limits.NODE_SILENT_SECONDS)
    assert total.gauges.sockets == 4
    assert watch.after(1.0).counts.requests == 0


def test_signals_of_the_broker_and_nodes_beyond_the_bound_are_left_alone(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BROKER_NODES_MAX", 2)
    watch.cluster.heard(FIGURES, Publication("signal", RESYNC, {}))
    for node in "abc":
        watch.hears(node, 1)
    assert watch.after(1.0).nodes == 2


def test_a_node_of_another_version_may_know_less(watch: Watch) -> None:
    view = {"node": "old", "seconds": 1.0, "counts": {"requests": 2}, "gauges": {"sockets": 3}}
    watch.cluster.heard(FIGURES, Publication("signal", publication("", 1, Counts(), Gauges()).type, view))
    total = watch.after(1.0)
    assert (total.counts.requests, total.gauges.sockets, total.gauges.memory_bytes) == (2, 3, 0)
