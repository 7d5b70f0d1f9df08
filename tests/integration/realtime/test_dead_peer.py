"""A peer whose line swallows everything without a word: only a ping that stays unanswered tells, and it tells in time."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from hub.providers.base import Delta, Usage
from hub.streams import Outcome, Stream
from tests.integration.realtime.site import Site
from tests.line import Line
from tests.patience import until
from tests.ws_client import Client, Closed

INTERVAL_SECONDS = 1.0
TIMEOUT_SECONDS = 0.8
DETECTED_SECONDS = INTERVAL_SECONDS + TIMEOUT_SECONDS + 1.0
PEERS = 10


@pytest.fixture
def line(hub: Site) -> Iterator[Line]:
    line = Line("127.0.0.1", hub.port)
    yield line
    line.close()


async def _live(client: Client) -> None:
    """Read, and so answer pings, until the end is heard of."""
    with contextlib.suppress(Closed):
        while True:
            await client.receive()


def test_a_peer_that_the_network_swallowed_is_found_and_forgotten(hub: Site, line: Line) -> None:
    async def scenario(site: Site) -> None:
        login, other = await site.user(), await site.user()
        site.ping(INTERVAL_SECONDS, TIMEOUT_SECONDS)
        witness, _ = await site.connect(other)
        alive = [asyncio.create_task(_live(witness))]
        stream = Stream(id="stream_dead", user=login.user["_id"], model="gpt-4", conversation=None, message="msg_x")
        site.services.streams.add(stream)
        peers = [await Client.open(line.port) for _ in range(PEERS)]
        for peer in peers:
            await peer.request("connect", token=login.access_token)
            await peer.request("chat.resume", stream_id=stream.id, epoch=stream.epoch, after=0)
            alive.append(asyncio.create_task(_live(peer)))
        await until(lambda: all(peer.pings >= 2 for peer in peers))
        registry = site.services.connections
        assert len(registry) == 1 + PEERS and stream.followers == PEERS, "an answered ping closes nothing"
        line.swallow()
        stream.append([Delta("into the void")], 1)
        await until(lambda: len(registry) == 1, DETECTED_SECONDS)
        assert registry.of_user(login.user["_id"]) == () and registry.pending == 0
        assert not stream.followers
        assert not any(task.done() for task in alive), "nobody told the peers, and the witness stays"
        stream.finish(Outcome("stop", Usage(1, 1), "provider", None))
        site.services.streams.discard(stream)
        site.ping(25, 20)
        Client.abort_all()
        await asyncio.gather(*alive)

    hub.run(scenario)
