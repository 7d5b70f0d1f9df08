"""The monitor: what all nodes of the hub do, once a second, for the last hour; and a tail of what happens to its users.

    counters, gauges --tell()--> broker --> AllNodes of every node --sample()--> ring of 3,600 encoded rows
    ledger's commits --> EventTail --> broker, admin:events                       +--> admin:metrics (the newest counts)

Each node tells at the beginning of a second and makes its row in the middle of it. Where the nodes' clocks agree, a row
has each node once, and all nodes have the same rows. A row is encoded once: it is kept, sent first and sent live in the
same form.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import orjson
import structlog

from config import limits
from hub.committer import Committed
from hub.event_tail import EventTail
from hub.metrics import Metrics
from hub.node_figures import FIGURES, AllNodes, Gauges, Sum, publication
from hub.prices import MICRO_PER_CREDIT
from hub.realtime.broker import Broker, MemoryBroker, Publication
from hub.realtime.channels import ADMIN_METRICS
from hub.realtime.registry import Connections
from hub.realtime.wire import text_frame
from hub.streams import Streams
from models import notice_jobs, wallets, webhook_queues
from models.clock import now
from models.database import Database, DatabaseError

log = structlog.get_logger(__name__)

Row = list[float | None]

# What a sample says, in this order. Rates are per second over the time since the last sample; `time` is epoch seconds.
COLUMNS: Final = (
    *("time", "nodes", "sockets", "users", "streams"),
    *("requests_per_second", "errors_per_second", "error_rate"),
    *("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "first_token_p50_ms", "first_token_p95_ms"),
    *("credits_per_second", "holds", "drift", "queue_bytes", "webhook_backlog"),
    *("cpu_percent", "memory_bytes", "events_per_second"),
    *("webhook_oldest_seconds", "webhooks_per_second", "webhook_failures_per_second"),
)
_HISTORY_HEAD: Final = b'{"type":"admin.metrics.history","columns":' + orjson.dumps(COLUMNS) + b',"samples":['
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_SHORTEST_SECONDS: Final = 0.001  # no rate is over less


class Monitor:
    """One per process. `samples` carries this node's rows, on ADMIN_METRICS, to those who listen here."""

    def __init__(self, metrics: Metrics, broker: Broker) -> None:
        self._metrics = metrics
        self._broker = broker
        self._node = ""
        self.samples = MemoryBroker()
        self._rows: deque[bytes] = deque(maxlen=limits.METRIC_SAMPLES_MAX)
        self._cluster = AllNodes()
        self._tail = EventTail(broker)
        self._told = self._sampled = time.monotonic()
        self._cpu_seconds = time.process_time()

    def open(self, node: str) -> None:
        """Listen to all nodes; `node` is this one's id."""
        self._node = node
        self._broker.subscribe(FIGURES, self._cluster.heard)

    def close(self) -> None:
        self._broker.unsubscribe(FIGURES, self._cluster.heard)
        self._tail.close()

    def committed(self, committed: Committed) -> None:
        """The ledger's word after each commit."""
        self._metrics.batch(committed.operations)
        counts = self._metrics.tally.counts
        counts.spent_micro += committed.spent_micro
        counts.events += len(committed.events)
        for event in committed.events:
            self._tail.add(event)

    async def run(self, connections: Connections, streams: Streams) -> None:
        """Tell and take a sample each second, for ever: one that fails, as without file descriptors, is not the last."""
        failing = False
        while True:
            try:
                await _until(0.0)
                self.tell(connections, streams)
                await _until(limits.METRIC_SAMPLE_SECONDS / 2)
                self.sample()
                failing = False
            except Exception:
                if not failing:
                    log.exception("the monitor has missed a second")
                failing = True

    async def watch_waiting(self, database: Database) -> None:
        """Count the open holds, and the webhooks and notice jobs that wait, each second, for ever; while the database is
        away the last counts stand.
        """
        failing = False
        while True:
            await asyncio.sleep(limits.METRIC_SAMPLE_SECONDS)
            try:
                self._metrics.holds(await wallets.holds_open(database))
                waiting, oldest = await webhook_queues.waiting(database)
                self._metrics.webhooks_waiting(waiting, _seconds_since(oldest))
                self._metrics.notice_jobs_waiting(await notice_jobs.waiting(database))
                failing = False
            except DatabaseError as error:
                if not failing:
                    log.warning("open holds and what waits to leave cannot be counted", error=str(error)[:200])
                failing = True

    def tell(self, connections: Connections, streams: Streams) -> None:
        """Say to all nodes, this one included, what this one did since it was last said, and how it stands."""
        moment, cpu_seconds = time.monotonic(), time.process_time()
        seconds = max(moment - self._told, _SHORTEST_SECONDS)
        gauges = Gauges(
            sockets=len(connections),
            users=connections.users,
            streams=len(streams),
            queue_bytes=connections.queued_bytes,
            cpu_percent=100 * (cpu_seconds - self._cpu_seconds) / seconds,
            memory_bytes=_memory_bytes(),
            drift=self._metrics.drifting,
        )
        self._told, self._cpu_seconds = moment, cpu_seconds
        counts = self._metrics.tally.take()
        self._broker.publish(FIGURES, publication(self._node, seconds, counts, gauges))

    def sample(self) -> None:
        """Keep one row and tell who listens here."""
        moment = time.monotonic()
        seconds = max(moment - self._sampled, _SHORTEST_SECONDS)
        self._sampled = moment
        row = self._row(seconds, self._cluster.take(seconds))
        self._rows.append(orjson.dumps(row))
        sample = dict(zip(COLUMNS, row, strict=True))
        self.samples.publish(ADMIN_METRICS, Publication("state", "admin.metrics", {"sample": sample}))

    def _row(self, seconds: float, total: Sum) -> Row:
        counts, gauges = total.counts, total.gauges
        times = (*counts.latency.percentiles((0.5, 0.95, 0.99)), *counts.first_token.percentiles((0.5, 0.95)))
        return [
            round(time.time(), 3),
            *(total.nodes, gauges.sockets, gauges.users, gauges.streams),
            *(round(counts.requests / seconds, 2), round(counts.errors / seconds, 2)),
            round(counts.errors / counts.requests, 4) if counts.requests else None,
            *(None if value is None else round(value * 1_000, 2) for value in times),
            round(counts.spent_micro / MICRO_PER_CREDIT / seconds, 6),
            *(self._metrics.holds_open, gauges.drift, gauges.queue_bytes, self._metrics.webhook_backlog),
            *(round(gauges.cpu_percent, 1), gauges.memory_bytes, round(counts.events / seconds, 2)),
            round(self._metrics.webhook_oldest_seconds, 1),
            *(round(counts.webhooks / seconds, 2), round(counts.webhook_failures / seconds, 2)),
        ]

    def history(self) -> Iterator[bytes]:
        """The kept samples as frames, oldest first, none larger than a frame may be; at least one, which says `last`."""
        chunk: list[bytes] = []
        size = 0
        for row in self._rows:
            if size + len(row) > limits.METRIC_HISTORY_FRAME_BYTES:
                yield _history_frame(chunk, last=False)
                chunk, size = [], 0
            chunk.append(row)
            size += len(row) + 1
        yield _history_frame(chunk, last=True)


def _seconds_since(moment: datetime | None) -> float:
    return 0.0 if moment is None else max(0.0, (now() - moment).total_seconds())


async def _until(phase_seconds: float) -> None:
    """Sleep until the clock on the wall is so far into a second."""
    await asyncio.sleep((phase_seconds - time.time()) % limits.METRIC_SAMPLE_SECONDS)


def _history_frame(rows: list[bytes], last: bool) -> bytes:
    return text_frame(_HISTORY_HEAD + b",".join(rows) + (b'],"last":true}' if last else b'],"last":false}'))


def _memory_bytes() -> int:
    """What the process has in memory; its second word, in pages (proc_pid_statm(5))."""
    with open("/proc/self/statm", "rb", buffering=0) as statm:
        return int(statm.read(100).split()[1]) * _PAGE_BYTES
