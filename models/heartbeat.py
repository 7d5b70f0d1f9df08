"""Whether the database takes writes, as the driver's own heartbeats tell: no question of ours is needed.

A replica set has several servers, and each is asked; the secondaries' answers must not be taken for the primary's.
"""

from collections.abc import Callable
from typing import Any

from pymongo import errors as driver
from pymongo.monitoring import (
    ServerHeartbeatFailedEvent,
    ServerHeartbeatListener,
    ServerHeartbeatStartedEvent,
    ServerHeartbeatSucceededEvent,
)


class Heartbeat(ServerHeartbeatListener):
    """Keeps `Database.up` current: the driver asks each server every 500 ms, and one of them has to take writes."""

    def __init__(self) -> None:
        self._writable: dict[Any, bool] = {}
        self.on_down: list[Callable[[], None]] = []

    @property
    def up(self) -> bool:
        return any(self._writable.values())

    def started(self, event: ServerHeartbeatStartedEvent) -> None:
        pass

    def succeeded(self, event: ServerHeartbeatSucceededEvent) -> None:
        members = event.reply.all_hosts  # none where it is no replica set
        servers = self._writable if not members else self._writable.keys() & members  # others have left it
        states = {server: self._writable[server] for server in servers}
        self._set({**states, event.connection_id: bool(event.reply.is_writable)})

    def failed(self, event: ServerHeartbeatFailedEvent) -> None:
        # cut short because another connection was lost: it is asked again at once
        if not isinstance(event.reply, driver._OperationCancelled):
            self._set({**self._writable, event.connection_id: False})

    def _set(self, writable: dict[Any, bool]) -> None:
        was_up = self.up
        self._writable = writable
        if was_up and not self.up:
            for tell in self.on_down:
                tell()
