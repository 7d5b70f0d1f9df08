"""Streams: the log of deltas of each generation, kept for whoever follows it by whichever transport.

    generation task --append()--> Stream (log) <--cursor-- SSE response, WebSocket connection, JSON reader

Following is pulling: a follower keeps a cursor into the log and is only *woken*. A slow client therefore costs nothing
beyond the log itself; when it can take more, everything since its cursor is merged into one piece. Nothing here knows
money, providers or HTTP.
"""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from config import limits
from hub.errors import HubError
from hub.operations import Receipt
from hub.providers.base import Delta, Trail, Usage
from models.ids import new_epoch

_STREAM_BYTES = 2_000  # of a finished stream without any delta: its own fields, outcome, usage and receipt
_DELTA_BYTES = 200
_BYTES_PER_EXTRA_BYTE = 8  # an object in memory, by its JSON: seven with probabilities, eleven with tool calls


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a stream ended. `error` is set when it failed; then `finish_reason` is None.

    `finish_reason`: stop, length, tool_calls, content_filter, or cancelled. `detail` explains a `length` that the wallet
    caused (`insufficient_credits`). `usage_source`: provider, counted or estimated.
    """

    finish_reason: str | None
    usage: Usage
    usage_source: str
    receipt: Receipt | None
    detail: str | None = None
    error: HubError | None = None


@dataclass(slots=True, eq=False)
class Stream:
    """One generation's log. `epoch` changes whenever offsets start anew, so a cursor is never taken for another's."""

    id: str
    user: str
    model: str
    conversation: str | None
    message: str  # id of the assistant's message that it becomes
    credential: str | None = None  # the login or API key that asked for it
    sandbox: bool = False
    epoch: str = field(default_factory=new_epoch)
    created: int = field(default_factory=lambda: int(time.time()))
    on_disconnect: str = "continue"
    deltas: list[Delta] = field(default_factory=list)
    outcome: Outcome | None = None
    first_token_seconds: float | None = None  # from the request to the first delta relayed
    trail: Trail = field(default_factory=Trail)  # who answered, at which try, and how much of that time was ours
    prompt_tokens: int = 0  # counted by us; the provider's own count comes with the outcome
    cost_micro: int = 0  # spent so far, not yet settled
    size_bytes: int = 0
    logged: int = 0  # deltas that stand in the log for other nodes
    task: asyncio.Task[None] | None = None
    admitted: bool = False  # its hold stands
    settling: bool = False  # its last delta has come; it can no longer be stopped
    stopping: bool = False  # it was asked to end
    stop_error: HubError | None = None  # why, where it was not its user who asked
    _wakes: list[Callable[[], None]] = field(default_factory=list)
    abandoned: asyncio.TimerHandle | None = None

    @property
    def offset(self) -> int:
        """Deltas so far."""
        return len(self.deltas)

    @property
    def followers(self) -> int:
        return len(self._wakes)

    def append(self, deltas: list[Delta], cost_micro: int) -> None:
        self.deltas.extend(deltas)
        self.cost_micro = cost_micro
        self._wake()

    def finish(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._wake()

    def text(self, after: int = 0) -> str:
        """The answer's text beyond `after` deltas; of several choices the first one's."""
        deltas = self.deltas[after:] if after else self.deltas
        return "".join([delta.content for delta in deltas if delta.extra is None or not choice_of(delta)])

    def follow(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever there is more; it must not block, and reads by its own cursor."""
        self._wakes.append(wake)
        if self.abandoned is not None:
            self.abandoned.cancel()
            self.abandoned = None

    def unfollow(self, wake: Callable[[], None]) -> None:
        if wake in self._wakes:
            self._wakes.remove(wake)

    async def reached(self, offset: int) -> None:
        """Return when there are that many deltas, or the stream has ended."""
        there = asyncio.Event()

        def wake() -> None:
            if self.offset >= offset or self.outcome is not None:
                there.set()

        self.follow(wake)
        try:
            wake()
            await there.wait()
        finally:
            self.unfollow(wake)

    def _wake(self) -> None:
        for wake in tuple(self._wakes):
            wake()


def choice_of(delta: Delta) -> int:
    """Which of several choices a delta is of; 0 is the first."""
    index: int = delta.extra["choice"].get("index", 0) if delta.extra and "choice" in delta.extra else 0
    return index


class Streams:
    """The streams of this process: running ones by id, finished ones for an hour within a bound of memory."""

    def __init__(self) -> None:
        self._running: dict[str, Stream] = {}
        self._by_user: Counter[str] = Counter()
        self._finished: OrderedDict[str, tuple[float, Stream]] = OrderedDict()
        self._finished_bytes = 0

    def __len__(self) -> int:
        return len(self._running)

    @property
    def running(self) -> tuple[Stream, ...]:
        return tuple(self._running.values())

    def running_of(self, user: str) -> list[Stream]:
        return [stream for stream in self._running.values() if stream.user == user]

    def running_by(self, user: str) -> int:
        """How many of a user's streams run."""
        return self._by_user[user]

    def add(self, stream: Stream) -> None:
        self._running[stream.id] = stream
        self._by_user[stream.user] += 1

    def discard(self, stream: Stream) -> None:
        """Forget a stream that does not run any more."""
        if self._running.pop(stream.id, None) is not None:
            self._by_user[stream.user] -= 1
            if not self._by_user[stream.user]:
                del self._by_user[stream.user]

    def retire(self, stream: Stream) -> None:
        """Move an ended stream among the finished and drop what is too old or too much."""
        self.discard(stream)
        stream.task = None  # it would keep the whole generation
        stream.size_bytes = _STREAM_BYTES + sum(_size_bytes(delta) for delta in stream.deltas)
        self._finished[stream.id] = (time.monotonic(), stream)
        self._finished_bytes += stream.size_bytes
        oldest = time.monotonic() - limits.STREAM_REPLAY_SECONDS
        while self._finished and (self._finished_bytes > limits.STREAM_MEMORY_BYTES_MAX or self._oldest() < oldest):
            _, (_, dropped) = self._finished.popitem(last=False)
            self._finished_bytes -= dropped.size_bytes

    def _oldest(self) -> float:
        return next(iter(self._finished.values()))[0]

    def get(self, stream_id: str) -> Stream | None:
        """A running or remembered stream; the database has those that are forgotten here."""
        running = self._running.get(stream_id)
        if running is not None:
            return running
        finished = self._finished.get(stream_id)
        return finished[1] if finished else None


def _size_bytes(delta: Delta) -> int:
    """Roughly what a delta costs in memory."""
    extra = len(orjson.dumps(delta.extra)) if delta.extra is not None else 0
    return _DELTA_BYTES + len(delta.content) + _BYTES_PER_EXTRA_BYTE * extra


def replayed(message: dict[str, Any], outcome: Outcome | None) -> Stream:
    """A stream rebuilt from its stored message, delta by delta as it was; without an outcome it is still being written."""
    stream = Stream(
        id=message["stream"],
        user=message["user"],
        model=message["model"],
        conversation=message["conversation"],
        message=message["_id"],
        sandbox=message.get("sandbox", False),
        epoch=message["epoch"],
        created=int(message["created_at"].timestamp()),
        prompt_tokens=message["usage"]["prompt_tokens"],
    )
    stream.deltas = deltas_of(message)
    stream.outcome = outcome
    if outcome is not None and outcome.receipt is not None:
        stream.cost_micro = outcome.receipt.charged
    return stream


def deltas_of(message: dict[str, Any], after: int = 0) -> list[Delta]:
    """The deltas of a stored message beyond the first `after`, as far as it has been written."""
    lengths, extras = message["lengths"], message.get("extras", {})
    start, deltas = sum(lengths[:after]), []
    for index in range(after, len(lengths)):
        end = start + lengths[index]
        extra = extras.get(str(index))
        # JSON text; messages of the time before that have the object itself
        deltas.append(Delta(message["content"][start:end], orjson.loads(extra) if isinstance(extra, str) else extra))
        start = end
    return deltas
