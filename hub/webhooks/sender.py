"""Sends what is queued: to each endpoint one delivery after the other, to all endpoints at once.

    queue that is due --claim--> Turn (hub/webhooks/turn.py) --> log, queue's next moment --> release

A process that dies leaves its claims; what it had sent and not noted goes again under the same id.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence

from config import outgoing
from hub.job_loop import JobLoop
from hub.metrics import Metrics
from hub.realtime.broker import Broker, Publication
from hub.realtime.channels import webhooks_channel
from hub.safe_http import SafeHttp
from hub.tasks import Tasks
from hub.webhooks.attempts import Attempt, attempt
from hub.webhooks.endpoints import WebhookEndpoints
from hub.webhooks.log import Log
from hub.webhooks.turn import Turn
from hub.webhooks.views import attempt_view
from models import deliveries, webhook_queues
from models.clock import now
from models.database import Database, Document
from models.deliveries import DELIVERED
from models.ids import new_id


class Sender:
    """One per process; all of them share the queues. `retry_seconds` are the pauses between the attempts at one
    delivery.
    """

    def __init__(
        self,
        database: Database,
        http: SafeHttp,
        endpoints: WebhookEndpoints,
        broker: Broker,
        metrics: Metrics,
        tasks: Tasks,
        node: str,
        retry_seconds: Sequence[float] = outgoing.WEBHOOK_RETRY_SECONDS,
    ) -> None:
        self.database = database
        self.endpoints = endpoints
        self.log = Log(database, tasks)
        self.retry_seconds = retry_seconds
        self._http = http
        self._broker = broker
        self._metrics = metrics
        self._node = node
        self._trying = asyncio.Semaphore(outgoing.WEBHOOKS_TRIED_AT_ONCE)
        self._turns: dict[str, Turn] = {}  # by endpoint
        self._loop = JobLoop(
            *("webhooks", self._claim, self._turn, tasks),
            at_once=outgoing.WEBHOOKS_AT_ONCE,
            poll_seconds=outgoing.WEBHOOK_POLL_SECONDS,
        )

    def queued(self, made: Sequence[Document]) -> None:
        """These deliveries were queued here: whose turn it is gets them, the others' queues are claimed."""
        by_endpoint: defaultdict[str, list[Document]] = defaultdict(list)
        for delivery in made:
            by_endpoint[delivery["endpoint"]].append(delivery)
        for endpoint, theirs in by_endpoint.items():
            self.wake(endpoint, theirs)

    def wake(self, endpoint: str, handed: Sequence[Document] = ()) -> None:
        """An endpoint's queue is due."""
        if (turn := self._turns.get(endpoint)) is not None:
            turn.hand(handed)
        else:
            self._loop.wake()

    def changed(self, endpoint: str) -> None:
        """Whose turn it is looks at the endpoint before the next attempt; other processes do within a second."""
        if (turn := self._turns.get(endpoint)) is not None:
            turn.recheck()

    @property
    def closing(self) -> bool:
        return self._loop.closing

    @property
    def crowded(self) -> bool:
        """Others wait for a turn."""
        return self._loop.full

    async def run(self) -> None:
        """Send what is due until cancelled."""
        await self._loop.run()

    async def close(self) -> None:
        """Begin no more attempts, and leave the queues to other processes: those too whose attempt does not end."""
        for turn in self._turns.values():
            turn.hand(())
        await self._loop.close(outgoing.WEBHOOK_CLOSE_SECONDS)
        await webhook_queues.release_of(self.database, [self._node])

    async def _claim(self) -> Document | None:
        moment = now()
        seconds, busy = outgoing.WEBHOOK_LEASE_SECONDS, self._busy_owners()
        return await webhook_queues.claim(self.database, new_id("claim"), self._node, moment, seconds, busy)

    def _busy_owners(self) -> list[str]:
        """Users with so many turns that others would have to wait for theirs."""
        owners = Counter(turn.owner for turn in self._turns.values())
        return [owner for owner, turns in owners.items() if owner and turns >= outgoing.WEBHOOKS_OF_OWNER_AT_ONCE]

    async def _turn(self, queue: Document) -> None:
        self._turns[queue["_id"]] = turn = Turn(self, queue)
        try:
            await turn.run()
        finally:
            self._turns.pop(queue["_id"], None)
        self._loop.wake()

    # --- attempts -------------------------------------------------------------------------------------------------

    async def attempt(self, endpoint: Document, delivery: Document) -> Attempt:
        return await attempt(self._http, endpoint, delivery, delivery["scheduled"])

    def tell(self, endpoint: Document, delivery: Document, made: Attempt, status: str, given_up: bool) -> None:
        """Whoever watches, and the metrics. `status` is the delivery's after the attempt."""
        self._metrics.webhook_attempt(made.delivered, given_up)
        told = attempt_view(endpoint, delivery, made.document, status)
        self._broker.publish(webhooks_channel(endpoint["owner"]), Publication("notice", "webhook.attempt", told))

    async def try_now(self, endpoint: Document, delivery: Document) -> None:
        """One attempt beside the queue, for its owner who waits: a failure changes nothing but the log."""
        async with self._trying:
            made = await attempt(self._http, endpoint, delivery, 0)  # by the newest secret
        status = DELIVERED if made.delivered else delivery["status"]
        await self.log.note([deliveries.attempted(delivery["_id"], status, made.document, scheduled=False)])
        self.tell(endpoint, delivery, made, status, given_up=False)
