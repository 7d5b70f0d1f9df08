"""A user's channel on one connection: every event once and in order, or the word that it cannot be had.

    listening() -> start(): read the position and what was missed -> answer -> live(): what came meanwhile, then as it comes

Listening comes first, so nothing falls between reading and listening; what is then known twice is dropped by its offset.
A gap while live is read from MongoDB, and so is all that is new when the broker says that it may have lost something.
While MongoDB is away as well, what comes is held until it is back: nobody else can tell what is missing, and the socket
stays. Nothing here knows frames' content or sockets.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from config import limits
from hub.batch import wallet_state
from hub.operations import WalletState
from hub.realtime import views
from hub.realtime.broker import RESYNC, Broker, Publication, user_channel
from hub.realtime.outbox import Outbox
from hub.realtime.resyncs import NOWHERE, Extent
from hub.tasks import Tasks
from models import events, wallets
from models.clock import timestamp
from models.database import Database, DatabaseError, DatabaseUnavailable, Document

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader of a channel is: `offset` events of this `epoch`."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Missed:
    """What a reader at some position has not seen. Never a part: `events` is empty unless `recovered`."""

    recovered: bool
    events: Sequence[Document]
    position: Position  # of the reader, once it has the events


async def missed_since(database: Database, wallet: WalletState, since: Position) -> Missed:
    """Everything between a reader's position and the present, if all of it is still there."""
    present = Position(wallet.epoch, wallet.offset)
    if since.epoch != wallet.epoch or since.offset > wallet.offset:
        return Missed(False, (), present)
    if since.offset == wallet.offset:
        return Missed(True, (), present)
    if wallet.offset - since.offset > limits.EVENT_REPLAY_MAX:
        return Missed(False, (), present)
    found = await events.after(database, user_channel(wallet.user), wallet.epoch, since.offset, limits.EVENT_REPLAY_MAX)
    whole = _follows(found, since.offset) and since.offset + len(found) >= wallet.offset
    if not whole:
        return Missed(False, (), present)
    return Missed(True, found, Position(wallet.epoch, since.offset + len(found)))


def _follows(found: Sequence[Document], offset: int) -> bool:
    """Whether the events continue from `offset` without a gap."""
    return all(event["offset"] == offset + 1 + index for index, event in enumerate(found))


def event_frame(event: Document) -> bytes:
    return Publication("event", event["type"], event["data"], event["epoch"], event["offset"]).frame


class Feed:
    """`lost` is called when the order can no longer be kept: the client has to connect anew and recover.

    `turns` are those of all feeds of the process: so many of them read at once, in the order in which they came.
    """

    def __init__(
        self,
        user: str,
        database: Database,
        broker: Broker,
        outbox: Outbox,
        tasks: Tasks,
        turns: asyncio.Semaphore,
        lost: Callable[[], None],
    ) -> None:
        self.channel = user_channel(user)
        self._user = user
        self._database = database
        self._broker = broker
        self._outbox = outbox
        self._tasks = tasks
        self._turns = turns
        self._lost = lost
        self._position = Position("", 0)
        self._held: list[Publication] | None = []  # None: live
        self._versions: dict[str, int] = {}  # of the states sent: a late one is not news
        self._extent = NOWHERE  # how far the channel is said to go, heard while publications were held
        self._closed = False
        broker.subscribe(self.channel, self._heard)

    async def listening(self) -> None:
        """Return when nothing is lost unnoticed any more: read the wallet after it."""
        await self._broker.subscribed(self.channel)

    async def start(self, wallet: WalletState, since: Position | None) -> Missed:
        """What was missed since a position; without one nothing was. Call `live` once the answer is on its way."""
        if since is None:
            missed = Missed(False, (), Position(wallet.epoch, wallet.offset))
        else:
            missed = await missed_since(self._database, wallet, since)
        self._position = missed.position
        self._versions["balance"] = wallet.version
        return missed

    def live(self) -> None:
        """Deliver what came meanwhile, and from now on at once."""
        held, self._held = self._held or [], None
        for publication in held:
            self._heard(self.channel, publication)
        extent, self._extent = self._extent, NOWHERE
        self._resync(extent)

    def close(self) -> None:
        self._closed = True
        self._broker.unsubscribe(self.channel, self._heard)
        self._held = []

    def _heard(self, channel: str, publication: Publication) -> None:
        if publication.kind == "signal":
            if publication.type == RESYNC:
                self._resync(Extent.of(publication.data))
        elif self._held is not None:
            self._hold(publication)
        elif publication.kind == "state":
            self._state(publication)
        else:
            self._event(publication)

    def _hold(self, publication: Publication) -> None:
        assert self._held is not None
        self._held.append(publication)
        if len(self._held) > limits.EVENT_REPLAY_MAX:
            self._lost()

    def _state(self, publication: Publication) -> None:
        version = publication.data.get("version", 0)
        if version >= self._versions.get(publication.type, 0):
            self._versions[publication.type] = version
            self._outbox.state(publication.type, publication.frame)

    def _event(self, publication: Publication) -> None:
        position = self._position
        if publication.epoch != position.epoch:
            self._lost()
        elif publication.offset == position.offset + 1:
            self._position = Position(position.epoch, publication.offset)
            self._outbox.push(publication.frame)
        elif publication.offset > position.offset:
            self._held = [publication]
            self._tasks.start(self._fill(), "fill a gap in the events")

    def _resync(self, extent: Extent) -> None:
        """The channel goes as far as this: compare with the database, once nothing is held any more. What was delivered
        without the broker is known here already, and one reading is enough for all that is said meanwhile.
        """
        if extent.within(Extent(self._versions.get("balance", -1), self._position.offset)):
            return
        if self._held is not None:
            self._extent = self._extent.furthest(extent)
        else:
            self._held = []
            self._tasks.start(self._read_again(), "read a user's channel again")

    async def _read_again(self) -> None:
        """Send the balance and the events that the broker lost."""
        present = await self._asked(self._present)
        if present is None:
            self._lost()
            return
        wallet, missed = present
        self._position = missed.position
        if missed.events:
            self._outbox.push(b"".join([event_frame(event) for event in missed.events]))
        if wallet.version > self._versions["balance"]:
            self._state(Publication("state", "balance", views.balance_view(wallet)))
        self.live()

    async def _present(self) -> tuple[WalletState, Missed] | None:
        document = await wallets.wallet(self._database, self._user)
        if document is None:
            return None
        wallet = wallet_state(document)
        missed = await missed_since(self._database, wallet, self._position)
        return (wallet, missed) if missed.recovered else None

    async def _fill(self) -> None:
        """Read from the database what the broker lost."""
        position = self._position
        found = await self._asked(
            lambda: events.after(self._database, self.channel, position.epoch, position.offset, limits.EVENT_REPLAY_MAX)
        )
        if not found or not _follows(found, position.offset):
            self._lost()
            return
        self._position = Position(position.epoch, position.offset + len(found))
        self._outbox.push(b"".join([event_frame(event) for event in found]))
        self.live()

    async def _asked(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """The database's answer, at this feed's turn and however long it is away; None where there can be none."""
        pause = limits.FOLLOW_RETRY_SECONDS
        while not self._closed:
            try:
                async with self._turns:
                    return await question()
            except (
                DatabaseUnavailable
            ):  # who follows it says so in the log, once and not for each of thousands of feeds
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, limits.RECOVERY_RETRY_SECONDS_MAX)
            except DatabaseError as error:
                log.warning("a channel could not be read", channel=self.channel, error=str(error))
                break
        return None


def history_view(found: Sequence[Document]) -> list[dict[str, Any]]:
    """Events as the `history` reply lists them."""
    return [
        {
            "offset": event["offset"],
            "type": event["type"],
            "data": event["data"],
            "created_at": timestamp(event["created_at"]),
        }
        for event in found
    ]
