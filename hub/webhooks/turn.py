"""One endpoint's turn: its deliveries in order, for as long as they come and nobody else waits for a turn.

    claim -> read the first ones -> send one after the other -> log -> read on -> ... -> linger -> release

The first delivery that fails ends it: the next ones wait behind it until it is delivered, or dead. The claim is
renewed, and the endpoint read anew, once a second.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from config import outgoing
from hub.errors import HubError
from hub.webhooks.attempts import GONE, Attempt
from models import deliveries, webhook_endpoints, webhook_queues
from models.clock import now
from models.database import Document
from models.deliveries import DEAD, DELIVERED, WAITING

if TYPE_CHECKING:
    from hub.webhooks.sender import Sender

log = structlog.get_logger(__name__)

_Tried = tuple[Document, Attempt, str]  # a delivery, an attempt at it, and its status after that


class Turn:
    """One claim of a queue, from `queue` as it was claimed to its release."""

    def __init__(self, sender: "Sender", queue: Document) -> None:
        self._sender = sender
        self._database = sender.database
        self._queue = queue
        self.owner: str | None = queue["owner"]
        self._more = asyncio.Event()  # something was queued in this process meanwhile
        self._handed: list[Document] = []  # that, as far as it need not be read
        self._endpoint: Document = {}
        self._until = time.monotonic() + outgoing.WEBHOOK_TURN_SECONDS
        self._check_at = 0.0
        self._changes: Document = {}  # of the queue, since it was last written

    def hand(self, queued: Sequence[Document]) -> None:
        """Take what was queued in this process; nothing, to end the waiting for it."""
        if len(self._handed) + len(queued) <= outgoing.WEBHOOK_TURN_DELIVERIES:
            self._handed.extend(queued)
        self._queue["seq"] = max([self._queue["seq"], *(one["seq"] for one in queued)])
        self._more.set()

    def recheck(self) -> None:
        """The endpoint was changed: before the next portion it is read anew."""
        self._check_at = 0.0

    async def run(self) -> None:
        """Raises `DatabaseError`; the claim then ends by itself."""
        while await self._may_go_on():
            self._more.clear()
            found = self._handed_next() or await self._read_next()
            if self._is_to_look():
                continue
            if not await (self._send(found) if found else self._linger()):
                return

    def _handed_next(self) -> list[Document]:
        """What was handed over, as far as it is what comes next: another process may have queued something between."""
        handed, self._handed = self._handed, []
        by_seq = {one["seq"]: one for one in handed}
        following = map(by_seq.get, itertools.count(self._queue["done"] + 1))
        return [one for one in itertools.takewhile(lambda one: one is not None, following) if one is not None]

    async def _read_next(self) -> list[Document]:
        """Nothing where all that is known of has ended: what another process queued shows when the claim is renewed."""
        if self._queue["done"] >= self._queue["seq"]:
            return []
        after, most = self._queue["done"], outgoing.WEBHOOK_TURN_DELIVERIES
        return await deliveries.first_waiting(self._database, self._queue["_id"], after, most)

    async def _may_go_on(self) -> bool:
        """Whether the queue is still ours and its endpoint wants to hear; it is looked at once a second."""
        if self._sender.closing or (self._sender.crowded and time.monotonic() > self._until):
            return await self._release(due_at=now())
        if not self._is_to_look():
            return True
        self._check_at = time.monotonic() + outgoing.WEBHOOK_CHECK_SECONDS
        endpoint = await webhook_endpoints.any_owners(self._database, self._queue["_id"])
        if endpoint is None:
            await self._sender.endpoints.forget(self._queue["_id"])
            return False
        if not endpoint["active"]:
            return await self._put_off()
        self._endpoint = endpoint
        return await self._renew()

    def _is_to_look(self) -> bool:
        return time.monotonic() >= self._check_at

    async def _renew(self) -> bool:
        changes, self._changes = self._changes, {}
        renewed = await webhook_queues.renew(self._database, self._queue, changes, outgoing.WEBHOOK_LEASE_SECONDS)
        if renewed is not None:
            self._queue = {**renewed, "seq": max(renewed["seq"], self._queue["seq"])}
        return renewed is not None

    async def _put_off(self) -> bool:
        """Nothing goes to an endpoint that is switched off; one that was switched on meanwhile is due all the same."""
        await self._release(due_at=None)
        endpoint = await webhook_endpoints.any_owners(self._database, self._queue["_id"])
        if endpoint is not None and endpoint["active"]:
            await webhook_queues.due(self._database, self._queue["_id"], now())
        return False

    async def _release(self, due_at: datetime | None) -> bool:
        """Never true: the turn has ended."""
        await webhook_queues.release(self._database, self._queue, {**self._changes, "due_at": due_at})
        return False

    async def _linger(self) -> bool:
        """Wait a moment for more, where others do not wait for us; where nothing comes the queue is at rest."""
        if not self._sender.crowded:
            try:
                await asyncio.wait_for(self._more.wait(), outgoing.WEBHOOK_LINGER_SECONDS)
                return True
            except TimeoutError:
                pass  # nothing came
        seq = self._queue["seq"]  # beyond it another process may have queued something
        rest = {**self._changes, "done": seq, "due_at": None, "head_at": None, "full": False}
        if await webhook_queues.release(self._database, self._queue, rest, if_seq=seq):
            return False
        return await self._release(due_at=now())

    # --- a portion --------------------------------------------------------------------------------------------------

    async def _send(self, found: list[Document]) -> bool:
        """Whether all that were tried were taken; otherwise the turn has ended."""
        tried: list[_Tried] = []
        for delivery in found:
            last = await self._try(delivery)
            if self._sender.closing and last[1].status is None:
                break  # cut off by our own end, which says nothing about the receiver
            tried.append(last)
            if last[2] != DELIVERED or self._is_to_look() or self._sender.closing:
                break
        if not tried:
            return True
        await self._note(tried)
        delivery, made, status = tried[-1]
        if status == DELIVERED:
            return True
        await self._fail(delivery, made, status)
        return False

    async def _try(self, delivery: Document) -> _Tried:
        made = await self._sender.attempt(self._endpoint, delivery)
        status = self._status(delivery, made)
        self._sender.tell(self._endpoint, delivery, made, status, given_up=status == DEAD)
        return delivery, made, status

    def _status(self, delivery: Document, made: Attempt) -> str:
        if made.delivered:
            return DELIVERED
        given_up = made.status != GONE and delivery["scheduled"] >= len(self._sender.retry_seconds)
        return DEAD if given_up else WAITING

    async def _note(self, tried: list[_Tried]) -> None:
        """The log first: that something was delivered is true whoever has the queue by now."""
        attempts = [deliveries.attempted(one["_id"], status, made.document) for one, made, status in tried]
        await self._sender.log.note(attempts)
        ended = [one["seq"] for one, _, status in tried if status != WAITING]
        delivered = [made.at for _, made, status in tried if status == DELIVERED]
        self._change(head_at=tried[-1][0]["event_at"])
        if ended:
            self._change(done=ended[-1], seq=max(ended[-1], self._queue["seq"]))
        if delivered:
            self._change(last_delivery=delivered[-1], failing_since=None)

    def _change(self, **changes: object) -> None:
        """Of what is known of the queue; all but `seq`, which is its writers', is to be written."""
        self._queue = {**self._queue, **changes}
        self._changes |= {name: value for name, value in changes.items() if name != "seq"}

    # --- failures ---------------------------------------------------------------------------------------------------

    async def _fail(self, delivery: Document, made: Attempt, status: str) -> None:
        if self._queue["failing_since"] is None:  # else it stands, unless its owner began anew meanwhile
            self._change(failing_since=made.at)
        pause = 0.0 if status == DEAD else self._pause(delivery, made)
        due_at = now() + timedelta(seconds=pause)
        if await webhook_queues.release(self._database, self._queue, {**self._changes, "due_at": due_at}):
            try:
                await self._react(delivery, made, status)
            except HubError as error:  # its next failure does the same
                log.warning("webhook's owner not told", endpoint=self._queue["_id"], error=str(error)[:200])

    def _pause(self, delivery: Document, made: Attempt) -> float:
        if made.status == GONE:
            return outgoing.WEBHOOK_GONE_SECONDS
        spread = 1 + random.uniform(-outgoing.WEBHOOK_RETRY_JITTER, outgoing.WEBHOOK_RETRY_JITTER)
        return max(self._sender.retry_seconds[delivery["scheduled"]] * spread, made.retry_after)

    async def _react(self, delivery: Document, made: Attempt, status: str) -> None:
        """Switch an endpoint off that is gone, or has failed for days; tell its owner of an event that is given up."""
        endpoint, days = self._endpoint, outgoing.WEBHOOK_FAILING_DAYS_MAX
        log.info("webhook failed", endpoint=endpoint["_id"], delivery=delivery["_id"], status=made.status)
        if made.status == GONE:
            await self._sender.endpoints.switch_off(endpoint, "it answered 410 Gone")
        elif made.at - self._queue["failing_since"] >= timedelta(days=days):
            await self._sender.endpoints.switch_off(endpoint, f"it failed for {days} days")
        elif status == DEAD:
            await self._sender.endpoints.tell(endpoint, "Webhook not delivered", _dead(endpoint, delivery))


def _dead(endpoint: Document, delivery: Document) -> str:
    return (
        f"{endpoint['url']} did not take {delivery['event']} in {delivery['scheduled'] + 1} attempts. It is not tried "
        "again by itself; its log has it, and you can send it again."
    )
