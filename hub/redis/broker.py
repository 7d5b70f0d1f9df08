"""The broker of several nodes: every publication goes through Redis, to ourselves too, so that a channel has one order.

    publish() --+--> RedisLink --> Redis --> every node that has a subscriber, this one included
                +--> awaits its own echo; without one in time, or without Redis, it is delivered here at once

Redis stays optional: while it is away this node hears itself as if it were the only one, what it publishes waits in a
bounded queue, and all who may have missed something are told to read again (`resync`). Nothing here reads the database.
"""

import asyncio
import itertools
import secrets
from collections import OrderedDict

import orjson
import structlog

from config import limits
from hub.realtime.broker import REVOCATIONS, MemoryBroker, Publication, Subscriber
from hub.realtime.resyncs import ANYWHERE, Extent, Resyncs, resync
from hub.redis.echoes import Echoes, Latest
from hub.redis.link import Owner, RedisLink
from hub.tasks import Tasks

log = structlog.get_logger(__name__)

_EVERY_NODE = "nodes"  # whatever comes here: publications were lost, so everybody has to read again


class RedisBroker:
    """`prefix` parts the hubs that share a Redis. Raises `ValueError` for an address that is none."""

    def __init__(self, url: str, prefix: str, tasks: Tasks) -> None:
        self._node = secrets.token_hex(8).encode()
        owner = Owner(self._heard, self._confirmed, self._beat, self._broken, self._drained)
        self._link = RedisLink(url, prefix, f"node:{self._node.decode()}", tasks, owner)
        self._subscriptions = self._link.subscriptions
        self._here = MemoryBroker()
        self._numbers = itertools.count(1)
        self._echoes = Echoes(self._deliver)
        self._others = Latest()
        self._resyncs = Resyncs(self._here, tasks)
        self._revoked: OrderedDict[str, None] = OrderedDict()  # ids of the revocations delivered here
        self._lost = False  # something that the other nodes should have heard
        self._confirming: dict[str, asyncio.Event] = {}
        self._stale: set[str] = set()  # once Redis has confirmed them, their subscribers have to read again

    @property
    def up(self) -> bool:
        return self._link.linked.is_set() and not self._echoes.late

    @property
    def silent_seconds(self) -> float:
        """How long nothing may have come from other nodes: since our own heartbeat came back the last time."""
        return asyncio.get_running_loop().time() - self._echoes.heard_at

    async def open(self) -> None:
        """Without Redis it opens all the same, with a warning in the log."""
        self._subscriptions.want(_EVERY_NODE, True)
        await self._link.open()
        for channel in self._link.beats:
            await self.subscribed(channel)

    async def close(self) -> None:
        await self._link.close()
        self._echoes.give_up()
        await self._here.close()

    # --- out ---

    def publish(self, channel: str, publication: Publication) -> None:
        number = next(self._numbers)
        sent = self._send(number, channel, publication)
        if not sent:
            self._echoes.give_up()
        if channel == REVOCATIONS or not self._comes_back(channel):
            self._deliver(channel, publication)
        elif self._here.hears(channel):
            self._echoes.expect(number, channel, publication)

    def _comes_back(self, channel: str) -> bool:
        return self.up and (channel in self._subscriptions.confirmed or not self._here.hears(channel))

    def _send(self, number: int, channel: str, publication: Publication) -> bool:
        try:
            payload = self._packed(number, publication)
        except TypeError:
            log.exception("a publication cannot be encoded", channel=channel)
            payload = self._packed(number, resync())
        if len(payload) > limits.PUBLICATION_BYTES_MAX:
            payload = self._packed(number, resync())
        sent = self._link.send(channel, payload)
        self._lost = self._lost or not sent
        return sent

    def _packed(self, number: int, publication: Publication) -> bytes:
        fields = (publication.kind, publication.type, publication.data, publication.epoch, publication.offset)
        return b"%s %d %s" % (self._node, number, orjson.dumps(fields, option=orjson.OPT_UTC_Z))

    def _drained(self) -> None:
        if self._lost:
            self._lost = not self._link.send(_EVERY_NODE, self._node)

    def _beat(self) -> None:
        """By each shard, once all of them listen."""
        if self._link.beats <= self._subscriptions.confirmed:
            beats = {next(self._numbers): channel for channel in self._link.beats}
            self._echoes.beat(beats)
            for number, channel in beats.items():
                self._link.send(channel, b"%s %d " % (self._node, number))

    # --- in ---

    def _heard(self, channel: str, content: bytes) -> None:
        if channel == _EVERY_NODE:
            if content != self._node:
                self._resyncs.add(self._here.channels)
            return
        try:
            node, number, body = content.split(b" ", 2)
            self._received(channel, node, int(number), body)
        except Exception:  # whatever it is that came: one message must not break the link for all
            log.warning("what came from Redis is no publication", channel=channel, exc_info=True)

    def _received(self, channel: str, node: bytes, number: int, body: bytes) -> None:
        if channel in self._link.beats:
            self._echoes.beat_heard(number)
        elif node == self._node:
            self._echoes.heard(number)
        elif self._here.hears(channel) and self._others.is_new(node, channel, number):
            self._deliver(channel, Publication(*orjson.loads(body)))

    def _deliver(self, channel: str, publication: Publication) -> None:
        if channel != REVOCATIONS or self._is_new(publication):
            self._here.publish(channel, publication)

    def _is_new(self, revocation: Publication) -> bool:
        """Each node also reads revocations in the database and hands on what it had not heard. A second coming, which may
        be minutes late, must not end what the user has begun since.
        """
        name = revocation.data.get("id")
        if name is None:
            return True
        if name in self._revoked:
            return False
        self._revoked[name] = None
        if len(self._revoked) > limits.REVOCATIONS_SEEN_MAX:
            self._revoked.popitem(last=False)
        return True

    # --- who listens ---

    def subscribe(self, channel: str, subscriber: Subscriber) -> None:
        if not self._here.hears(channel):
            self._subscriptions.want(channel, True)
        self._here.subscribe(channel, subscriber)

    def unsubscribe(self, channel: str, subscriber: Subscriber) -> None:
        heard = self._here.hears(channel)
        self._here.unsubscribe(channel, subscriber)
        if heard and not self._here.hears(channel):
            self._subscriptions.want(channel, False)
            self._stale.discard(channel)

    def resync(self, channel: str, extent: Extent = ANYWHERE) -> None:
        """Tell who listens to a channel here, and nobody else, that it has come so far without us."""
        if self._here.hears(channel):
            self._resyncs.add([channel], extent)

    def resync_all(self) -> None:
        """Tell everybody here."""
        self._resyncs.add(self._here.channels)

    async def subscribed(self, channel: str) -> None:
        """Where Redis is away or slow it returns as well: then the channel gets its `resync` once Redis has confirmed."""
        if channel in self._subscriptions.confirmed:
            return
        if not self._link.linked.is_set():
            self._stale.add(channel)
            return
        confirmed = self._confirming.setdefault(channel, asyncio.Event())
        try:
            async with asyncio.timeout(limits.REDIS_SUBSCRIBE_SECONDS):
                await confirmed.wait()
        except TimeoutError:
            self._stale.add(channel)

    def _confirmed(self, channel: str) -> None:
        waiting = self._confirming.pop(channel, None)
        if waiting is not None:
            waiting.set()
        if channel in self._link.beats and self._link.beats <= self._subscriptions.confirmed:
            self._echoes.begin()
        if channel in self._stale:
            self._stale.discard(channel)
            self._resyncs.add([channel])

    def _broken(self) -> None:
        self._stale.update(self._here.channels)
        for waiting in self._confirming.values():
            waiting.set()
        self._confirming.clear()
        self._echoes.give_up()
