"""The broker carries publications from where something happened to the connections that want to know.

    ledger, notifications --publish(channel)--> Broker --callback--> Connection's queue

A publication to oneself goes through it too, so that a channel has one order. Losing one costs latency, never data:
events stand in MongoDB, and a reader that sees a gap in the offsets reads them there.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import orjson
import structlog

from hub.realtime.wire import text_frame

log = structlog.get_logger(__name__)

PublicationKind = Literal["event", "state", "notice", "signal"]


@dataclass(slots=True)
class Publication:
    """What travels on a channel.

    `event`: recoverable, has `epoch` and `offset`. `state`: the newest of its `type` wins. `notice`: pushed in order,
    and not recovered. `signal`: for the hub itself (revocations, `resync`), never sent to a client.
    """

    kind: PublicationKind
    type: str
    data: dict[str, Any]
    epoch: str = ""
    offset: int = 0
    _frame: bytes | None = field(default=None, repr=False)

    @property
    def frame(self) -> bytes:
        """The push as it crosses every socket, frame header included: encoded once, the same bytes for all."""
        if self._frame is None:
            self._frame = text_frame(orjson.dumps(self._push(), option=orjson.OPT_UTC_Z))
        return self._frame

    def _push(self) -> dict[str, Any]:
        if self.kind == "event":
            return {"type": "event", "offset": self.offset, "event": {"type": self.type, "data": self.data}}
        return {"type": self.type, **self.data}


Subscriber = Callable[[str, Publication], None]


class Broker(Protocol):
    """Two implementations: in memory for one node, Redis for several. Both pass the same tests.

    `up`: whether other nodes hear at once what is published here, and we them. The signal `resync` on a channel tells its
    subscribers that publications may have been lost; none comes on REVOCATIONS, which each node follows in the database.
    """

    @property
    def up(self) -> bool: ...

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def publish(self, channel: str, publication: Publication) -> None:
        """Hand over for delivery; never blocks, never raises."""
        ...

    def subscribe(self, channel: str, subscriber: Subscriber) -> None: ...

    def unsubscribe(self, channel: str, subscriber: Subscriber) -> None: ...

    async def subscribed(self, channel: str) -> None:
        """Return once nothing that is published on a subscribed channel from now on is lost unnoticed: it will be heard,
        or a `resync` follows. Who reads a position reads it after this.
        """
        ...


def user_channel(user: str) -> str:
    """The channel of everything that happens to one user."""
    return f"user:{user}"


REVOCATIONS = "revocations"  # signals {id, user, login?, key?, kept?, reason}: who is no longer what a cache may say
RESYNC = "resync"  # the type of the signal that something may have been lost
ANNOUNCEMENTS = "announcements"  # notices for every connection


class MemoryBroker:
    """The broker of one process: delivery is a function call."""

    up = True

    def __init__(self) -> None:
        self._subscribers: dict[str, list[Subscriber]] = {}

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        self._subscribers.clear()

    @property
    def channels(self) -> tuple[str, ...]:
        """Those with a subscriber."""
        return tuple(self._subscribers)

    def hears(self, channel: str) -> bool:
        return channel in self._subscribers

    def publish(self, channel: str, publication: Publication) -> None:
        for subscriber in tuple(self._subscribers.get(channel, ())):
            try:
                subscriber(channel, publication)
            except Exception:  # one bad subscriber must not keep the others from hearing
                log.exception("subscriber failed", channel=channel)

    def subscribe(self, channel: str, subscriber: Subscriber) -> None:
        self._subscribers.setdefault(channel, []).append(subscriber)

    def unsubscribe(self, channel: str, subscriber: Subscriber) -> None:
        subscribers = self._subscribers.get(channel, [])
        if subscriber in subscribers:
            subscribers.remove(subscriber)
        if not subscribers:
            self._subscribers.pop(channel, None)

    async def subscribed(self, channel: str) -> None:
        """A subscription is effective at once."""
