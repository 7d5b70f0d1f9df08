"""Revocations: how every node learns, within a second, that someone is no longer what a cache says.

    end() --one transaction--> database --change stream--> follow() --+
      +--------publish------------------> broker ---------------------+--> subscribers of REVOCATIONS

The broker is the fast way and may lose a message; the change stream is the sure one. What came by either is remembered,
so that it is handed on once. A signal is `revoked {user, login?, key?, kept?, reason}`, or `changed {user, reason}` when the
user's document has to be read again and nothing has ended, or `stopped {user, stream, reason}` for an answer that its user
wants no more and another node makes.
"""

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import structlog

from config import limits
from hub.identity_cache import IdentityCache
from hub.login_secrets import is_login
from hub.realtime.broker import REVOCATIONS, Broker, Publication
from models import logins, revocations
from models.clock import now
from models.database import Database, DatabaseError, Document, OutcomeUnknown

log = structlog.get_logger(__name__)


def ends(publication: Publication, credential: str | None) -> bool:
    """Whether a signal to their user ends what stands on this login or API key; None stands for no particular one.

    Where it names none it ends all of the user's, and where it keeps a login, the user's other logins.
    """
    data = publication.data
    if publication.type != "revoked":
        return False
    named = {data.get("login"), data.get("key")} - {None}
    if named:
        return credential in named
    kept = data.get("kept")
    return kept is None or (is_login(credential) and credential != kept)


class Revocations:
    """Writes and hears revocations, and keeps the cache of identities true to them. One per process."""

    def __init__(self, database: Database, broker: Broker, cache: IdentityCache) -> None:
        self._database = database
        self._broker = broker
        self._cache = cache
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._current = now()  # up to here the change stream has been followed
        self.following = asyncio.Event()  # set while it is
        broker.subscribe(REVOCATIONS, self._heard)

    def close(self) -> None:
        self._broker.unsubscribe(REVOCATIONS, self._heard)

    async def end(self, user: str, reason: str, login: str) -> None:
        """End one login of a user. Raises `DatabaseError`; then nothing has ended."""
        revocation = revocations.new_revocation(user, reason, now(), login, None)
        await self._tell(revocation, logins.end(self._database, revocation))

    async def changed(self, user: str) -> None:
        """Say that a user's document (role, tier, name) is another one now; the logins stay."""
        revocation = revocations.new_revocation(user, revocations.CHANGED, now(), None, None)
        await self._tell(revocation, revocations.add(self._database, revocation))

    async def stop(self, user: str, stream: str) -> None:
        """End one answer of a user, whichever node makes it. Raises `DatabaseError`; then it goes on."""
        revocation = revocations.new_stop(user, stream, now())
        await self._tell(revocation, revocations.add(self._database, revocation))

    def announce(self, revocation: Document) -> None:
        """Pass on one that an operation of the ledger has written; the change stream brings it too, a moment later."""
        self._pass_on(revocation)

    async def _tell(self, revocation: Document, writing: Awaitable[None]) -> None:
        """Write, then publish. Remembered before, because the change stream may be faster than the write's answer; where
        that is lost with the caller or the connection, the revocation counts: who still has a login can come again.
        """
        self._remember(revocation["_id"])
        try:
            await writing
        except (OutcomeUnknown, asyncio.CancelledError):
            self._publish(revocation)
            raise
        except DatabaseError:
            self._seen.pop(revocation["_id"], None)
            raise
        self._publish(revocation)

    def _publish(self, revocation: Document) -> None:
        """Drop what we hold ourselves at once, whatever becomes of the message."""
        names: tuple[str, ...] = ("user", "login", "key", "kept", "stream", "reason")
        data = {name: revocation[name] for name in names if name in revocation}
        data["id"] = revocation["_id"]
        self._apply(data)
        ends_nothing = data["reason"] in (revocations.CHANGED, revocations.STOPPED)
        kind = data["reason"] if ends_nothing else "revoked"
        self._broker.publish(REVOCATIONS, Publication("signal", kind, data))

    def _heard(self, channel: str, publication: Publication) -> None:
        self._apply(publication.data)

    def _apply(self, data: dict[str, Any]) -> None:
        if data["reason"] != revocations.STOPPED:
            self._cache.drop(data["user"], data.get("login"), data.get("key"))
        self._remember(data["id"])

    def _remember(self, revocation_id: str) -> None:
        self._seen[revocation_id] = None
        if len(self._seen) > limits.REVOCATIONS_SEEN_MAX:
            self._seen.popitem(last=False)

    async def follow(self) -> None:
        """Follow the change stream until cancelled, opening it again, ever more slowly, when it breaks."""
        pause = limits.FOLLOW_RETRY_SECONDS
        while True:
            try:
                await self._follow_once()
            except DatabaseError as error:
                log.warning("revocations are not followed", error=str(error), retry_seconds=pause)
            except Exception:  # a document that nobody foresaw must not end what keeps withdrawn credentials out
                log.exception("following revocations failed")
            finally:
                if self.following.is_set():
                    pause = limits.FOLLOW_RETRY_SECONDS
                self.following.clear()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, limits.FOLLOW_RETRY_SECONDS_MAX)

    async def _follow_once(self) -> None:
        async with revocations.watch(self._database) as fresh:
            opened = now()
            await self._catch_up()
            self._current = opened
            self.following.set()
            async for revocation in fresh:
                self._current = revocation["created_at"]
                self._pass_on(revocation)

    async def _catch_up(self) -> None:
        """Read all that was written while nobody followed, in pages; while there is more, trust nothing that is cached."""
        start = self._current - timedelta(seconds=limits.REVOCATION_OVERLAP_SECONDS)
        again = 0  # revocations of the moment `start` that are read once more, for others of it may be on the next page
        while True:
            count = again + limits.REVOCATIONS_REPLAY_MAX
            page = await revocations.since(self._database, start, count)
            if len(page) == count:
                self._cache.clear()
            for revocation in page:
                self._pass_on(revocation)
            if len(page) < count:
                return
            start = page[-1]["created_at"]
            again = sum(revocation["created_at"] == start for revocation in page)

    def _pass_on(self, revocation: Document) -> None:
        if revocation["_id"] not in self._seen:
            self._publish(revocation)
