"""The open connections of this process: by user, by what they wait for, and their bounds.

It hears who lost a credential and closes them; it says when there are too many. It sends nothing but what goes to all.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from config import limits
from hub.errors import Code, HubError
from hub.realtime import close_codes
from hub.realtime.arrivals import Arrivals
from hub.realtime.broker import ANNOUNCEMENTS, RESYNC, REVOCATIONS, Broker, Publication
from hub.revocations import ends

if TYPE_CHECKING:
    from hub.realtime.connection import Connection

log = structlog.get_logger(__name__)

_UNHEARD = Publication("notice", "announcements.changed", {})


class Connections:
    """`pending` ones have no user yet and are counted by address; the others by user."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.arrivals = Arrivals()
        self._all: set[Connection] = set()
        self._of_user: dict[str, set[Connection]] = {}
        self._pending: Counter[str] = Counter()
        self._untold: list[bytes] = []  # announcements of this turn of the loop
        self._moving = False

    def open(self) -> None:
        self._broker.subscribe(REVOCATIONS, self._revoked)
        self._broker.subscribe(ANNOUNCEMENTS, self._announced)

    def close(self) -> None:
        self._broker.unsubscribe(REVOCATIONS, self._revoked)
        self._broker.unsubscribe(ANNOUNCEMENTS, self._announced)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def users(self) -> int:
        return len(self._of_user)

    @property
    def pending(self) -> int:
        return self._pending.total()

    @property
    def queued_bytes(self) -> int:
        return sum(connection.outbox.queued_bytes for connection in self._all)

    def of_user(self, user: str) -> tuple["Connection", ...]:
        return tuple(self._of_user.get(user, ()))

    def admit(self, connection: "Connection") -> None:
        """Take a connection without a user. Raises `HubError` CONFLICT when there are too many."""
        if len(self._all) >= limits.CONNECTIONS_MAX:
            raise _too_many("The hub has as many connections as it takes")
        if self._pending[connection.address] >= limits.CONNECTIONS_PENDING_PER_ADDRESS_MAX:
            raise _too_many("This address has too many connections without a credential")
        self._all.add(connection)
        self._pending[connection.address] += 1
        if self._moving:  # its upgrade was under way when the others were told
            asyncio.get_running_loop().call_soon(_move, connection)

    def identify(self, connection: "Connection", user: str) -> None:
        """An admitted connection has its user now. Raises `HubError` CONFLICT when the user has too many."""
        assert connection in self._all, "a connection is admitted first"
        if len(self._of_user.get(user, ())) >= limits.CONNECTIONS_PER_USER_MAX:
            raise _too_many("This user has too many connections")
        self._forget_pending(connection)
        self._of_user.setdefault(user, set()).add(connection)

    def remove(self, connection: "Connection", user: str | None) -> None:
        """Whatever state it was in; a second time changes nothing."""
        if connection not in self._all:
            return
        self._all.discard(connection)
        if user is None:
            self._forget_pending(connection)
            return
        others = self._of_user[user]
        others.discard(connection)
        if not others:
            del self._of_user[user]

    def _forget_pending(self, connection: "Connection") -> None:
        self._pending[connection.address] -= 1
        if not self._pending[connection.address]:
            del self._pending[connection.address]

    def _revoked(self, channel: str, publication: Publication) -> None:
        for connection in self.of_user(publication.data["user"]):
            if publication.type == "changed":
                connection.reauthorise()
            elif connection.identity is not None and ends(publication, connection.identity.credential_id):
                connection.close(close_codes.CREDENTIAL_REVOKED)

    def _announced(self, channel: str, publication: Publication) -> None:
        """The signal that some may have been lost becomes a push that has them listed anew.

        What was committed together leaves together: one write for each connection.
        """
        frame = (_UNHEARD if publication.type == RESYNC else publication).frame
        if self._untold and sum(map(len, self._untold)) + len(frame) > limits.WRITE_BYTES:
            self._tell_all()
        if not self._untold:
            asyncio.get_running_loop().call_soon(self._tell_all)
        self._untold.append(frame)

    def _tell_all(self) -> None:
        frames, self._untold = self._untold, []
        if frames:
            self._tell(tuple(self._all), b"".join(frames))

    def _tell(self, connections: Sequence["Connection"], frame: bytes) -> None:
        """The same bytes for all, in portions, so that the loop is not held up by thousands of writes."""
        for connection in connections[: limits.ANNOUNCED_AT_ONCE]:
            connection.tell(frame)
        if rest := connections[limits.ANNOUNCED_AT_ONCE :]:
            asyncio.get_running_loop().call_soon(self._tell, rest, frame)

    async def move_all(self, seconds: float = limits.MOVE_SECONDS) -> None:
        """Tell every connection to come back elsewhere, spread over `seconds`, and those that are admitted from now on.

        Each ends with the last answer that it follows here, at once where it follows none.
        """
        self._moving = True
        await self._each(_move, seconds)

    async def close_all(self, code: int = close_codes.SHUTTING_DOWN, seconds: float = limits.MOVE_SECONDS) -> None:
        """Close every connection, spread over `seconds` so that they do not all come back at once."""
        await self._each(lambda connection: connection.close(code), seconds)

    async def _each(self, do: Callable[["Connection"], None], seconds: float) -> None:
        connections = list(self._all)
        random.shuffle(connections)
        steps = min(len(connections), limits.CLOSING_STEPS)
        for step in range(steps):
            for connection in connections[step::steps]:
                do(connection)
            await asyncio.sleep(seconds / steps)


def _move(connection: "Connection") -> None:
    connection.move(random.randint(0, limits.MOVE_RECONNECT_MS_MAX))


def _too_many(message: str) -> HubError:
    return HubError(Code.CONFLICT, message)  # not `temporary`: trying again at once would not help
