"""The monitor: what this process does, once a second, for the last hour; and a tail of what happens to its users.

    counters, gauges --sample()--> ring of 3,600 encoded rows --> admin:metrics   (state: the newest counts)
    ledger's commits --> EventTail --> admin:events                               (lossy, and says how lossy)

Both go to this process's own listeners: samples of several nodes in one plot would mean nothing. A row is encoded once: it
is kept, sent first and sent live in the same form. Nothing here names a text, a credential or an address; of an event only
what is listed in `_SHOWN` is passed on, and strings only where they look like an identifier.
"""

import asyncio
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
import structlog

from config import limits
from hub.committer import Committed
from hub.metrics import Metrics
from hub.prices import MICRO_PER_CREDIT
from hub.realtime.broker import MemoryBroker, Publication
from hub.realtime.channels import ADMIN_EVENTS, ADMIN_METRICS
from hub.realtime.registry import Connections
from hub.realtime.wire import text_frame
from hub.streams import Streams
from models import wallets
from models.clock import timestamp
from models.database import Database, DatabaseError, Document

log = structlog.get_logger(__name__)

Row = list[float | None]

# What a sample says, in this order. Rates are per second over the time since the last sample; `time` is epoch seconds.
COLUMNS: Final = (
    *("time", "sockets", "users", "streams"),
    *("requests_per_second", "errors_per_second"),
    *("latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "first_token_p50_ms", "first_token_p95_ms"),
    *("credits_per_second", "holds", "drift", "queue_bytes"),
    *("cpu_percent", "memory_bytes", "events_per_second"),
)
_HISTORY_HEAD: Final = b'{"type":"admin.metrics.history","columns":' + orjson.dumps(COLUMNS) + b',"samples":['
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")

# What of an event's data an administrator sees; of `receipt` and `usage` the same, one level in.
_SHOWN: Final = frozenset(
    {"id", "ids", "user_id", "stream_id", "message_id", "conversation_id", "model", "provider", "status", "detail"}
    | {"finish_reason", "usage_source", "category", "type", "kind", "unit", "tier", "role", "all", "read"}
    | {"amount", "credits", "points", "hold", "charged", "released", "seq", "cost"}
    | {"prompt_tokens", "completion_tokens", "total_tokens"}
)
_INSIDE: Final = ("receipt", "usage")
_IDENTIFIER: Final = re.compile(r"(?!sk_|ak_|whsec_|eyJ)[A-Za-z0-9][A-Za-z0-9_.:/-]{0,79}")


class Monitor:
    """One per process; `broker` has its two channels."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.broker = MemoryBroker()
        self._rows: deque[bytes] = deque(maxlen=limits.METRIC_SAMPLES_MAX)
        self._tail = EventTail(self.broker)
        self._taken = time.monotonic()
        self._cpu_seconds = time.process_time()

    def close(self) -> None:
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
        """Take a sample each second, for ever."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + limits.METRIC_SAMPLE_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())
            self.sample(connections, streams)

    async def watch_holds(self, database: Database) -> None:
        """Count the open holds each second, for ever; while the database is away the last count stands."""
        failing = False
        while True:
            await asyncio.sleep(limits.METRIC_SAMPLE_SECONDS)
            try:
                self._metrics.holds(await wallets.holds_open(database))
                failing = False
            except DatabaseError as error:
                if not failing:
                    log.warning("open holds cannot be counted", error=str(error)[:200])
                failing = True

    def sample(self, connections: Connections, streams: Streams) -> None:
        """Keep one row and tell who listens."""
        row = self._row(connections, streams)
        self._rows.append(orjson.dumps(row))
        sample = dict(zip(COLUMNS, row, strict=True))
        self.broker.publish(ADMIN_METRICS, Publication("state", "admin.metrics", {"sample": sample}))

    def _row(self, connections: Connections, streams: Streams) -> Row:
        moment, cpu_seconds = time.monotonic(), time.process_time()
        seconds = max(moment - self._taken, 0.001)
        cpu_percent = 100 * (cpu_seconds - self._cpu_seconds) / seconds
        self._taken, self._cpu_seconds = moment, cpu_seconds
        counts = self._metrics.tally.take()
        latency = counts.latency.percentiles((0.5, 0.95, 0.99))
        first_token = counts.first_token.percentiles((0.5, 0.95))
        return [
            round(time.time(), 3),
            *(len(connections), connections.users, len(streams)),
            *(round(counts.requests / seconds, 2), round(counts.errors / seconds, 2)),
            *(None if value is None else round(value * 1_000, 2) for value in (*latency, *first_token)),
            round(counts.spent_micro / MICRO_PER_CREDIT / seconds, 6),
            *(self._metrics.holds_open, self._metrics.drifting, connections.queued_bytes),
            *(round(cpu_percent, 1), _memory_bytes(), round(counts.events / seconds, 2)),
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


def _history_frame(rows: list[bytes], last: bool) -> bytes:
    return text_frame(_HISTORY_HEAD + b",".join(rows) + (b'],"last":true}' if last else b'],"last":false}'))


def _memory_bytes() -> int:
    """What the process has in memory; its second word, in pages (proc_pid_statm(5))."""
    with open("/proc/self/statm", "rb", buffering=0) as statm:
        return int(statm.read(100).split()[1]) * _PAGE_BYTES


class EventTail:
    """Gathers events for a moment and sends them together; what is too much in that moment is only counted."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._waiting: list[Document] = []
        self._dropped = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, event: Document) -> None:
        if len(self._waiting) >= limits.ADMIN_EVENTS_AT_ONCE:
            self._dropped += 1
            return
        self._waiting.append(event_view(event))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(limits.ADMIN_EVENTS_SECONDS, self._flush)

    def _flush(self) -> None:
        waiting, dropped = self._waiting, self._dropped
        self._waiting, self._dropped, self._timer = [], 0, None
        publication = Publication("notice", "admin.events", {"events": waiting, "dropped": dropped})
        self._broker.publish(ADMIN_EVENTS, publication)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def event_view(event: Document) -> dict[str, Any]:
    """An event as an administrator sees it: what and whom, and figures, but no text."""
    return {
        "type": event["type"],
        "user": event["channel"].removeprefix("user:"),
        "offset": event["offset"],
        "created_at": timestamp(event["created_at"]),
        "data": shown(event["data"]),
    }


def shown(data: Mapping[str, Any]) -> dict[str, Any]:
    """What of an event's data is harmless."""
    view = {name: value for name, value in data.items() if name in _SHOWN and _is_harmless(value)}
    for name in _INSIDE:
        inner = data.get(name)
        if isinstance(inner, Mapping):
            view |= {f"{name}.{key}": value for key, value in inner.items() if key in _SHOWN and _is_harmless(value)}
    return view


def _is_harmless(value: Any) -> bool:
    if isinstance(value, str):
        return _IDENTIFIER.fullmatch(value) is not None
    if isinstance(value, list):
        return len(value) <= limits.ADMIN_EVENT_IDS_MAX and all(
            isinstance(one, str) and _is_harmless(one) for one in value
        )
    return value is None or isinstance(value, bool | int | float)
