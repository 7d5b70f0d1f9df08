"""One client who sends too much, and one address that opens too much: both are bounded, and nobody else is delayed."""

import asyncio
import time
from collections import Counter

import pytest

from config import limits
from hub.realtime import close_codes
from tests.integration.realtime.site import Site
from tests.length import length
from tests.patience import until
from tests.ws_client import Client

FRAMES_A_SECOND = 5_000
PORTIONS = 50  # of a second's frames
OTHERS_SECONDS_MAX = 3 * 0.1
STRANGERS = length(200, 2_000)
AT_ONCE = 100
PENDING_MAX = 50
CLOSED_SECONDS_MAX = 5.0 + 1.0  # what the hub gives each, and a second for our own part in the same process


async def _flood(client: Client) -> int | None:
    """Five thousand valid commands a second until the hub closes; its close code, none where the socket just ended."""
    closing = asyncio.create_task(client.close_code())
    while not closing.done():
        for _ in range(FRAMES_A_SECOND // PORTIONS):
            client.send_unchecked("ping")
        await asyncio.sleep(1 / PORTIONS)
    return await closing


def test_a_fast_sender_is_cut_off_and_delays_nobody(hub: Site) -> None:
    async def scenario(site: Site) -> None:
        flooder, other = [(await site.connect(await site.user()))[0] for _ in range(2)]
        flood = asyncio.create_task(_flood(flooder))
        delays = []
        while not flood.done() or len(delays) < 100:
            asked = time.monotonic()
            await other.request("ping")
            delays.append(time.monotonic() - asked)
            await asyncio.sleep(0.01)
        assert await flood in (close_codes.TOO_MANY_MESSAGES, None)
        answered = sum(frame.get("type") == "ok" for frame in flooder.frames)
        assert answered <= limits.COMMAND_BURST + limits.COMMANDS_PER_SECOND
        assert sorted(delays)[int(0.99 * len(delays))] <= OTHERS_SECONDS_MAX
        await other.close()

    hub.run(scenario)


@pytest.mark.faults
@pytest.mark.timeout(180)
def test_an_address_that_opens_thousands_keeps_few_and_not_for_long(hub: Site) -> None:
    """They come without a pause, each in the place of one that was turned away; none says who it is."""

    async def scenario(site: Site) -> None:
        connections = site.services.connections
        witness, _ = await site.connect(await site.user())
        codes: Counter[int | None] = Counter()
        places, most = asyncio.Semaphore(AT_ONCE), 0

        async def stranger() -> None:
            nonlocal most
            async with places:
                client = await Client.open(site.port)
                began = time.monotonic()
                most = max(most, connections.pending)
                codes[await client.close_code()] += 1
                assert time.monotonic() - began <= CLOSED_SECONDS_MAX

        await asyncio.gather(*(stranger() for _ in range(STRANGERS)))
        assert set(codes) == {close_codes.NOT_AUTHENTICATED, close_codes.TOO_MANY_CONNECTIONS}
        assert codes.total() == STRANGERS
        assert most == PENDING_MAX
        await until(lambda: connections.pending == 0)
        await witness.request("ping")
        await witness.close()

    hub.run(scenario)
