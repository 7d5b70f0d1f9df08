"""Who reads streams over HTTP, so that a credential that is withdrawn reads nothing more, whoever began the stream.

    handlers/sse.py --add(identity, refuse)--> Readers <--revoked-- broker

Sockets have their own registry (`hub/realtime/registry.py`); answers that a credential began are ended by `hub/chat.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.realtime.broker import REVOCATIONS, Broker, Publication
from hub.revocations import ends


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """One response under way."""

    user: str
    credential: str | None  # the login or API key
    refuse: Callable[[HubError], None]


class Readers:
    """Of this process; bounded by its connections."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._of_user: dict[str, set[Reader]] = {}

    def open(self) -> None:
        self._broker.subscribe(REVOCATIONS, self._revoked)

    def close(self) -> None:
        self._broker.unsubscribe(REVOCATIONS, self._revoked)

    def __len__(self) -> int:
        return sum(len(readers) for readers in self._of_user.values())

    def add(self, identity: Identity, refuse: Callable[[HubError], None]) -> Reader:
        """`refuse` is called should the credential be withdrawn; `remove` must follow in any case."""
        reader = Reader(identity.user_id, identity.credential_id, refuse)
        self._of_user.setdefault(reader.user, set()).add(reader)
        return reader

    def remove(self, reader: Reader) -> None:
        readers = self._of_user[reader.user]
        readers.remove(reader)
        if not readers:
            del self._of_user[reader.user]

    def _revoked(self, channel: str, publication: Publication) -> None:
        for reader in tuple(self._of_user.get(publication.data["user"], ())):
            if ends(publication, reader.credential):
                reader.refuse(HubError(Code.UNAUTHENTICATED, "This credential was withdrawn"))
