"""What waits to be published in Redis: a queue for each shard, with one bound for all. It knows no connection."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain, islice

from config import limits

Waiting = tuple[str, bytes]  # the channel and what is published on it


class Lanes:
    """At first one queue; `spread` makes as many as there are shards, and a channel keeps its order through it."""

    def __init__(self) -> None:
        self._queues: list[deque[Waiting]] = [deque()]
        self._filled = [asyncio.Event()]
        self._lane_of: Callable[[str], int] = lambda channel: 0
        self._items = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._items

    def put(self, channel: str, payload: bytes) -> bool:
        """Whether there was room for it."""
        size = self._bytes + len(payload)
        if self._items >= limits.BROKER_QUEUE_MAX or size > limits.BROKER_QUEUE_BYTES_MAX:
            return False
        lane = self._lane_of(channel)
        self._queues[lane].append((channel, payload))
        self._items += 1
        self._bytes = size
        self._filled[lane].set()
        return True

    def spread(self, lanes: int, lane_of: Callable[[str], int]) -> None:
        """From now on a channel's publications wait in this lane, those included that wait already."""
        waiting = tuple(chain.from_iterable(self._queues))
        self._lane_of = lane_of
        self._queues = [deque() for _ in range(lanes)]
        self._filled = [asyncio.Event() for _ in range(lanes)]
        for each in waiting:
            self._queues[lane_of(each[0])].append(each)

    async def batch(self, lane: int) -> Sequence[Waiting]:
        """The next of a lane, once there are any; they stay until they are `done`."""
        queue, filled = self._queues[lane], self._filled[lane]
        while not queue:
            filled.clear()
            await filled.wait()
        return tuple(islice(queue, limits.BROKER_BATCH_MAX))

    def done(self, lane: int, batch: Sequence[Waiting]) -> None:
        for _, payload in batch:
            self._queues[lane].popleft()
            self._items -= 1
            self._bytes -= len(payload)
