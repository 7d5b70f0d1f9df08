"""Brokers of several nodes over one Redis, each with an ear."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hub.realtime.broker import RESYNC, Publication
from hub.redis.broker import RedisBroker
from hub.tasks import Tasks
from tests.patience import until

LOCAL_SECONDS_MAX = 0.15  # three times what the hub promises to its own sockets while Redis is away


class Node:
    """A broker with an ear: `heard` has the offsets, `resyncs` the channels of that signal."""

    def __init__(self, broker: RedisBroker) -> None:
        self.broker = broker
        self.heard: list[int] = []
        self.resyncs: list[str] = []

    async def listen(self, channel: str = "c") -> None:
        self.broker.subscribe(channel, self.hear)
        await self.broker.subscribed(channel)

    def hear(self, channel: str, publication: Publication) -> None:
        if publication.type == RESYNC:
            self.resyncs.append(channel)
        else:
            self.heard.append(publication.offset)

    def publish(self, offset: int, channel: str = "c", text: str = "") -> None:
        self.broker.publish(channel, Publication("event", "thing.happened", {"text": text}, "e1", offset))


@asynccontextmanager
async def nodes(url: str, number: int = 2) -> AsyncIterator[list[Node]]:
    tasks, prefix = Tasks(), f"test_{secrets.token_hex(4)}"
    made = [Node(RedisBroker(url, prefix, tasks)) for _ in range(number)]
    try:
        for node in made:
            await node.broker.open()
            await node.listen()
        yield made
    finally:
        for node in made:
            await node.broker.close()
        await tasks.close(1)
    assert not tasks.failures


async def heard_here_at_once(node: Node, offset: int) -> None:
    node.publish(offset)
    await until(lambda: offset in node.heard, LOCAL_SECONDS_MAX)
