"""What a node remembers to hear each publication once: its own until they come back, and how far the others are.

It sends nothing; delivery is the function it was given.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
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
        self._beat: tuple[int, float] | None = None
        self.late = True

    def begin(self) -> None:
        """From now on what is published comes back."""
        self._beat = None
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

    def beat(self, number: int) -> None:
        """A heartbeat leaves; the one before should have come back long ago."""
        if self._beat is not None:
            self.give_up()
        self._beat = (number, asyncio.get_running_loop().time())

    def beat_heard(self, number: int) -> None:
        if self._beat is not None and self._beat[0] == number:
            seconds = asyncio.get_running_loop().time() - self._beat[1]
            self._beat = None
            if seconds <= limits.REDIS_ECHO_SECONDS:
                self.late = False


class Latest:
    """The number of the last publication of each other node: what comes again after a broken write is known by it."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[bytes, int] = OrderedDict()

    def is_new(self, node: bytes, number: int) -> bool:
        if number <= self._numbers.get(node, 0):
            return False
        self._numbers[node] = number
        self._numbers.move_to_end(node)
        if len(self._numbers) > limits.BROKER_NODES_MAX:
            self._numbers.popitem(last=False)
        return True
