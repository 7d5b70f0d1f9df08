"""From committed events to the queues of all endpoints that want them: each event exactly once, each channel in its order.

    events marked `pending` --read--> Portion (hub/webhooks/portion.py) --one transaction--> marks away, deliveries queued

Any process may do it, and all do, for what they commit themselves. Of a channel always the first events are read, and the
transaction takes their marks away or fails: of two processes at the same events one begins anew, and none gets ahead.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

import structlog

from config import outgoing
from hub.committer import Committed
from hub.tasks import Tasks
from hub.webhooks import payloads
from hub.webhooks.payloads import Facts
from hub.webhooks.portion import Payload, Portion, Queued, Wanted, delivery_id, portion_of, queued, wanted_of
from models import conversations, deliveries, events, users, webhook_endpoints, webhook_queues
from models.clock import now
from models.database import Conflict, Database, DatabaseError, Document, Transaction
from models.deliveries import DELIVERIES
from models.events import EVENTS
from models.webhook_queues import WEBHOOK_QUEUES

log = structlog.get_logger(__name__)


class FanOut:
    """One per process. `on_queued` is called with deliveries that were, `on_full` with an endpoint that loses some."""

    def __init__(
        self,
        database: Database,
        credit_rate: int,
        on_queued: Callable[[Sequence[Document]], None],
        on_full: Callable[[Document], Coroutine[Any, Any, None]],
        tasks: Tasks,
    ) -> None:
        self._database = database
        self._credit_rate = credit_rate
        self._on_queued = on_queued
        self._on_full = on_full
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self._after = ""  # the channel behind which the next turn goes on: no busy user keeps the others waiting
        self._most = outgoing.FAN_OUT_EVENTS  # of the next turn: fewer after one that failed

    def committed(self, committed: Committed) -> None:
        """The ledger's word after each commit."""
        if any("pending" in event for event in committed.events):
            self._asked.set()

    def start(self) -> None:
        self._task = self._tasks.start(self.run(), "webhook queues")

    async def close(self) -> None:
        """What waits is another process's, or the next one's."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def run(self) -> None:
        """Queue what waits until cancelled."""
        while True:
            await self._wait()
            self._asked.clear()
            try:
                while await self.turn():
                    pass
            except Conflict:
                self._asked.set()  # another process was faster: look again
            except DatabaseError as error:
                log.warning("events are not queued for webhooks", error=str(error)[:200])
            except Exception:
                log.exception("events cannot be queued for webhooks", events=self._most, after=self._after)

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._asked.wait(), outgoing.FAN_OUT_POLL_SECONDS)
        except TimeoutError:
            return  # another process may have left something
        await asyncio.sleep(outgoing.FAN_OUT_GATHER_SECONDS)

    async def turn(self) -> bool:
        """Queue a portion of what waits, once more from the first channel on after the last; whether there may be more.

        Raises `DatabaseError`, `Conflict` where another process was faster. After another failure fewer are tried, down
        to one, whose channel then waits behind all others.
        """
        found = await events.pending(self._database, self._after, self._most)
        if not found:
            begun, self._after = self._after, ""
            return bool(begun)
        portion = await self._portion(found)
        try:
            await self._commit(portion, [(EVENTS, events.dispatched(portion.events))])
        except Conflict:
            raise
        except Exception:
            self._after = found[-1]["channel"] if self._most == 1 else self._after
            self._most = max(1, self._most // 2)
            raise
        self._most, self._after = outgoing.FAN_OUT_EVENTS, portion.events[-1]["channel"]
        return True

    async def queue_again(self, endpoint: Document, found: Sequence[Document], replay: str | None) -> int:
        """Queue events for one endpoint that had them before, in this order; how many deliveries there are of them. Asked
        for by the same name again, or twice at once, each is queued once.

        Raises `DatabaseError`; what was queued until then stays so.
        """
        done = made = 0
        while done < len(found):
            some = found[done : done + outgoing.FAN_OUT_EVENTS]
            wanted = wanted_of(some, [endpoint])
            portion = portion_of(some, wanted, await self._facts(wanted))
            made += await self._commit(portion, [], replay)
            done += len(portion.events)
        return made

    async def payloads(self, endpoint: Document, found: Sequence[Document]) -> list[Payload]:
        """What an endpoint would be sent of these events, in this order."""
        done, made = 0, []
        while done < len(found):
            some = found[done:]
            wanted = wanted_of(some, [endpoint])
            portion = portion_of(some, wanted, await self._facts(wanted))
            made += [_payload(one, endpoint["api"], text) for one, text in portion.payloads]
            done += len(portion.events)
        return made

    async def _portion(self, found: Sequence[Document]) -> Portion:
        owners = list({payloads.user_of(event) for event in found})
        since = min(event["created_at"] for event in found)
        wanted = wanted_of(found, await webhook_endpoints.listening(self._database, owners, since))
        return portion_of(found, wanted, await self._facts(wanted))

    async def _facts(self, wanted: Mapping[Any, Sequence[Wanted]]) -> Facts:
        """What the payloads need to know, as it is at the moment of the queueing."""
        of_name = [(one.name, one.event) for some in wanted.values() for one in some]
        about = {payloads.user_of(event) for name, event in of_name if name in payloads.USERS}
        answers = {event["data"]["message_id"] for name, event in of_name if name == "ai.task.completed"}
        return Facts(
            self._credit_rate,
            users=await users.many(self._database, list(about)) if about else {},
            messages=await conversations.answers(self._database, list(answers)) if answers else {},
        )

    async def _commit(self, portion: Portion, marks: Sequence[tuple[str, Any]], replay: str | None = None) -> int:
        """Queue a portion, and take these marks away; how many deliveries there are of it."""
        moment = now()

        async def body(transaction: Transaction) -> Queued:
            for collection, updates in marks:  # first: where they are gone already nothing else is done
                await transaction.update(collection, updates, all_match=True)
            read = await webhook_queues.within(transaction, list(portion.endpoints()))
            stored = await _stored(transaction, portion, replay)
            made = queued(portion, read, moment, replay=replay, stored=stored)
            await _store(transaction, made, read)
            return made

        session = self._database.new_session()
        try:
            made: Queued = await self._database.transaction(body, session=session)
        finally:
            await session.end_session()
        self._on_queued(made.deliveries)
        for endpoint in made.full:
            self._tasks.start(self._on_full(endpoint), "a webhook's full queue")
        return len(made.deliveries) + made.standing


def _payload(one: Wanted, api: str, text: str) -> Payload:
    return Payload(payloads.id_of(one.event, one.name, api), text, one.event.get("hops", 0))


async def _stored(transaction: Transaction, portion: Portion, replay: str | None) -> set[str]:
    """The deliveries that a replay made of this portion when it was asked for before."""
    if replay is None:
        return set()
    return await deliveries.stored_within(transaction, [delivery_id(wanted, replay) for wanted, _ in portion.payloads])


async def _store(transaction: Transaction, made: Queued, read: Mapping[str, Document]) -> None:
    if new := [queue for key, queue in made.queues.items() if key not in read]:
        await transaction.insert(WEBHOOK_QUEUES, new)
    if changed := list(_changes(made.queues, read)):
        await transaction.update(WEBHOOK_QUEUES, changed, all_match=True)
    if made.deliveries:
        await transaction.insert(DELIVERIES, made.deliveries)


def _changes(queues: Mapping[str, Document], read: Mapping[str, Document]) -> Iterator[tuple[Document, Document]]:
    for key, queue in queues.items():
        if key in read and queue != read[key]:
            changed = {name: queue[name] for name in ("seq", "dropped", "full", "due_at", "head_at")}
            yield {"_id": key, "seq": read[key]["seq"]}, {"$set": changed}
