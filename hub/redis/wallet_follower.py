"""While Redis is away each node follows, by one change stream, what the others write to wallets and announcements.

    Redis says nothing for a second --> change stream --> `resync` to the subscribers of this node --> they read again
    Redis is heard again --> on for as long as the others may take to find it, then end: the broker heals what is left

A signal says how far its channel has come, so that nobody reads what they have. A node that follows pays for each change
of every wallet, which is why that lasts no longer than it must.
"""

import asyncio
import random
import time

import structlog

from config import limits
from hub.realtime.broker import ANNOUNCEMENTS, user_channel
from hub.realtime.resyncs import Extent
from hub.redis.broker import RedisBroker
from models import announcements, wallets
from models.database import Database, DatabaseError

log = structlog.get_logger(__name__)


class WalletFollower:
    """One per process that has a Redis."""

    def __init__(self, database: Database, broker: RedisBroker) -> None:
        self._database = database
        self._broker = broker
        self._silent_at = 0.0  # when Redis was last found silent, by the monotonic clock
        self.following = asyncio.Event()  # set while a change stream is open

    async def run(self) -> None:
        """Follow whenever Redis is away, until cancelled."""
        while True:
            await self._until_silent()
            log.info("Redis is away; what others do is followed in the database")
            await self._follow()
            log.info("Redis is back; the database is followed no longer")

    async def _until_silent(self) -> None:
        """Two looks in a row: at one alone it may be we who were busy, with all that Redis said still to be read."""
        looks = 0
        while looks < 2:
            await asyncio.sleep(limits.FOLLOW_LOOK_SECONDS)
            looks = looks + 1 if self._is_silent() else 0

    def _is_silent(self) -> bool:
        return self._broker.silent_seconds > limits.REDIS_AWAY_SECONDS

    def _healed(self) -> bool:
        moment = time.monotonic()
        if self._is_silent():
            self._silent_at = moment
        return moment - self._silent_at > limits.FOLLOW_LINGER_SECONDS

    async def _follow(self) -> None:
        """Until Redis is back; the change stream is opened again, ever more slowly, when it breaks."""
        pause = limits.FOLLOW_RETRY_SECONDS
        self._silent_at = time.monotonic()
        while not self._healed():
            try:
                await self._follow_once()
            except DatabaseError as error:
                log.warning("wallets are not followed", error=str(error)[:200], retry_seconds=pause)
            except Exception:  # a document that nobody foresaw must not keep the others from being told
                log.exception("following wallets failed")
            if self.following.is_set():
                pause = limits.FOLLOW_RETRY_SECONDS
            self.following.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, limits.WALLET_FOLLOW_RETRY_SECONDS_MAX)

    async def _follow_once(self) -> None:
        """What was written before the stream was open is read once by everybody."""
        async with wallets.watch(self._database, announcements.ANNOUNCEMENTS) as found:
            self._broker.resync_all()
            self.following.set()
            async for change in found:
                if self._healed():
                    return
                if change is not None:
                    self._tell(change)

    def _tell(self, change: wallets.Change) -> None:
        if change.user is None:
            self._broker.resync(ANNOUNCEMENTS)
        elif change.version is None:
            self._broker.resync(user_channel(change.user))
        else:
            self._broker.resync(user_channel(change.user), Extent(change.version, change.offset or 0))
