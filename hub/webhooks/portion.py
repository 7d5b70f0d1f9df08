"""A portion of what waits to be queued: which endpoint is to get which event, as what text. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from config import outgoing
from hub.webhooks import payloads
from hub.webhooks.payloads import Facts
from models import deliveries, webhook_queues
from models.database import Document
from models.ids import new_id

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An event that an endpoint wants, by one of its public names."""

    event: Document
    endpoint: Document
    name: str


@dataclass(frozen=True, slots=True)
class Payload:
    """What an endpoint would be sent of an event: the `webhook-id`, the text, and how many workflows led to it."""

    webhook_id: str
    text: str
    hops: int


@dataclass(slots=True)
class Portion:
    """So many of the first events as a transaction carries, and the payloads that they become, in their order."""

    events: list[Document] = field(default_factory=list)
    payloads: list[tuple[Wanted, str]] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def is_full(self) -> bool:
        too_many = len(self.payloads) >= outgoing.FAN_OUT_DELIVERIES
        return too_many or self.size_bytes >= outgoing.FAN_OUT_BYTES_MAX

    def add(self, event: Document, made: Sequence[tuple[Wanted, str]]) -> None:
        self.events.append(event)
        self.payloads.extend(made)
        self.size_bytes += sum(len(body.encode()) + outgoing.DELIVERY_BYTES for _, body in made)

    def endpoints(self) -> dict[str, Document]:
        """Those that get something."""
        return {wanted.endpoint["_id"]: wanted.endpoint for wanted, _ in self.payloads}


@dataclass(slots=True)
class Queued:
    """A portion at the end of its queues. `full`: endpoints that begin to lose events, their queue having no room.
    `replay` is the name of one that may be asked for again, `standing` how many deliveries there are of it already.
    """

    queues: dict[str, Document] = field(default_factory=dict)  # as they will be
    deliveries: list[Document] = field(default_factory=list)
    full: list[Document] = field(default_factory=list)
    replay: str | None = None
    standing: int = 0

    def add(self, wanted: Wanted, body: str, moment: datetime) -> None:
        endpoint, event = wanted.endpoint, wanted.event
        queue = self.queues[endpoint["_id"]]
        if queue["seq"] - queue["done"] >= outgoing.WEBHOOK_WAITING_MAX:
            self._drop(queue, endpoint)
            return
        queue["seq"] += 1
        queue["due_at"] = queue["due_at"] or moment
        queue["head_at"] = queue["head_at"] or event["created_at"]
        webhook_id = payloads.id_of(event, wanted.name, endpoint["api"])
        what = (webhook_id, wanted.name, body, event["created_at"], moment, event.get("hops", 0))
        self.deliveries.append(deliveries.new_delivery(delivery_id(wanted, self.replay), endpoint, queue["seq"], *what))

    def _drop(self, queue: Document, endpoint: Document) -> None:
        if not queue["full"]:
            self.full.append(endpoint)
        queue["full"] = True
        queue["dropped"] += 1


def wanted_of(found: Sequence[Document], endpoints: Sequence[Document]) -> dict[Any, list[Wanted]]:
    """By the event's id, who wants it and as what."""
    by_owner: defaultdict[str | None, list[Document]] = defaultdict(list)
    for endpoint in endpoints:
        by_owner[endpoint["owner"]].append(endpoint)
    return {event["_id"]: list(_wanted(event, by_owner)) for event in found}


def _wanted(event: Document, by_owner: Mapping[str | None, Sequence[Document]]) -> Iterator[Wanted]:
    listening = (*by_owner[payloads.user_of(event)], *by_owner[None])
    for name in payloads.names_of(event):
        yield from (Wanted(event, endpoint, name) for endpoint in listening if _wants(endpoint, event, name))


def _wants(endpoint: Document, event: Document, name: str) -> bool:
    on = endpoint["active"] or event["created_at"] < endpoint["off_at"]
    is_about = "workflow" not in endpoint or endpoint["workflow"] == event["data"].get("workflow_id")
    return on and is_about and name in endpoint["events"]


def portion_of(found: Sequence[Document], wanted: Mapping[Any, Sequence[Wanted]], facts: Facts) -> Portion:
    """At least one event of these, in their order."""
    portion = Portion()
    for event in found:
        if portion.is_full:
            break
        bodies: dict[tuple[str, str], str | None] = {}
        made = [(one, _body(one, facts, bodies)) for one in wanted[event["_id"]]]
        portion.add(event, [(one, body) for one, body in made if body is not None])
    return portion


def _body(wanted: Wanted, facts: Facts, made: dict[tuple[str, str], str | None]) -> str | None:
    """Made once for all endpoints of a form; None where it cannot be: one event must not keep all others back."""
    key = (wanted.name, wanted.endpoint["api"])
    if key not in made:
        try:
            made[key] = payloads.body_of(wanted.event, *key, facts)
        except Exception:
            log.exception("event cannot be told", id=str(wanted.event["_id"]), name=wanted.name)
            made[key] = None
    return made[key]


def queued(
    portion: Portion,
    read: Mapping[str, Document],
    moment: datetime,
    *,
    replay: str | None = None,
    stored: Collection[str] = (),
) -> Queued:
    """`read` are the queues as they are, of those endpoints that have one; `stored` the deliveries of this replay that there
    are, which stay as they are.
    """
    made = Queued({key: _queue(read, endpoint) for key, endpoint in portion.endpoints().items()}, replay=replay)
    for wanted, body in portion.payloads:
        if replay is not None and delivery_id(wanted, replay) in stored:
            made.standing += 1
        else:
            made.add(wanted, body, moment)
    return made


def delivery_id(wanted: Wanted, replay: str | None) -> str:
    """A new one; in a replay that has a name the same for whoever asks for it again, in the order of the events."""
    if replay is None:
        return new_id("dlv")
    event, endpoint = wanted.event, wanted.endpoint["_id"]
    named = hashlib.sha256(f"{replay} {endpoint} {event['_id']} {wanted.name}".encode()).hexdigest()[:16]
    return f"dlv_{int(event['created_at'].timestamp() * 1_000):012x}{event['offset']:08x}{named}"


def _queue(read: Mapping[str, Document], endpoint: Document) -> Document:
    known = read.get(endpoint["_id"])
    return webhook_queues.new_queue(endpoint["_id"], endpoint["owner"]) if known is None else dict(known)
