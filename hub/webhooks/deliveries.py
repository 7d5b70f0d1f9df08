"""What an endpoint's owner may see and do: the log of its deliveries, one sent again, a span of time, a test.

Others' endpoints do not exist. `owner` is None for the hub's own, as in `hub/webhooks/endpoints.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from config import outgoing
from hub.errors import Code, HubError, invalid
from hub.throttle import Throttle
from hub.webhooks import payloads, samples
from hub.webhooks.endpoints import WebhookEndpoints
from hub.webhooks.fan_out import FanOut
from hub.webhooks.portion import Payload
from hub.webhooks.sender import Sender
from models import deliveries, events, webhook_queues
from models.clock import now
from models.database import Database, Document
from models.ids import new_id
from models.webhook_queues import new_queue

_NOBODY: Final = "user_test"  # whom a test of the hub's own endpoints is about


class Deliveries:
    """One per process. All methods raise `HubError` NOT_FOUND and `DatabaseError`."""

    def __init__(
        self,
        database: Database,
        endpoints: WebhookEndpoints,
        fan_out: FanOut,
        sender: Sender,
        throttle: Throttle,
        credit_rate: int,
    ) -> None:
        self._database = database
        self._endpoints = endpoints
        self._fan_out = fan_out
        self._sender = sender
        self._throttle = throttle
        self._credit_rate = credit_rate

    async def queues(self, found: Sequence[Document]) -> dict[str, Document]:
        """How far the deliveries of these endpoints have come, by endpoint; for one that had none too."""
        known = await webhook_queues.of_endpoints(self._database, [endpoint["_id"] for endpoint in found])
        return {
            endpoint["_id"]: known.get(endpoint["_id"]) or new_queue(endpoint["_id"], endpoint["owner"])
            for endpoint in found
        }

    async def page(
        self,
        owner: str | None,
        api: str,
        endpoint_id: str,
        status: str | None,
        *,
        newest_first: bool,
        skip: int,
        limit: int,
    ) -> tuple[list[Document], int]:
        """An endpoint's log without payloads, and how many deliveries there are in all."""
        await self._endpoints.find(owner, api, endpoint_id)
        return await deliveries.page(
            self._database, endpoint_id, status, newest_first=newest_first, skip=skip, limit=limit
        )

    async def find(self, owner: str | None, api: str, endpoint_id: str, delivery_id: str) -> Document:
        await self._endpoints.find(owner, api, endpoint_id)
        return await self._find(endpoint_id, delivery_id)

    async def _find(self, endpoint_id: str, delivery_id: str) -> Document:
        found = await deliveries.by_id(self._database, endpoint_id, delivery_id)
        if found is None:
            raise HubError(Code.NOT_FOUND, "No such delivery")
        return found

    async def resend(self, owner: str | None, api: str, endpoint_id: str, delivery_id: str) -> Document:
        """Send one again at once, under its id, whether its endpoint is switched on or not; the delivery after it.

        Of those that wait only the first may be sent, so that the order stays; where it is taken the others follow.
        Raises `HubError` RATE_LIMITED or CONFLICT.
        """
        endpoint = await self._endpoints.find(owner, api, endpoint_id)
        delivery = await self._find(endpoint_id, delivery_id)
        if delivery["status"] == deliveries.WAITING:
            await self._check_first(endpoint_id, delivery_id)
        await self._throttle.webhook_tried(owner or "hub")
        await self._sender.try_now(endpoint, delivery)
        after = await self._find(endpoint_id, delivery_id)
        if delivery["status"] == deliveries.WAITING and after["status"] == deliveries.DELIVERED:
            await webhook_queues.due(self._database, endpoint_id, now())
            self._sender.wake(endpoint_id)
        return after

    async def _check_first(self, endpoint_id: str, delivery_id: str) -> None:
        first = await deliveries.first_waiting(self._database, endpoint_id, 0, 1)
        if first and first[0]["_id"] != delivery_id:
            raise HubError(Code.CONFLICT, f"Events before it wait: {first[0]['_id']} is the first")

    async def test(self, owner: str | None, api: str, endpoint_id: str, name: str | None) -> Document:
        """Send a sample of an event (by default the first that the endpoint wants); the delivery after it.

        Raises `HubError` RATE_LIMITED.
        """
        endpoint = await self._endpoints.find(owner, api, endpoint_id)
        await self._throttle.webhook_tried(owner or "hub")
        name, user = name or endpoint["events"][0], owner or _NOBODY
        event, facts = samples.event_of(name, user), samples.facts(self._credit_rate, user)
        body = payloads.body_of(event, name, endpoint["api"], facts)
        what = (payloads.id_of(event, name, endpoint["api"]), name, body, event["created_at"], now())
        delivery = deliveries.new_delivery(new_id("dlv"), endpoint, None, *what)
        await deliveries.add(self._database, delivery)
        await self._sender.try_now(endpoint, delivery)
        return await self._find(endpoint_id, delivery["_id"])

    async def replay(
        self, owner: str | None, api: str, endpoint_id: str, first: datetime, last: datetime, name: str | None = None
    ) -> int:
        """Queue once more what happened from `first` until `last` and is kept, of what the endpoint wants, each under
        its id; how many deliveries that makes. Those that were queued by the same `name` before are not queued again.

        Raises `HubError`: INVALID for too many events, CONFLICT for an endpoint that is switched off.
        """
        endpoint = await self._endpoints.find(owner, api, endpoint_id)
        if not endpoint["active"]:
            raise HubError(Code.CONFLICT, "This webhook is switched off")
        found = await self._between(owner, endpoint, first, last, outgoing.WEBHOOK_REPLAY_MAX)
        return await self._fan_out.queue_again(endpoint, found, name)

    async def payloads(
        self, owner: str | None, api: str, endpoint_id: str, first: datetime, last: datetime, most: int
    ) -> list[Payload]:
        """The same events as an endpoint would be sent them, for who wants to have them instead.

        Raises `HubError` INVALID for more than so many.
        """
        endpoint = await self._endpoints.find(owner, api, endpoint_id)
        found = await self._between(owner, endpoint, first, last, most)
        return await self._fan_out.payloads(endpoint, found)

    async def _between(
        self, owner: str | None, endpoint: Document, first: datetime, last: datetime, most: int
    ) -> list[Document]:
        if not first < last:
            raise invalid("from", "must be in the past, and before `to`")
        channel = None if owner is None else f"user:{owner}"
        types = payloads.types_of(set(endpoint["events"]))
        found = await events.between(self._database, channel, types, first, last, most + 1)
        if len(found) > most:
            raise invalid("to", f"more than {most} events happened until then: ask for less at once")
        return in_order(found)


def in_order(found: Sequence[Document]) -> list[Document]:
    """Events in the order of time, and those of each channel in the order of their offsets, whatever a clock said."""
    latest: dict[str, datetime] = {}
    keyed = []
    for event in sorted(found, key=lambda event: event["offset"]):
        moment = max(event["created_at"], latest.get(event["channel"], event["created_at"]))
        latest[event["channel"]] = moment
        keyed.append((moment, event["channel"], event["offset"], event))
    return [event for *_, event in sorted(keyed, key=lambda key: key[:3])]
