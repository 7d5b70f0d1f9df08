"""From committed events to the queues of all endpoints that want them: each event exactly once, each channel in its
order.

    events marked `pending` --one transaction--> deliveries, queues' numbers, marks taken away

Any process may do it, and all do, for what they commit themselves. A transaction reads the marks that it takes away,
and of a channel always the first ones: of two processes at the same events one begins anew, and nobody gets ahead of
another.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from config import outgoing
from hub.committer import Committed
from hub.tasks import Tasks
from hub.webhooks import payloads
from hub.webhooks.payloads import Facts
from models import conversations, deliveries, events, users, webhook_endpoints, webhook_queues
from models.clock import now
from models.database import Conflict, Database, DatabaseError, Document, Transaction
from models.deliveries import DELIVERIES
from models.events import EVENTS
from models.ids import new_id
from models.webhook_queues import WEBHOOK_QUEUES

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event that an endpoint wants, by one of its public names."""

    event: Document
    endpoint: Document
    name: str


@dataclass(slots=True)
class Written:
    """What one transaction comes to. `full`: endpoints that lose an event for the first time, their queue being
    full.
    """

    events: list[Document] = field(default_factory=list)
    queues: dict[str, Document] = field(default_factory=dict)  # as they will be
    deliveries: list[Document] = field(default_factory=list)
    full: list[Document] = field(default_factory=list)
    size_bytes: int = 0

    def queue(self, wanted: Wanted, body: str, moment: datetime) -> None:
        """Put one event at the end of its endpoint's queue, if that has room."""
        endpoint, event = wanted.endpoint, wanted.event
        queue = self.queues[endpoint["_id"]]
        if queue["seq"] - queue["done"] >= outgoing.WEBHOOK_WAITING_MAX:
            if not queue["dropped"]:
                self.full.append(endpoint)
            queue["dropped"] += 1
            return
        queue["seq"] += 1
        if queue["due_at"] is None:
            queue["due_at"], queue["head_at"] = moment, event["created_at"]
        webhook_id = payloads.id_of(event, wanted.name, endpoint["api"])
        what = (webhook_id, wanted.name, body, event["created_at"], moment)
        self.deliveries.append(deliveries.new_delivery(new_id("dlv"), endpoint, queue["seq"], *what))
        self.size_bytes += len(body)


class FanOut:
    """One per process. `queued` is called with deliveries that were, `full` with an endpoint that begins to lose
    some.
    """

    def __init__(
        self,
        database: Database,
        credit_rate: int,
        queued: Callable[[Sequence[Document]], None],
        full: Callable[[Document], Coroutine[Any, Any, None]],
        tasks: Tasks,
    ) -> None:
        self._database = database
        self._credit_rate = credit_rate
        self._queued = queued
        self._full = full
        self._tasks = tasks
        self._session = database.new_session()
        self._asked = asyncio.Event()
        self._after = ""  # the channel behind which the next turn goes on: no busy user keeps the others waiting

    def committed(self, committed: Committed) -> None:
        """The ledger's word after each commit."""
        if any("pending" in event for event in committed.events):
            self._asked.set()

    async def close(self) -> None:
        await self._session.end_session()

    async def run(self) -> None:
        """Queue what waits until cancelled."""
        while True:
            self._asked.clear()
            try:
                while await events.any_pending(self._database):
                    await self.turn()
            except Conflict:
                log.debug("another process queues the same events")
            except DatabaseError as error:
                log.warning("events are not queued for webhooks", error=str(error)[:200])
            await self._wait()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._asked.wait(), outgoing.FAN_OUT_POLL_SECONDS)
        except TimeoutError:
            return  # another process may have left something
        await asyncio.sleep(outgoing.FAN_OUT_GATHER_SECONDS)

    async def turn(self) -> int:
        """Queue a portion of what waits, once more from the first channel on after the last; how many events there
        were.

        Raises `DatabaseError`.
        """
        body = partial(self._write, self._after)
        written: Written = await self._database.transaction(body, session=self._session)
        found = written.events
        self._after = found[-1]["channel"] if found else ""
        self._queued(written.deliveries)
        for endpoint in written.full:
            self._tasks.start(self._full(endpoint), "a webhook's full queue")
        return len(found)

    async def queue_again(self, endpoint: Document, found: Sequence[Document]) -> int:
        """Queue events for one endpoint that had them before, in this order; how many deliveries there are of them.

        Raises `DatabaseError`; what was queued until then stays so.
        """
        session, queued, done = self._database.new_session(), 0, 0
        try:
            while done < len(found):
                portion = found[done : done + outgoing.FAN_OUT_EVENTS]
                body = partial(self._write_again, endpoint, portion)
                written: Written = await self._database.transaction(body, session=session)
                done += len(written.events)
                queued += len(written.deliveries)
                self._queued(written.deliveries)
        finally:
            await session.end_session()
        return queued

    async def _write_again(self, endpoint: Document, found: Sequence[Document], transaction: Transaction) -> Written:
        wanted = _wanted(found, [endpoint])
        queues = await webhook_queues.within(transaction, [endpoint["_id"]])
        written = _queue_all(found, wanted, queues, await self._facts(transaction, wanted))
        await _store(transaction, written, queues)
        return written

    async def _write(self, after: str, transaction: Transaction) -> Written:
        found = await events.pending_within(transaction, after, outgoing.FAN_OUT_EVENTS)
        if not found:
            return Written()
        owners = list({_owner(event) for event in found})
        wanted = _wanted(found, await webhook_endpoints.listening_within(transaction, owners))
        queues = await webhook_queues.within(transaction, list({one.endpoint["_id"] for one in wanted}))
        facts = await self._facts(transaction, wanted)
        written = _queue_all(found, wanted, queues, facts)
        await transaction.update(EVENTS, events.dispatched(written.events), all_match=True)
        await _store(transaction, written, queues)
        return written

    async def _facts(self, transaction: Transaction, wanted: Sequence[Wanted]) -> Facts:
        """What the payloads need to know, read as it is at the moment of the queueing."""
        about = [_owner(one.event) for one in wanted if one.name in payloads.USERS]
        answers = [one.event["data"]["message_id"] for one in wanted if one.name == "ai.task.completed"]
        return Facts(
            self._credit_rate,
            users=await users.many_within(transaction, about) if about else {},
            messages=await conversations.answers_within(transaction, answers) if answers else {},
        )


def _owner(event: Document) -> str:
    return str(event["channel"]).removeprefix("user:")


def _wanted(found: Sequence[Document], endpoints: Sequence[Document]) -> list[Wanted]:
    """In the order of the events."""
    by_owner: defaultdict[str | None, list[Document]] = defaultdict(list)
    for endpoint in endpoints:
        by_owner[endpoint["owner"]].append(endpoint)
    return [
        Wanted(event, endpoint, name)
        for event in found
        for name in payloads.names_of(event)
        for endpoint in (*by_owner[_owner(event)], *by_owner[None])
        if name in endpoint["events"]
    ]


def _queue_all(
    found: Sequence[Document], wanted: Sequence[Wanted], queues: Mapping[str, Document], facts: Facts
) -> Written:
    """All of these events, or as many of the first as a transaction carries."""
    moment, bodies = now(), _Bodies(facts)
    endpoints = {one.endpoint["_id"]: one.endpoint for one in wanted}
    written = Written(queues={key: _copy(queues, endpoint) for key, endpoint in endpoints.items()})
    by_event: defaultdict[Any, list[Wanted]] = defaultdict(list)
    for one in wanted:
        by_event[one.event["_id"]].append(one)
    for event in found:
        if written.size_bytes > outgoing.FAN_OUT_BYTES_MAX:
            break
        written.events.append(event)
        for one in by_event[event["_id"]]:
            written.queue(one, bodies.of(one), moment)
    return written


def _copy(queues: Mapping[str, Document], endpoint: Document) -> Document:
    known = queues.get(endpoint["_id"])
    return webhook_queues.new_queue(endpoint["_id"], endpoint["owner"]) if known is None else dict(known)


class _Bodies:
    """Payloads, each made once for all endpoints that want it in one form."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._made: dict[tuple[Any, str, str], str] = {}

    def of(self, wanted: Wanted) -> str:
        event, api = wanted.event, wanted.endpoint["api"]
        key = (event["_id"], wanted.name, api)
        if key not in self._made:
            self._made[key] = payloads.body_of(event, wanted.name, api, self._facts)
        return self._made[key]


async def _store(transaction: Transaction, written: Written, read: Mapping[str, Document]) -> None:
    new = [queue for key, queue in written.queues.items() if key not in read]
    if new:
        await transaction.insert(WEBHOOK_QUEUES, new)
    if changed := list(_changes(written.queues, read)):
        await transaction.update(WEBHOOK_QUEUES, changed, all_match=True)
    if written.deliveries:
        await transaction.insert(DELIVERIES, written.deliveries)


def _changes(queues: Mapping[str, Document], read: Mapping[str, Document]) -> Iterator[tuple[Document, Document]]:
    for key, queue in queues.items():
        if key in read and queue != read[key]:
            changed = {name: queue[name] for name in ("seq", "dropped", "due_at", "head_at")}
            yield {"_id": key, "seq": read[key]["seq"]}, {"$set": changed}
