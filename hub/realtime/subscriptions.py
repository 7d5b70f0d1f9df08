"""The channels beside its own that a connection listens to, and how each arrives there.

Whatever a channel carries, a slow listener costs nothing beyond its queue: of a state only the newest waits, and of the
administrators' events those that find the queue long are left out and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from config import limits
from hub.errors import Code, HubError, invalid
from hub.identity_cache import Identity
from hub.realtime import channels, frames
from hub.realtime.broker import Broker, Publication, Subscriber
from hub.realtime.outbox import Outbox

if TYPE_CHECKING:
    from hub.monitor import Monitor


@dataclass(frozen=True, slots=True)
class EventFilters:
    """Which events are wanted; an empty list is no wish. A type may end in `.*`."""

    types: Sequence[str] = ()
    users: Sequence[str] = ()

    def want(self, event: Mapping[str, Any]) -> bool:
        if self.users and event["user"] not in self.users:
            return False
        return not self.types or any(_is_of(event["type"], wanted) for wanted in self.types)


def _is_of(event_type: str, wanted: str) -> bool:
    return event_type.startswith(wanted[:-1]) if wanted.endswith(".*") else event_type == wanted


class EventListener:
    """`admin:events` on one connection."""

    def __init__(self, outbox: Outbox, filters: EventFilters) -> None:
        self._outbox = outbox
        self.filters = filters
        self._dropped = 0  # left out here, and not told yet

    def __call__(self, channel: str, publication: Publication) -> None:
        """Of the signal that some may have been lost nothing is told: how many they were is not known."""
        if publication.kind != "notice":
            return
        events = publication.data["events"]
        chosen = [event for event in events if self.filters.want(event)]
        dropped = publication.data["dropped"] + self._dropped
        if not chosen and not dropped:
            return
        if self._outbox.queued_bytes > limits.ADMIN_QUEUE_BYTES:
            self._dropped = dropped + len(chosen)
            return
        self._dropped = 0
        same = len(chosen) == len(events) and dropped == publication.data["dropped"]
        view = {"type": publication.type, "events": chosen, "dropped": dropped}
        self._outbox.push(publication.frame if same else frames.frame(view))


class Subscriptions:
    """One connection's. `add` twice is once, but for the filters, of which the last ones count."""

    def __init__(self, outbox: Outbox, broker: Broker, monitor: "Monitor") -> None:
        self._broker = broker
        self._outbox = outbox
        self._monitor = monitor
        self._listeners: dict[str, Subscriber] = {}

    def check(self, channel: str, filters: EventFilters | None) -> None:
        """Raises `HubError` when there are too many, or the channel has no filters."""
        if filters is not None and channel != channels.ADMIN_EVENTS:
            raise invalid("filters", f"only {channels.ADMIN_EVENTS} has filters")
        if channel not in self._listeners and len(self._listeners) >= limits.CHANNELS_PER_CONNECTION_MAX:
            raise HubError(Code.RATE_LIMITED, "This connection has too many subscriptions")

    def add(self, channel: str, filters: EventFilters | None = None) -> None:
        """Listen; what a channel keeps is sent first."""
        listener = self._listeners.get(channel)
        if isinstance(listener, EventListener):
            listener.filters = filters or EventFilters()
        elif listener is not None:
            return
        elif channel == channels.ADMIN_EVENTS:
            self._listen(channel, EventListener(self._outbox, filters or EventFilters()))
        elif channels.is_told(channel):
            self._listen(channel, self._notice)
        else:
            for frame in self._monitor.history():
                self._outbox.push(frame)
            self._listen(channel, self._sample)

    def _listen(self, channel: str, listener: Subscriber) -> None:
        self._listeners[channel] = listener
        self._source(channel).subscribe(channel, listener)

    def _source(self, channel: str) -> Broker:
        """Samples are made on each node; events come from all."""
        return self._monitor.samples if channel == channels.ADMIN_METRICS else self._broker

    def _notice(self, channel: str, publication: Publication) -> None:
        """Of what happened; who reads too slowly misses some, and has them where they are kept."""
        if publication.kind == "notice" and self._outbox.queued_bytes <= limits.ADMIN_QUEUE_BYTES:
            self._outbox.push(publication.frame)

    def _sample(self, channel: str, publication: Publication) -> None:
        self._outbox.state(f"{channel} {publication.type}", publication.frame)

    def remove(self, channel: str) -> None:
        listener = self._listeners.pop(channel, None)
        if listener is not None:
            self._source(channel).unsubscribe(channel, listener)

    def recheck(self, identity: Identity) -> None:
        """End what this identity may not listen to any more, and say so."""
        for channel in tuple(self._listeners):
            if not channels.may_listen(identity, channel):
                self.remove(channel)
                error = HubError(Code.FORBIDDEN, "You may listen to this channel no longer")
                lost = {"type": "subscription.lost", "channel": channel, "error": frames.error_view(error)}
                self._outbox.push(frames.frame(lost))

    def close(self) -> None:
        for channel in tuple(self._listeners):
            self.remove(channel)
