"""What a node remembers to hear each publication once: its own until they come back, and how far the others are.

It sends nothing; delivery is the function it was given.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from config import limits
from hub.realtime.broker import Publication


@dataclass(frozen=True, slots=True)
class _Awaited:
    channel: str
    publication: Publication
    until: float  # of the loop's clock


class Echoes:
    """Our own publications on their way through Redis. Those that are late are all delivered, in their order.

    `late`: publications do not come back in time, so nothing is to be expected until a heartbeat does.
    """

    def __init__(self, deliver: Callable[[str, Publication], None]) -> None:
        self._deliver = deliver
        self._awaited: dict[int, _Awaited] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._beats: set[int] = set()  # the numbers of the last heartbeat that have not come back
        self._beat_at = 0.0  # of the loop's clock, as `heard_at` is
        self.late = True
        self.heard_at = asyncio.get_running_loop().time()  # when a heartbeat came back; at first nobody could tell

    def begin(self) -> None:
        """From now on what is published comes back."""
        self._beats = set()
        self.late = False

    def expect(self, number: int, channel: str, publication: Publication) -> None:
        loop = asyncio.get_running_loop()
        self._awaited[number] = _Awaited(channel, publication, loop.time() + limits.REDIS_ECHO_SECONDS)
        if self._timer is None:
            self._timer = loop.call_later(limits.REDIS_ECHO_SECONDS, self._look)

    def heard(self, number: int) -> None:
        """It came back; what was delivered without waiting for that is not delivered again."""
        awaited = self._awaited.pop(number, None)
        if awaited is not None:
            self._deliver(awaited.channel, awaited.publication)

    def give_up(self) -> None:
        """Deliver all that is awaited, and expect nothing more for now."""
        self.late = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        awaited, self._awaited = self._awaited, {}
        for each in awaited.values():
            self._deliver(each.channel, each.publication)

    def _look(self) -> None:
        self._timer = None
        oldest = next(iter(self._awaited.values()), None)
        if oldest is None:
            return
        loop = asyncio.get_running_loop()
        if oldest.until <= loop.time():
            self.give_up()
        else:
            self._timer = loop.call_at(oldest.until, self._look)

    def beat(self, numbers: Iterable[int]) -> None:
        """A heartbeat leaves, by each shard; the one before should have come back long ago."""
        if self._beats:
            self.give_up()
        self._beats = set(numbers)
        self._beat_at = asyncio.get_running_loop().time()

    def beat_heard(self, number: int) -> None:
        """It is whole once it has come back by every shard."""
        if number not in self._beats:
            return
        self._beats.discard(number)
        if not self._beats:
            self.heard_at = asyncio.get_running_loop().time()
            if self.heard_at - self._beat_at <= limits.REDIS_ECHO_SECONDS:
                self.late = False


class Latest:
    """The number of the last publication of each other node on a channel: what comes again after a broken write is known by
    it. On a channel, because different shards keep no order between each other.
    """

    def __init__(self) -> None:
        self._numbers: OrderedDict[tuple[bytes, str], int] = OrderedDict()

    def is_new(self, node: bytes, channel: str, number: int) -> bool:
        key = (node, channel)
        if number <= self._numbers.get(key, 0):
            return False
        self._numbers[key] = number
        self._numbers.move_to_end(key)
        if len(self._numbers) > limits.BROKER_LATEST_MAX:
            self._numbers.popitem(last=False)
        return True
