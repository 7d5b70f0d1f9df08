"""The channels that a node listens to in Redis: wanted, asked for, confirmed. It knows no connection."""

import asyncio


class Subscriptions:
    """What is wanted, what Redis was asked for, and what it has confirmed.

    An UNSUBSCRIBE is only sent after its SUBSCRIBE was confirmed: so a confirmation always belongs to the last SUBSCRIBE,
    and the end of what is confirmed was not asked for.
    """

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._asked: set[str] = set()
        self.confirmed: set[str] = set()
        self._changed: set[str] = set()
        self.waiting = asyncio.Event()

    def want(self, channel: str, wanted: bool) -> None:
        (self._wanted.add if wanted else self._wanted.discard)(channel)
        self._change(channel)

    def _change(self, channel: str) -> None:
        self._changed.add(channel)
        self.waiting.set()

    def confirm(self, channel: str) -> None:
        self._asked.discard(channel)
        self.confirmed.add(channel)
        if channel not in self._wanted:
            self._change(channel)

    def take(self) -> tuple[list[str], list[str]]:
        """What to subscribe and what to unsubscribe now."""
        fresh = [name for name in self._changed & self._wanted if name not in self._asked | self.confirmed]
        gone = [name for name in self._changed - self._wanted if name in self.confirmed]
        self._changed.clear()
        self.waiting.clear()
        self._asked.update(fresh)
        self.confirmed.difference_update(gone)
        return fresh, gone

    def begin(self) -> None:
        """A new connection knows nothing."""
        self._asked.clear()
        self.confirmed.clear()
        self._changed = set(self._wanted)
        self.waiting.set()
